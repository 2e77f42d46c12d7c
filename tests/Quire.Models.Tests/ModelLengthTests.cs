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
        Assert.Equal(expected, ModelLength.Derive(HfConfig.Parse(json), null).Length);

    [Fact]
    public void Minus_one_asks_for_what_fits_up_to_the_models_own_length()
    {
        ModelLength length = ModelLength.Derive(HfConfig.Parse("""{"max_position_embeddings": 4096}"""), ModelLength.Auto);
        Assert.True(length.FitMemory);
        Assert.Equal(4096, length.Length);
    }

    [Fact]
    public void A_shorter_length_is_taken_and_a_longer_one_refused_with_both_numbers()
    {
        HfConfig config = HfConfig.Parse("""{"max_position_embeddings": 4096}""");
        Assert.Equal(100, ModelLength.Derive(config, 100).Length);
        Assert.Equal(4096, ModelLength.Derive(config, 4096).Length);
        string message = Assert.Throws<CheckpointException>(() => ModelLength.Derive(config, 4097)).Message;
        Assert.Contains(
            "User-specified max_model_len (4097) is greater than the derived max_model_len (max_position_embeddings=4096 or model_max_length=None in model's config.json)",
            message,
            StringComparison.Ordinal);
        ModelLength allowed = ModelLength.Derive(config, 4097, allowLonger: true);
        Assert.Equal(4097, allowed.Length);
        Assert.NotNull(allowed.Warning);
    }

    [Fact]
    public void LongRope_may_be_used_up_to_its_long_length_when_asked()
    {
        HfConfig config = HfConfig.Parse(
            """{"max_position_embeddings": 131072, "original_max_position_embeddings": 4096, "rope_scaling": {"type": "longrope", "long_factor": [], "short_factor": []}}""");
        Assert.Equal(131072, ModelLength.Derive(config, 131072).Length);
        Assert.Throws<CheckpointException>(() => ModelLength.Derive(config, 131073));
    }

    [Fact]
    public void Without_any_key_the_users_length_is_not_checked_and_the_default_is_warned_about()
    {
        HfConfig config = HfConfig.Parse("{}");
        Assert.Equal(9999, ModelLength.Derive(config, 9999).Length);
        Assert.Contains("2048", ModelLength.Derive(config, null).Warning, StringComparison.Ordinal);
    }

    [Fact]
    public void A_null_factor_counts_as_one_and_is_warned_about()
    {
        HfConfig config = HfConfig.Parse("""{"max_position_embeddings": 4096, "rope_parameters": {"rope_type": "linear", "factor": null}}""");
        ModelLength length = ModelLength.Derive(config, null);
        Assert.Equal(4096, length.Length);
        Assert.NotNull(length.Warning);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(-2)]
    public void A_length_below_one_is_refused(int requested) =>
        Assert.Throws<CheckpointException>(() => ModelLength.Derive(HfConfig.Parse("""{"max_position_embeddings": 4096}"""), requested));
}
