using System;

namespace Quire.Tensors;

/// <summary>
/// How a head vector of keys or values becomes the codes of a quantised KV cache, in plain code: the definition, and what backends that
/// compute on the host store with. Storing is a small part of a step; reading is what kernels are for.
/// </summary>
public static unsafe class KvQuantization
{
    private const float LargestInt8 = 127;

    /// <summary>
    /// I8: scale = max |x| / 127, code = x / scale rounded to nearest, ties to even. A vector with a NaN or an infinity gets a scale that is
    /// none, so that it does not look healthy when it is read.
    /// </summary>
    /// <param name="x">One head of one token.</param>
    /// <param name="codes">As many codes.</param>
    /// <returns>The scale.</returns>
    public static float ToInt8(ReadOnlySpan<float> x, Span<sbyte> codes)
    {
        float largest = 0;
        foreach (float value in x)
        {
            largest = MathF.Max(largest, MathF.Abs(value));
        }

        float scale = largest / LargestInt8;
        if (!float.IsNormal(scale))
        {
            codes.Clear();

            // Numbers this small are 0 for attention; 0 · NaN and 0 · ∞ are NaN.
            return float.IsFinite(scale) ? 0 : float.NaN;
        }

        for (int i = 0; i < x.Length; i++)
        {
            codes[i] = (sbyte)MathF.Round(x[i] / scale);
        }

        return scale;
    }

    /// <summary>FP8: code = x / scale, rounded to nearest, ties to even, cut to the largest number of the type.</summary>
    public static void ToFloat8(ReadOnlySpan<float> x, DType type, float scale, Span<byte> codes)
    {
        bool e4m3 = type == DType.F8E4M3;
        for (int i = 0; i < x.Length; i++)
        {
            float value = x[i] / scale;
            codes[i] = e4m3 ? FloatConversions.SingleToFloat8E4M3(value) : FloatConversions.SingleToFloat8E5M2(value);
        }
    }

    /// <summary>Stores one head of one token at element <paramref name="index"/> of a side of a quantised cache.</summary>
    /// <param name="x">The vector.</param>
    /// <param name="type">I8, F8E4M3 or F8E5M2.</param>
    /// <param name="side">Keys or values.</param>
    /// <param name="index">Element of the vector's beginning; a multiple of its length.</param>
    /// <param name="scales">Where I8 keeps its scales.</param>
    /// <param name="scale">The scale of FP8.</param>
    public static void Store(ReadOnlySpan<float> x, DType type, nint side, long index, nint scales, float scale)
    {
        if (type == DType.I8)
        {
            ((float*)scales)[index / x.Length] = ToInt8(x, new Span<sbyte>((sbyte*)side + index, x.Length));
        }
        else
        {
            ToFloat8(x, type, scale, new Span<byte>((byte*)side + index, x.Length));
        }
    }
}
