using System;

namespace Quire.Tensors.Quantization;

/// <summary>Formats that activations are rounded to before they are multiplied.</summary>
public enum ActivationFormat
{
    /// <summary>Whole numbers from −128 to 127.</summary>
    Int8,

    /// <summary>FP8 E4M3.</summary>
    Float8,
}

/// <summary>
/// How a quantised checkpoint wants the inputs of a linear layer rounded: x → scale · (q − zero), with q = round(x / scale) + zero in
/// the limits of the format. <see cref="Round(Span{float})"/> is the definition; a backend may multiply the integers themselves.
/// </summary>
/// <param name="Format">What q is.</param>
/// <param name="Scale">The scale that the checkpoint states (static); null to take it from each row (dynamic).</param>
/// <param name="ZeroPoint">With <paramref name="Scale"/> and <see cref="ActivationFormat.Int8"/>: the q of 0.</param>
/// <param name="Symmetric">Dynamic only: false lets the scale span least to greatest, so that 0 has a q of its own.</param>
/// <param name="GroupColumns">Dynamic only: adjacent columns that share a scale; 0 for the whole row.</param>
public sealed record ActivationQuantization(
    ActivationFormat Format, float? Scale = null, int ZeroPoint = 0, bool Symmetric = true, int GroupColumns = 0)
{
    /// <summary>The least scale of a row in FP8, as vLLM has it: 1 / (448 · 512).</summary>
    public const float LeastFloat8Scale = 1f / (448 * 512);

    private const float LargestFloat8 = 448;

    /// <summary>Replaces a row of inputs by what its rounded form stands for.</summary>
    public void Round(Span<float> row)
    {
        int group = GroupColumns > 0 ? GroupColumns : Math.Max(1, row.Length);
        for (int start = 0; start < row.Length; start += group)
        {
            Span<float> part = row.Slice(start, Math.Min(group, row.Length - start));
            (float scale, int zero) = Scale is { } stated ? (stated, ZeroPoint) : Dynamic(part);
            for (int i = 0; i < part.Length; i++)
            {
                part[i] = scale == 0 ? 0 : Round(part[i], scale, zero);
            }
        }
    }

    private float Round(float value, float scale, int zero)
    {
        if (Format == ActivationFormat.Float8)
        {
            return FloatConversions.RoundToFloat8E4M3(value / scale) * scale;
        }

        return (Math.Clamp(MathF.Round(value / scale) + zero, -128, 127) - zero) * scale;
    }

    private (float Scale, int Zero) Dynamic(ReadOnlySpan<float> values)
    {
        float least = 0;
        float greatest = 0;
        foreach (float value in values)
        {
            least = value < least ? value : least;
            greatest = value > greatest ? value : greatest;
        }

        float size = Math.Max(greatest, -least);
        if (Format == ActivationFormat.Float8)
        {
            return (Math.Max(size / LargestFloat8, LeastFloat8Scale), 0);
        }

        if (Symmetric)
        {
            return (size / 127, 0);
        }

        float scale = (greatest - least) / 255;
        return (scale, scale == 0 ? 0 : (int)Math.Clamp(MathF.Round(-128 - least / scale), -128, 127));
    }
}
