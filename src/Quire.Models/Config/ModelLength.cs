using System;
using Quire.Models.Rope;

namespace Quire.Models.Config;

/// <summary>The longest sequence of a model: vLLM's derivation of max_model_len from config.json.</summary>
/// <param name="Derived">Tokens of prompt and output together that the model can be run with, rotary scaling included.</param>
/// <param name="Default">What is taken when the user sets no length; less than <paramref name="Derived"/> for LongRope only.</param>
/// <param name="Key">The key that the length comes from; null when config.json has none, so that the length is a guess.</param>
/// <param name="ModelMaxLength">config.json's own model_max_length, up to which users may go.</param>
/// <param name="Warning">What the user should know, or null.</param>
public sealed record ModelLength(int Derived, int Default, string? Key, int? ModelMaxLength, string? Warning)
{
    private const int DefaultLength = 2048;

    private static readonly string[] Keys =
    [
        "max_position_embeddings", "n_positions", "max_seq_len", "seq_length", "max_target_positions", "max_sequence_length",
        "max_seq_length", "seq_len",
    ];

    /// <exception cref="CheckpointException">A length in config.json is not a positive integer.</exception>
    public static ModelLength Of(HfConfig config)
    {
        ArgumentNullException.ThrowIfNull(config);
        (string? key, int? stated) = Shortest(config.Text);
        string? warning = stated is null
            ? $"{HfConfig.FileName} has none of the keys that tell the model's longest sequence ({string.Join(", ", Keys)}); {DefaultLength} tokens are assumed"
            : null;
        int derived = Scaled(config, stated ?? DefaultLength, ref warning);
        return new ModelLength(
            derived, Own(config.Text, derived), key, config.Text.OptionalInt32("model_max_length", 1, int.MaxValue), warning);
    }

    /// <summary>The smallest of the keys that are present; model_max_length wins outright.</summary>
    private static (string? Key, int? Length) Shortest(ConfigSection text)
    {
        if (text.OptionalInt32("model_max_length", 1, int.MaxValue) is { } outright)
        {
            return ("model_max_length", outright);
        }

        string? key = null;
        int? shortest = null;
        foreach (string candidate in Keys)
        {
            int? length = text.OptionalInt32(candidate, 1, int.MaxValue);
            if (length is not null && (shortest is null || length < shortest))
            {
                key = candidate;
                shortest = length;
            }
        }

        return (key, shortest);
    }

    /// <summary>Stretched by the factor of the rotary embedding, for the kinds whose max_position_embeddings is not stretched yet.</summary>
    private static int Scaled(HfConfig config, int length, ref string? warning)
    {
        ConfigSection? scaling = RopeReader.Scaling(config.Text);
        if (scaling is null || config.ModelType.Contains("gemma3", StringComparison.Ordinal))
        {
            return length;
        }

        RopeKind kind = RopeReader.Kind(scaling);
        if (kind is RopeKind.LongRope or RopeKind.Llama3)
        {
            return length;
        }

        if (scaling.HasKey("factor") && !scaling.Has("factor"))
        {
            warning = "the factor of the rotary embedding is null; 1.0 is assumed";
        }

        double factor = scaling.Double("factor", 1e-3, 1e6, 1);
        int basis = kind == RopeKind.Yarn ? scaling.Int32("original_max_position_embeddings", 1, int.MaxValue, length) : length;
        return (int)Math.Clamp(basis * factor, 1, int.MaxValue);
    }

    /// <summary>The length without a wish: LongRope keeps to the short one, which is better for short sequences.</summary>
    private static int Own(ConfigSection text, int derived)
    {
        ConfigSection? scaling = RopeReader.Scaling(text);
        if (scaling is null || RopeReader.Kind(scaling) != RopeKind.LongRope)
        {
            return derived;
        }

        return text.OptionalInt32("original_max_position_embeddings", 1, int.MaxValue)
            ?? scaling.OptionalInt32("original_max_position_embeddings", 1, int.MaxValue)
            ?? derived;
    }
}
