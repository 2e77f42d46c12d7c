using System;
using System.Collections.Generic;

namespace Quire.Models.Rope;

/// <summary>The angular frequencies of a rotary embedding, in radians a position, and the factor on its cosines and sines.</summary>
public static class RopeFrequencies
{
    /// <summary>RotaryDim / 2 frequencies in falling order of the unscaled series.</summary>
    /// <param name="spec">The embedding.</param>
    /// <param name="maxModelLength">Longest sequence that will be computed; picks the factors of LongRope.</param>
    public static double[] Compute(RopeSpec spec, int maxModelLength)
    {
        ArgumentNullException.ThrowIfNull(spec);
        return spec.Kind switch
        {
            RopeKind.Default => Series(spec.Theta, spec.RotaryDim),
            RopeKind.Linear => Divided(Series(spec.Theta, spec.RotaryDim), spec.Factor),
            RopeKind.Dynamic => Series(DynamicTheta(spec), spec.RotaryDim),
            RopeKind.Llama3 => Llama3(spec),
            RopeKind.Yarn => Yarn(spec),
            RopeKind.LongRope => LongRope(spec, maxModelLength),
            _ => throw new ArgumentOutOfRangeException(nameof(spec), spec.Kind, "unknown kind of rotary embedding"),
        };
    }

    /// <summary>The factor on cosines and sines: 1 but for <see cref="RopeKind.Yarn"/> and <see cref="RopeKind.LongRope"/>.</summary>
    public static double AttentionFactor(RopeSpec spec)
    {
        ArgumentNullException.ThrowIfNull(spec);
        return spec.Kind switch
        {
            RopeKind.Yarn => spec.AttentionFactorMultiplier * YarnAttentionFactor(spec),
            RopeKind.LongRope => spec.AttentionFactor ?? LongRopeAttentionFactor(spec),
            _ => 1,
        };
    }

    /// <summary>theta^(−2j / d) for j = 0 … d/2 − 1.</summary>
    private static double[] Series(double theta, int rotaryDim)
    {
        var frequencies = new double[rotaryDim / 2];
        for (int j = 0; j < frequencies.Length; j++)
        {
            frequencies[j] = Math.Pow(theta, -2.0 * j / rotaryDim);
        }

        return frequencies;
    }

    private static double[] Divided(double[] frequencies, double factor)
    {
        for (int j = 0; j < frequencies.Length; j++)
        {
            frequencies[j] /= factor;
        }

        return frequencies;
    }

    /// <summary>The base for sequences of MaxPositions · Factor: NTK-aware scaling at its end point, for every position.</summary>
    private static double DynamicTheta(RopeSpec spec)
    {
        double growth = spec.Factor * spec.Factor - (spec.Factor - 1);
        return spec.Theta * Math.Pow(growth, spec.RotaryDim / (spec.RotaryDim - 2.0));
    }

    private static double[] Llama3(RopeSpec spec)
    {
        double[] frequencies = Series(spec.Theta, spec.RotaryDim);
        for (int j = 0; j < frequencies.Length; j++)
        {
            double wavelength = 2 * Math.PI / frequencies[j];
            if (wavelength > spec.OriginalMaxPositions / spec.LowFrequencyFactor)
            {
                frequencies[j] /= spec.Factor;
            }
            else if (wavelength >= spec.OriginalMaxPositions / spec.HighFrequencyFactor)
            {
                double rotations = spec.OriginalMaxPositions / wavelength;
                double kept = (rotations - spec.LowFrequencyFactor) / (spec.HighFrequencyFactor - spec.LowFrequencyFactor);
                frequencies[j] = (1 - kept) * frequencies[j] / spec.Factor + kept * frequencies[j];
            }
        }

        return frequencies;
    }

    private static double[] Yarn(RopeSpec spec)
    {
        double low = FrequencyOfRotations(spec, spec.BetaFast);
        double high = FrequencyOfRotations(spec, spec.BetaSlow);
        if (spec.Truncate)
        {
            low = Math.Floor(low);
            high = Math.Ceiling(high);
        }

        low = Math.Max(low, 0);
        high = Math.Min(high, spec.RotaryDim - 1);
        if (low == high)
        {
            high += 0.001;
        }

        double[] frequencies = Series(spec.Theta, spec.RotaryDim);
        for (int j = 0; j < frequencies.Length; j++)
        {
            double stretched = Math.Clamp((j - low) / (high - low), 0, 1);
            frequencies[j] = frequencies[j] / spec.Factor * stretched + frequencies[j] * (1 - stretched);
        }

        return frequencies;
    }

    /// <summary>The (fractional) index of the frequency that turns <paramref name="rotations"/> times over the original context.</summary>
    private static double FrequencyOfRotations(RopeSpec spec, double rotations) =>
        spec.RotaryDim * Math.Log(spec.OriginalMaxPositions / (rotations * 2 * Math.PI)) / (2 * Math.Log(spec.Theta));

    private static double YarnAttentionFactor(RopeSpec spec)
    {
        if (spec.AttentionFactor is { } given)
        {
            return given;
        }

        return spec.MScale is { } numerator && spec.MScaleAllDim is { } denominator
            ? YarnMagnitude(spec.Factor, numerator) / YarnMagnitude(spec.Factor, denominator)
            : YarnMagnitude(spec.Factor, 1);
    }

    private static double YarnMagnitude(double factor, double weight) => factor <= 1 ? 1 : 0.1 * weight * Math.Log(factor) + 1;

    private static double[] LongRope(RopeSpec spec, int maxModelLength)
    {
        IReadOnlyList<double> divisors = maxModelLength > spec.OriginalMaxPositions ? spec.LongFactors : spec.ShortFactors;
        double[] frequencies = Series(spec.Theta, spec.RotaryDim);
        for (int j = 0; j < frequencies.Length; j++)
        {
            frequencies[j] /= divisors[j];
        }

        return frequencies;
    }

    private static double LongRopeAttentionFactor(RopeSpec spec)
    {
        double stretch = (double)spec.MaxPositions / spec.OriginalMaxPositions;
        return stretch <= 1 ? 1 : Math.Sqrt(1 + Math.Log(stretch) / Math.Log(spec.OriginalMaxPositions));
    }
}
