using System;
using Quire.Models.Config;
using Quire.Models.Tests.Support;

namespace Quire.Models.Tests;

public class GenerationConfigTests
{
    [Fact]
    public void Known_keys_are_read_and_others_are_not()
    {
        using var folder = new TemporaryFolder();
        folder.Write(
            GenerationConfig.FileName,
            """{"eos_token_id": [2, 0], "do_sample": false, "temperature": 0.6, "top_k": 20, "top_p": 0.95, "min_p": 0, "repetition_penalty": 1.05, "max_new_tokens": 64, "x": {}}""");
        GenerationConfig config = GenerationConfig.Load(folder.Path);
        Assert.Equal([2, 0], config.EosTokenIds);
        Assert.Equal(0.6, config.Temperature);
        Assert.Equal(20, config.TopK);
        Assert.Equal(0.95, config.TopP);
        Assert.Equal(0, config.MinP);
        Assert.Equal(1.05, config.RepetitionPenalty);
        Assert.Equal(64, config.MaxNewTokens);
    }

    [Fact]
    public void Overrides_lie_over_the_file_and_null_takes_a_value_away()
    {
        using var folder = new TemporaryFolder();
        folder.Write(GenerationConfig.FileName, """{"eos_token_id": 2, "temperature": 0.6, "top_k": 20}""");
        GenerationConfig config = GenerationConfig.Load(folder.Path, """{"temperature": 1.5, "top_k": null}""");
        Assert.Equal([2], config.EosTokenIds);
        Assert.Equal(1.5, config.Temperature);
        Assert.Null(config.TopK);
        Assert.Equal(1.5, GenerationConfig.FromOverrides("""{"temperature": 1.5}""").Temperature);
    }

    [Fact]
    public void A_missing_file_states_nothing()
    {
        using var folder = new TemporaryFolder();
        GenerationConfig config = GenerationConfig.Load(folder.Path);
        Assert.Empty(config.EosTokenIds);
        Assert.Null(config.Temperature);
    }

    [Theory]
    [InlineData("""{"temperature": "hot"}""", "temperature must be a number")]
    [InlineData("""{"temperature": -1}""", "temperature is -1")]
    [InlineData("""{"top_p": 1.5}""", "top_p is 1.5")]
    [InlineData("""{"eos_token_id": [-1]}""", "eos_token_id is -1")]
    [InlineData("""{"max_new_tokens": 0}""", "max_new_tokens is 0")]
    [InlineData("[]", "JSON object")]
    public void A_bad_value_is_refused_with_its_key(string json, string reason)
    {
        using var folder = new TemporaryFolder();
        folder.Write(GenerationConfig.FileName, json);
        var error = Assert.Throws<CheckpointException>(() => GenerationConfig.Load(folder.Path));
        Assert.Contains(reason, error.Message, StringComparison.Ordinal);
        Assert.StartsWith("generation_config.json", error.Message, StringComparison.Ordinal);
    }
}
