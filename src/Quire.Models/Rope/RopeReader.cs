using System.Collections.Generic;
using Quire.Models.Config;

namespace Quire.Models.Rope;

/// <summary>
/// Reads the rotary embedding of a config.json: rope_parameters (transformers 5, possibly one object per layer kind) or rope_theta and
/// rope_scaling (transformers 4). A file has one or the other; where both are present, the old names were laid over it and win.
/// </summary>
internal static class RopeReader
{
    private const int MaxPositions = 1 << 30;

    /// <summary>The embedding of layers of <paramref name="layerKind"/>, such as full_attention.</summary>
    /// <param name="config">The language model's configuration.</param>
    /// <param name="headDim">Elements of one head.</param>
    /// <param name="defaultTheta">The base when the file states none.</param>
    /// <param name="layerKind">Which entry of a table per layer kind is meant.</param>
    public static RopeSpec Read(ConfigSection config, int headDim, double defaultTheta, string layerKind = "full_attention")
    {
        ConfigSection? scaling = Scaling(config, layerKind);
        double theta = Theta(config) ?? Theta(scaling) ?? Theta(Parameters(config, layerKind)) ?? defaultTheta;
        double partial = scaling?.OptionalDouble("partial_rotary_factor", 0, 1) ?? config.Double("partial_rotary_factor", 0, 1, 1);
        var spec = new RopeSpec
        {
            Theta = theta,
            RotaryDim = CheckedRotaryDim(config, (int)(headDim * partial)),
            MaxPositions = config.Int32("max_position_embeddings", 1, MaxPositions, 2048),
        };
        return scaling is null ? spec : Scaled(spec, config, scaling);
    }

    /// <summary>The kind under its current name: su, and yarn with one factor per frequency (early Phi-3), are longrope.</summary>
    public static RopeKind Kind(ConfigSection scaling)
    {
        string key = scaling.Has("rope_type") ? "rope_type" : "type";
        string name = scaling.String(key) ?? "default";
        return name switch
        {
            "default" => RopeKind.Default,
            "linear" => RopeKind.Linear,
            "dynamic" => RopeKind.Dynamic,
            "llama3" => RopeKind.Llama3,
            "yarn" => scaling.Has("long_factor") ? RopeKind.LongRope : RopeKind.Yarn,
            "longrope" or "su" => RopeKind.LongRope,
            _ => throw scaling.Invalid(key, $"is '{name}'; supported are default, linear, dynamic, llama3, yarn, longrope"),
        };
    }

    /// <summary>The object that holds the scaling parameters, or null when there is none.</summary>
    public static ConfigSection? Scaling(ConfigSection config, string layerKind = "full_attention") =>
        config.Section("rope_scaling") ?? Parameters(config, layerKind);

    private static ConfigSection? Parameters(ConfigSection config, string layerKind)
    {
        ConfigSection? parameters = config.Section("rope_parameters");
        return parameters is not null && parameters.HoldsOnlySections() ? parameters.Section(layerKind) : parameters;
    }

    private static double? Theta(ConfigSection? section) => section?.OptionalDouble("rope_theta", 1 + 1e-6, 1e15);

    private static RopeSpec Scaled(RopeSpec spec, ConfigSection config, ConfigSection scaling)
    {
        RopeKind kind = Kind(scaling);
        spec = spec with { Kind = kind };
        switch (kind)
        {
            case RopeKind.Linear:
                return spec with { Factor = Factor(scaling) };
            case RopeKind.Dynamic:
                if (spec.RotaryDim <= 2)
                {
                    throw scaling.Invalid("rope_type", $"'dynamic' needs a rotary dimension above 2, not {spec.RotaryDim}");
                }

                return spec with { Factor = Factor(scaling) };
            case RopeKind.Llama3:
                return Llama3(spec, scaling);
            case RopeKind.Yarn:
                return Yarn(spec, scaling);
            case RopeKind.LongRope:
                return LongRope(spec, config, scaling);
            default:
                return spec;
        }
    }

    private static RopeSpec Llama3(RopeSpec spec, ConfigSection scaling)
    {
        double low = scaling.Double("low_freq_factor", 1e-3, 1e6, 1);
        double high = scaling.Double("high_freq_factor", 1e-3, 1e6, 4);
        if (high <= low)
        {
            throw scaling.Invalid("high_freq_factor", $"is {high}, but must be above low_freq_factor, which is {low}");
        }

        return spec with
        {
            Factor = Factor(scaling),
            LowFrequencyFactor = low,
            HighFrequencyFactor = high,
            OriginalMaxPositions = scaling.Int32("original_max_position_embeddings", 1, MaxPositions),
        };
    }

    private static RopeSpec Yarn(RopeSpec spec, ConfigSection scaling) => spec with
    {
        Factor = Factor(scaling),
        OriginalMaxPositions = scaling.Int32("original_max_position_embeddings", 1, MaxPositions, spec.MaxPositions),
        BetaFast = scaling.Double("beta_fast", 1e-6, 1e6, 32),
        BetaSlow = scaling.Double("beta_slow", 1e-6, 1e6, 1),
        Truncate = scaling.Boolean("truncate", true),
        AttentionFactor = scaling.OptionalDouble("attention_factor", 1e-6, 1e6),
        AttentionFactorMultiplier = scaling.Double("attn_factor", 1e-6, 1e6, 1),
        MScale = NonZero(scaling.OptionalDouble("mscale", 0, 1e6)),
        MScaleAllDim = NonZero(scaling.OptionalDouble("mscale_all_dim", 0, 1e6)),
    };

    private static RopeSpec LongRope(RopeSpec spec, ConfigSection config, ConfigSection scaling)
    {
        int original = scaling.OptionalInt32("original_max_position_embeddings", 2, MaxPositions)
            ?? config.Int32("original_max_position_embeddings", 2, MaxPositions);
        return spec with
        {
            OriginalMaxPositions = original,
            AttentionFactor = scaling.OptionalDouble("attention_factor", 1e-6, 1e6),
            ShortFactors = Factors(scaling, "short_factor", spec.RotaryDim / 2),
            LongFactors = Factors(scaling, "long_factor", spec.RotaryDim / 2),
        };
    }

    private static IReadOnlyList<double> Factors(ConfigSection scaling, string key, int count)
    {
        IReadOnlyList<double> factors = scaling.Doubles(key, 1e-6, 1e9) ?? throw scaling.Invalid(key, "is missing and has no default");
        return factors.Count == count
            ? factors
            : throw scaling.Invalid(key, $"has {factors.Count} entries, but the rotary dimension needs {count}");
    }

    /// <summary>The factor, 1 when it is null or absent.</summary>
    private static double Factor(ConfigSection scaling) => scaling.Double("factor", 1e-3, 1e6, 1);

    private static double? NonZero(double? value) => value is 0 ? null : value;

    private static int CheckedRotaryDim(ConfigSection config, int rotaryDim) =>
        rotaryDim >= 2 && rotaryDim % 2 == 0
            ? rotaryDim
            : throw config.Invalid("partial_rotary_factor", $"gives a rotary dimension of {rotaryDim}, which must be even and at least 2");
}
