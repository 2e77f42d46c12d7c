using System;
using System.Globalization;
using Quire.Models.Rope;

namespace Quire.Models.Config;

/// <summary>The longest sequence of a model: vLLM's derivation of max_model_len.</summary>
/// <param name="Length">Tokens of prompt and output together.</param>
/// <param name="FitMemory">True when the largest length that fits the cache is asked for; Length is then the upper bound.</param>
/// <param name="Warning">What the user should know, or null.</param>
public sealed record ModelLength(int Length, bool FitMemory, string? Warning)
{
    /// <summary>What the user writes for "as much as fits".</summary>
    public const int Auto = -1;

    private const int DefaultLength = 2048;

    private static readonly string[] Keys =
    [
        "max_position_embeddings", "n_positions", "max_seq_len", "seq_length", "max_target_positions", "max_sequence_length",
        "max_seq_length", "seq_len",
    ];

    /// <summary>Derives the length, or checks the one that the user wants.</summary>
    /// <param name="config">The model's configuration.</param>
    /// <param name="requested">Null for the model's own, <see cref="Auto"/>, or a number of tokens.</param>
    /// <param name="allowLonger">Only warn when the user wants more than the model was made for.</param>
    /// <exception cref="CheckpointException">The length is below 1 or more than the model was made for.</exception>
    public static ModelLength Derive(HfConfig config, int? requested, bool allowLonger = false)
    {
        ArgumentNullException.ThrowIfNull(config);
        if (requested < Auto)
        {
            throw new CheckpointException(
                CheckpointProblem.Configuration, $"max_model_len is {requested}, but must be at least 1, or -1 for what fits into memory");
        }

        if (requested == 0)
        {
            throw new CheckpointException(CheckpointProblem.Configuration, "max_model_len is 0, but must be at least 1");
        }

        string? warning = null;
        (string? key, int? stated) = Shortest(config.Text);
        if (stated is null)
        {
            if (requested > 0)
            {
                return new ModelLength(requested.Value, false, null);
            }

            warning = $"{HfConfig.FileName} has none of the keys that tell the model's longest sequence ({string.Join(", ", Keys)}); "
                + $"{DefaultLength} tokens are assumed";
        }

        int derived = Scaled(config, stated ?? DefaultLength, ref warning);
        if (requested is null or Auto)
        {
            return new ModelLength(Own(config.Text, derived), requested == Auto, warning);
        }

        return requested <= derived
            ? new ModelLength(requested.Value, false, warning)
            : Longer(config, requested.Value, derived, key, allowLonger);
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

    private static ModelLength Longer(HfConfig config, int requested, int derived, string? key, bool allowLonger)
    {
        int? limit = config.Text.OptionalInt32("model_max_length", 1, int.MaxValue);
        if (limit >= requested)
        {
            return new ModelLength(requested, false, null);
        }

        string outright = limit?.ToString(CultureInfo.InvariantCulture) ?? "None";
        string message = $"User-specified max_model_len ({requested}) is greater than the derived max_model_len ({key ?? "default"}={derived} "
            + $"or model_max_length={outright} in model's config.json)";
        if (allowLonger)
        {
            return new ModelLength(requested, false, $"{message}; answers beyond {derived} tokens may be useless");
        }

        throw new CheckpointException(
            CheckpointProblem.Configuration,
            $"{message}; lower max_model_len to {derived}, or set VLLM_ALLOW_LONG_MAX_MODEL_LEN=1 to go on at the risk of useless answers");
    }
}
