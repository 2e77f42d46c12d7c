using System;
using System.Buffers.Binary;
using Quire.Tensors;

namespace Quire.Models.Gguf;

/// <summary>Rounds rows of floats to an element type of GGUF: plain types to nearest, Q8_0 and Q4_0 with the scales that llama.cpp takes.</summary>
internal static class GgufEncoding
{
    /// <summary>Writes whole blocks.</summary>
    /// <exception cref="NotSupportedException">A type that is only read.</exception>
    public static void Encode(GgufType type, ReadOnlySpan<float> values, Span<byte> target)
    {
        switch (type.Name)
        {
            case "F32":
                for (int i = 0; i < values.Length; i++)
                {
                    BinaryPrimitives.WriteSingleLittleEndian(target[(4 * i)..], values[i]);
                }

                break;
            case "F16":
                for (int i = 0; i < values.Length; i++)
                {
                    BinaryPrimitives.WriteUInt16LittleEndian(target[(2 * i)..], FloatConversions.SingleToHalf(values[i]));
                }

                break;
            case "BF16":
                for (int i = 0; i < values.Length; i++)
                {
                    BinaryPrimitives.WriteUInt16LittleEndian(target[(2 * i)..], FloatConversions.SingleToBFloat16(values[i]));
                }

                break;
            case "Q8_0":
                for (int i = 0; i < values.Length / 32; i++)
                {
                    EightBits(values.Slice(32 * i, 32), target.Slice(34 * i, 34));
                }

                break;
            case "Q4_0":
                for (int i = 0; i < values.Length / 32; i++)
                {
                    FourBits(values.Slice(32 * i, 32), target.Slice(18 * i, 18));
                }

                break;
            default:
                throw new NotSupportedException($"writing {type.Name}");
        }
    }

    /// <summary>The largest magnitude becomes ±127.</summary>
    private static void EightBits(ReadOnlySpan<float> values, Span<byte> block)
    {
        float scale = Math.Abs(Extreme(values)) / 127;
        float inverse = scale == 0 ? 0 : 1 / scale;
        BinaryPrimitives.WriteUInt16LittleEndian(block, FloatConversions.SingleToHalf(scale));
        for (int i = 0; i < 32; i++)
        {
            block[2 + i] = (byte)(sbyte)Math.Clamp(MathF.Round(values[i] * inverse, MidpointRounding.AwayFromZero), -127, 127);
        }
    }

    /// <summary>The value of the largest magnitude becomes −8, so that the scale carries its sign.</summary>
    private static void FourBits(ReadOnlySpan<float> values, Span<byte> block)
    {
        float scale = Extreme(values) / -8;
        float inverse = scale == 0 ? 0 : 1 / scale;
        BinaryPrimitives.WriteUInt16LittleEndian(block, FloatConversions.SingleToHalf(scale));
        for (int i = 0; i < 16; i++)
        {
            block[2 + i] = (byte)(Nibble(values[i] * inverse) | Nibble(values[i + 16] * inverse) << 4);
        }
    }

    private static int Nibble(float value) => Math.Clamp((int)(value + 8.5f), 0, 15);

    /// <summary>The value of the largest magnitude, with its sign; the first of equals.</summary>
    private static float Extreme(ReadOnlySpan<float> values)
    {
        float extreme = 0;
        foreach (float value in values)
        {
            extreme = Math.Abs(value) > Math.Abs(extreme) ? value : extreme;
        }

        return extreme;
    }
}
