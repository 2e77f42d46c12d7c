using System;

namespace Quire.Models.Quantization;

/// <summary>
/// Finds the scale and zero point with which a group of weights loses least: round to nearest over a range that shrinks step by step,
/// each time with the scale that is best for the integers found (least squares), as in the search of AWQ's clipping and of llama.cpp.
/// </summary>
internal static class GroupQuantizer
{
    /// <summary>Ranges that are tried: from all of the group down to 60 per cent of it.</summary>
    private const int Steps = 16;
    private const float LeastRange = 0.6f;

    /// <summary>Quantises a group; returns its scale, rounded to F16, and its zero point.</summary>
    /// <param name="weights">The group.</param>
    /// <param name="bits">4 or 8.</param>
    /// <param name="asymmetric">False keeps the zero point at half of the range.</param>
    /// <param name="integers">Where the integers go.</param>
    public static (float Scale, int Zero) Quantize(ReadOnlySpan<float> weights, int bits, bool asymmetric, Span<byte> integers)
    {
        int top = (1 << bits) - 1;
        int half = 1 << (bits - 1);
        float least = 0;
        float greatest = 0;
        foreach (float weight in weights)
        {
            least = Math.Min(least, weight);
            greatest = Math.Max(greatest, weight);
        }

        float size = Math.Max(greatest, -least);
        if (size == 0)
        {
            integers[..weights.Length].Fill((byte)half);
            return (0, half);
        }

        double bestError = double.MaxValue;
        float bestScale = 0;
        int bestZero = half;
        for (int step = 0; step < Steps; step++)
        {
            float range = 1 - (1 - LeastRange) * step / Steps;
            float scale = asymmetric ? (greatest - least) * range / top : size * range / (half - 0.5f);
            if (!asymmetric && step == 0)
            {
                scale = size / (half - 1);
            }

            int zero = asymmetric ? (int)Math.Clamp(MathF.Round(-least * range / scale), 0, top) : half;
            scale = Fitted(weights, scale, zero, top);
            double error = Error(weights, scale, zero, top);
            if (error < bestError)
            {
                bestError = error;
                bestScale = scale;
                bestZero = zero;
            }
        }

        for (int i = 0; i < weights.Length; i++)
        {
            integers[i] = (byte)Nearest(weights[i], bestScale, bestZero, top);
        }

        return (bestScale, bestZero);
    }

    /// <summary>The scale that is best for the integers that <paramref name="scale"/> gives, rounded to F16.</summary>
    private static float Fitted(ReadOnlySpan<float> weights, float scale, int zero, int top)
    {
        double products = 0;
        double squares = 0;
        foreach (float weight in weights)
        {
            float q = Nearest(weight, scale, zero, top) - zero;
            products += (double)weight * q;
            squares += q * q;
        }

        float fitted = squares > 0 ? (float)(Half)(products / squares) : 0;
        return fitted > 0 ? fitted : (float)(Half)scale;
    }

    private static double Error(ReadOnlySpan<float> weights, float scale, int zero, int top)
    {
        double error = 0;
        foreach (float weight in weights)
        {
            double difference = weight - (Nearest(weight, scale, zero, top) - zero) * (double)scale;
            error += difference * difference;
        }

        return error;
    }

    private static float Nearest(float weight, float scale, int zero, int top) =>
        scale == 0 ? zero : Math.Clamp(MathF.Round(weight / scale) + zero, 0, top);
}
