using System.Collections.Generic;

namespace Quire.Models.Rope;

/// <summary>How the frequencies of a rotary embedding are stretched for contexts longer than those of pre-training.</summary>
public enum RopeKind
{
    /// <summary>As published: Su et al., RoFormer, arXiv 2104.09864.</summary>
    Default,

    /// <summary>Positions divided by a factor: Chen et al., position interpolation, arXiv 2306.15595.</summary>
    Linear,

    /// <summary>A larger base, so that high frequencies stay (NTK-aware scaling), computed once for the whole extended length.</summary>
    Dynamic,

    /// <summary>Llama 3.1: low frequencies divided by a factor, high ones kept, a ramp between.</summary>
    Llama3,

    /// <summary>Peng et al., YaRN, arXiv 2309.00071.</summary>
    Yarn,

    /// <summary>One factor per frequency: Ding et al., LongRoPE, arXiv 2402.13753.</summary>
    LongRope,
}

/// <summary>A rotary position embedding as data; what a kind does not use keeps its default.</summary>
public sealed record RopeSpec
{
    public RopeKind Kind { get; init; }

    /// <summary>Base of the geometric series of frequencies.</summary>
    public required double Theta { get; init; }

    /// <summary>Leading elements of each head that are rotated; even.</summary>
    public required int RotaryDim { get; init; }

    /// <summary>False pairs element j with j + RotaryDim / 2; true pairs 2j with 2j + 1.</summary>
    public bool Interleaved { get; init; }

    /// <summary>How many times longer contexts get.</summary>
    public double Factor { get; init; } = 1;

    /// <summary>Longest context of pre-training.</summary>
    public int OriginalMaxPositions { get; init; }

    /// <summary>max_position_embeddings of the checkpoint.</summary>
    public int MaxPositions { get; init; }

    /// <summary>Llama3: wavelengths above OriginalMaxPositions / this are fully stretched.</summary>
    public double LowFrequencyFactor { get; init; } = 1;

    /// <summary>Llama3: wavelengths below OriginalMaxPositions / this stay.</summary>
    public double HighFrequencyFactor { get; init; } = 4;

    /// <summary>Yarn: rotations over the original context above which a frequency stays.</summary>
    public double BetaFast { get; init; } = 32;

    /// <summary>Yarn: rotations below which a frequency is fully stretched.</summary>
    public double BetaSlow { get; init; } = 1;

    /// <summary>Yarn: whether the ends of the ramp are rounded to whole frequency numbers.</summary>
    public bool Truncate { get; init; } = true;

    /// <summary>Yarn and LongRope: the factor on cosines and sines when the checkpoint states it.</summary>
    public double? AttentionFactor { get; init; }

    /// <summary>Yarn: a further factor on cosines and sines.</summary>
    public double AttentionFactorMultiplier { get; init; } = 1;

    /// <summary>Yarn: weight of the logarithm in the attention factor's numerator (DeepSeek's mscale).</summary>
    public double? MScale { get; init; }

    /// <summary>Yarn: the same in the denominator (mscale_all_dim).</summary>
    public double? MScaleAllDim { get; init; }

    /// <summary>LongRope: RotaryDim / 2 divisors for contexts up to OriginalMaxPositions.</summary>
    public IReadOnlyList<double> ShortFactors { get; init; } = [];

    /// <summary>LongRope: RotaryDim / 2 divisors for longer contexts.</summary>
    public IReadOnlyList<double> LongFactors { get; init; } = [];
}
