using System;
using System.Buffers.Binary;

namespace Quire.Tensors.Reference;

/// <summary>
/// What the bytes of a block of each <see cref="BlockFormat"/> mean, one value at a time: the definition that packed kernels are tested
/// against. All fields are little-endian; d, dmin and m are F16.
/// </summary>
public static class BlockDecoding
{
    /// <summary>Decodes whole blocks.</summary>
    /// <param name="format">Their layout.</param>
    /// <param name="blocks">The bytes of one or more blocks.</param>
    /// <param name="values">As many values as the blocks hold.</param>
    public static void Decode(BlockFormat format, ReadOnlySpan<byte> blocks, Span<float> values)
    {
        int bytes = format.BlockBytes();
        int length = format.BlockLength();
        if (blocks.Length % bytes != 0 || values.Length != blocks.Length / bytes * length)
        {
            throw new ArgumentException($"{blocks.Length} bytes of {format.DisplayName()} are not {values.Length} values", nameof(blocks));
        }

        for (int i = 0; i * bytes < blocks.Length; i++)
        {
            DecodeBlock(format, blocks.Slice(i * bytes, bytes), values.Slice(i * length, length));
        }
    }

    private static void DecodeBlock(BlockFormat format, ReadOnlySpan<byte> block, Span<float> values)
    {
        switch (format)
        {
            case BlockFormat.Q40:
                Nibbles(block[2..], values, Scale(block, 0), -8 * Scale(block, 0));
                break;
            case BlockFormat.Q41:
                Nibbles(block[4..], values, Scale(block, 0), Scale(block, 2));
                break;
            case BlockFormat.Q50:
                FiveBits(block[2..], values, Scale(block, 0), -16 * Scale(block, 0));
                break;
            case BlockFormat.Q51:
                FiveBits(block[4..], values, Scale(block, 0), Scale(block, 2));
                break;
            case BlockFormat.Q80:
                for (int i = 0; i < 32; i++)
                {
                    values[i] = Scale(block, 0) * (sbyte)block[2 + i];
                }

                break;
            case BlockFormat.Q2K:
                TwoBitsK(block, values);
                break;
            case BlockFormat.Q3K:
                ThreeBitsK(block, values);
                break;
            case BlockFormat.Q4K:
                FourOrFiveBitsK(block, values, fifthBits: default, block[16..]);
                break;
            case BlockFormat.Q5K:
                FourOrFiveBitsK(block, values, block.Slice(16, 32), block[48..]);
                break;
            default:
                SixBitsK(block, values);
                break;
        }
    }

    private static float Scale(ReadOnlySpan<byte> block, int offset) =>
        FloatConversions.HalfToSingle(BinaryPrimitives.ReadUInt16LittleEndian(block[offset..]));

    /// <summary>Value i is the low half of byte i, value i + 16 its high half; value = scale · q + offset.</summary>
    private static void Nibbles(ReadOnlySpan<byte> quants, Span<float> values, float scale, float offset)
    {
        for (int i = 0; i < 16; i++)
        {
            values[i] = scale * (quants[i] & 15) + offset;
            values[i + 16] = scale * (quants[i] >> 4) + offset;
        }
    }

    /// <summary>As <see cref="Nibbles"/>, with bit i of the leading 32-bit word above the four bits of value i.</summary>
    private static void FiveBits(ReadOnlySpan<byte> quants, Span<float> values, float scale, float offset)
    {
        uint high = BinaryPrimitives.ReadUInt32LittleEndian(quants);
        for (int i = 0; i < 32; i++)
        {
            int low = i < 16 ? quants[4 + i] & 15 : quants[4 + i - 16] >> 4;
            values[i] = scale * (low | (int)((high >> i) & 1) << 4) + offset;
        }
    }

    /// <summary>
    /// 16 bytes of scale (low half) and minimum (high half), one per 16 values; 64 bytes of quants, four values a byte: value 128h + 32j + l
    /// has the bits 2j of byte 32h + l; then d and dmin. value = d · scale · q − dmin · minimum.
    /// </summary>
    private static void TwoBitsK(ReadOnlySpan<byte> block, Span<float> values)
    {
        float d = Scale(block, 80);
        float min = Scale(block, 82);
        for (int i = 0; i < 256; i++)
        {
            int scale = block[i / 16];
            int quant = (block[16 + i / 128 * 32 + i % 32] >> (2 * (i % 128 / 32))) & 3;
            values[i] = d * (scale & 15) * quant - min * (scale >> 4);
        }
    }

    /// <summary>
    /// 32 bytes of third bits (value 32j + l: bit j of byte l), 64 bytes of two low bits as in <see cref="TwoBitsK"/>, 12 bytes of sixteen
    /// 6-bit scales offset by 32, d. The quant is the two low bits, less 4 where the third bit is clear; value = d · (scale − 32) · q.
    /// </summary>
    private static void ThreeBitsK(ReadOnlySpan<byte> block, Span<float> values)
    {
        float d = Scale(block, 108);
        ReadOnlySpan<byte> scales = block.Slice(96, 12);
        for (int i = 0; i < 256; i++)
        {
            int s = i / 16;
            int low = s < 8 ? scales[s] & 15 : scales[s - 8] >> 4;
            int high = (scales[8 + s % 4] >> (2 * (s / 4))) & 3;
            int quant = (block[32 + i / 128 * 32 + i % 32] >> (2 * (i % 128 / 32))) & 3;
            bool third = ((block[i % 32] >> (i / 32)) & 1) != 0;
            values[i] = d * ((low | high << 4) - 32) * (third ? quant : quant - 4);
        }
    }

    /// <summary>
    /// d, dmin, 12 bytes of eight 6-bit scales and minima, [32 bytes of fifth bits: value 32j + l has bit j of byte l,] 128 bytes of
    /// nibbles: the low halves of bytes 32p … 32p + 31 are sub-block 2p, the high halves sub-block 2p + 1.
    /// value = d · scale · q − dmin · minimum.
    /// </summary>
    private static void FourOrFiveBitsK(ReadOnlySpan<byte> block, Span<float> values, ReadOnlySpan<byte> fifthBits, ReadOnlySpan<byte> nibbles)
    {
        float d = Scale(block, 0);
        float dmin = Scale(block, 2);
        for (int j = 0; j < 8; j++)
        {
            (int scale, int min) = ScaleAndMin(block.Slice(4, 12), j);
            for (int l = 0; l < 32; l++)
            {
                byte pair = nibbles[j / 2 * 32 + l];
                int quant = j % 2 == 0 ? pair & 15 : pair >> 4;
                quant |= fifthBits.IsEmpty ? 0 : ((fifthBits[l] >> j) & 1) << 4;
                values[32 * j + l] = d * scale * quant - dmin * min;
            }
        }
    }

    /// <summary>Scale and minimum of sub-block j out of twelve bytes: six bits each, the later ones put together from leftovers.</summary>
    internal static (int Scale, int Min) ScaleAndMin(ReadOnlySpan<byte> packed, int j) => j < 4
        ? (packed[j] & 63, packed[j + 4] & 63)
        : ((packed[j + 4] & 15) | (packed[j - 4] >> 6) << 4, (packed[j + 4] >> 4) | (packed[j] >> 6) << 4);

    /// <summary>
    /// 128 bytes of four low bits, 64 bytes of two high bits, 16 signed 8-bit scales, d; value = d · scale · (q − 32). Each half of 128
    /// values takes 64 bytes of low bits and 32 of high bits: value 32j + l of it has the low half (j &lt; 2) or high half of byte
    /// 32(j mod 2) + l and the bits 2j of byte l.
    /// </summary>
    private static void SixBitsK(ReadOnlySpan<byte> block, Span<float> values)
    {
        float d = Scale(block, 208);
        for (int i = 0; i < 256; i++)
        {
            int half = i / 128;
            int j = i % 128 / 32;
            int l = i % 32;
            byte low = block[64 * half + 32 * (j % 2) + l];
            int quant = (j < 2 ? low & 15 : low >> 4) | ((block[128 + 32 * half + l] >> (2 * j)) & 3) << 4;
            values[i] = d * (sbyte)block[192 + i / 16] * (quant - 32);
        }
    }
}
