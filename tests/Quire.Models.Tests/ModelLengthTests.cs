using System;
using Quire.Models.Config;

namespace Quire.Models.Tests;

/// <summary>The derivation of max_model_len.</summary>
public class ModelLengthTests
{
    [Theory]
    [InlineData("""{"max_position_embeddings": 4096}""", 4096)]
    [InlineData("""{"max_position_embeddings": 4096, "seq_length": 1024, "n_positions": 2000}""", 1024)]
    [InlineData("""{"max_position_embeddings": 4096, "model_max_length": 9000}""", 9000)]
    [InlineData("""{"text_config": {"max_position_embeddings": 100}, "max_position_embeddings": 50}""", 100)]
    [InlineData("""{"max_position_embeddings": 4096, "rope_scaling": {"type": "linear", "factor": 2.5}}""", 10240)]
    [InlineData("""{"max_position_embeddings": 4096, "rope_scaling": {"type": "dynamic", "factor": 2}}""", 8192)]
    [InlineData("""{"max_position_embeddings": 131072, "rope_parameters": {"rope_type": "llama3", "factor": 8, "original_max_position_embeddings": 8192}}""", 131072)]
    [InlineData("""{"max_position_embeddings": 40960, "rope_scaling": {"type": "yarn", "factor": 4, "original_max_position_embeddings": 32768}}""", 131072)]
    [InlineData("""{"max_position_embeddings": 131072, "original_max_position_embeddings": 4096, "rope_scaling": {"type": "su", "long_factor": [], "short_factor": []}}""", 4096)]
    [InlineData("""{"max_position_embeddings": 131072, "rope_scaling": {"type": "longrope", "original_max_position_embeddings": 8192}}""", 8192)]
    [InlineData("""{"max_position_embeddings": 131072, "model_type": "gemma3_text", "rope_scaling": {"type": "linear", "factor": 8}}""", 131072)]
    [InlineData("""{"max_position_embeddings": 512, "rope_parameters": {"full_attention": {"rope_type": "linear", "factor": 2}, "sliding_attention": {"rope_type": "default"}}}""", 1024)]
    [InlineData("{}", 2048)]
    public void The_length_is_derived_from_the_configuration(string json, int expected) =>
        Assert.Equal(expected, ModelLength.Of(HfConfig.Parse(json)).Default);

    [Fact]
    public void The_key_that_decides_is_named()
    {
        ModelLength length = ModelLength.Of(HfConfig.Parse("""{"max_position_embeddings": 4096, "seq_length": 1024}"""));
        Assert.Equal("seq_length", length.Key);
        Assert.Null(length.ModelMaxLength);
        Assert.Equal(9000, ModelLength.Of(HfConfig.Parse("""{"max_position_embeddings": 4096, "model_max_length": 9000}""")).ModelMaxLength);
    }

    [Fact]
    public void LongRope_may_be_used_up_to_its_long_length_but_keeps_to_the_short_one()
    {
        ModelLength length = ModelLength.Of(HfConfig.Parse(
            """{"max_position_embeddings": 131072, "original_max_position_embeddings": 4096, "rope_scaling": {"type": "longrope", "long_factor": [], "short_factor": []}}"""));
        Assert.Equal(131072, length.Derived);
        Assert.Equal(4096, length.Default);
    }

    [Fact]
    public void Without_any_key_there_is_a_warning()
    {
        ModelLength length = ModelLength.Of(HfConfig.Parse("{}"));
        Assert.Null(length.Key);
        Assert.Contains("2048", length.Warning, StringComparison.Ordinal);
    }

    [Fact]
    public void A_null_factor_counts_as_one_and_is_warned_about()
    {
        HfConfig config = HfConfig.Parse("""{"max_position_embeddings": 4096, "rope_parameters": {"rope_type": "linear", "factor": null}}""");
        ModelLength length = ModelLength.Of(config);
        Assert.Equal(4096, length.Default);
        Assert.NotNull(length.Warning);
    }

    [Theory]
    [InlineData("0")]
    [InlineData("-2")]
    [InlineData("\"long\"")]
    public void A_length_that_cannot_be_is_refused(string value) =>
        Assert.Throws<CheckpointException>(() => ModelLength.Of(HfConfig.Parse($$"""{"max_position_embeddings": {{value}}}""")));
}
