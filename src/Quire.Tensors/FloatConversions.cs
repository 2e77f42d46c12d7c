using System;
using System.Runtime.CompilerServices;

namespace Quire.Tensors;

/// <summary>
/// Conversions of the 16-bit and 8-bit floating point types to and from float. BF16 is the upper half of a float; conversion to it
/// rounds to nearest, ties to even.
/// </summary>
public static class FloatConversions
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float BFloat16ToSingle(ushort bits) => BitConverter.UInt32BitsToSingle((uint)bits << 16);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ushort SingleToBFloat16(float value)
    {
        uint bits = BitConverter.SingleToUInt32Bits(value);
        if ((bits & 0x7FFF_FFFF) > 0x7F80_0000)
        {
            return (ushort)((bits >> 16) | 0x40);
        }

        return (ushort)((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float HalfToSingle(ushort bits) => (float)BitConverter.UInt16BitsToHalf(bits);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ushort SingleToHalf(float value) => BitConverter.HalfToUInt16Bits((Half)value);

    /// <summary>
    /// FP8 E4M3 as machine learning uses it (Micikevicius et al., arXiv 2209.05433): bias 7, no infinity, 448 the greatest, 0x7F and 0xFF
    /// not a number.
    /// </summary>
    public static float Float8E4M3ToSingle(byte bits)
    {
        if ((bits & 0x7F) == 0x7F)
        {
            return float.NaN;
        }

        uint sign = (uint)(bits & 0x80) << 24;
        float magnitude = BitConverter.UInt32BitsToSingle((uint)(bits & 0x7F) << 20) * 1.329227995784916e36f;
        return BitConverter.UInt32BitsToSingle(sign | BitConverter.SingleToUInt32Bits(magnitude));
    }

    /// <summary>To FP8 E4M3, rounded to nearest, ties to even; what is greater than 448 becomes 448.</summary>
    public static byte SingleToFloat8E4M3(float value)
    {
        uint sign = (BitConverter.SingleToUInt32Bits(value) >> 24) & 0x80;
        if (float.IsNaN(value))
        {
            return (byte)(sign | 0x7F);
        }

        // Scaled down, the number has its exponent and mantissa where those of FP8 go; what a float then lacks is rounded away here.
        float magnitude = RoundToFloat8E4M3(Math.Abs(value)) * 7.52316384526264e-37f;
        return (byte)(sign | (BitConverter.SingleToUInt32Bits(magnitude) >> 20));
    }

    /// <summary>FP8 E5M2 (arXiv 2209.05433) is the upper half of an F16 number.</summary>
    public static float Float8E5M2ToSingle(byte bits) => HalfToSingle((ushort)(bits << 8));

    /// <summary>To FP8 E5M2, rounded to nearest, ties to even; what is greater than 57344 becomes 57344.</summary>
    public static byte SingleToFloat8E5M2(float value)
    {
        const float Largest = 57344;
        const float SmallestNormal = 1f / (1 << 14);

        // Adding this leaves a float no bits below 2⁻¹⁶, the distance between FP8 numbers under the normal ones.
        const float SubnormalMagic = 1.5f * (1 << 7);
        uint sign = (BitConverter.SingleToUInt32Bits(value) >> 24) & 0x80;
        if (float.IsNaN(value))
        {
            return (byte)(sign | 0x7F);
        }

        float magnitude = Math.Min(Math.Abs(value), Largest);
        if (magnitude < SmallestNormal)
        {
            magnitude = magnitude + SubnormalMagic - SubnormalMagic;
        }
        else
        {
            uint bits = BitConverter.SingleToUInt32Bits(magnitude);
            magnitude = BitConverter.UInt32BitsToSingle((bits + 0xFFFFF + ((bits >> 21) & 1)) & 0xFFE0_0000);
        }

        // Every such number is an F16 number whose lower eight bits are 0.
        return (byte)(sign | (uint)(SingleToHalf(magnitude) >> 8));
    }

    /// <summary>The FP8 E4M3 number nearest to <paramref name="value"/>, ties to even; NaN stays NaN, and ±448 is the limit.</summary>
    public static float RoundToFloat8E4M3(float value)
    {
        const float Largest = 448;
        const float SmallestNormal = 1f / 64;

        // Adding this leaves a float no bits below 2⁻⁹, the distance between FP8 numbers under the normal ones.
        const float SubnormalMagic = 1.5f * (1 << 14);
        float clamped = Math.Clamp(value, -Largest, Largest);
        if (Math.Abs(clamped) < SmallestNormal)
        {
            return clamped + SubnormalMagic - SubnormalMagic;
        }

        uint bits = BitConverter.SingleToUInt32Bits(clamped);
        return float.IsNaN(clamped) ? clamped : BitConverter.UInt32BitsToSingle((bits + 0x7FFFF + ((bits >> 20) & 1)) & 0xFFF0_0000);
    }
}
