using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Quire.Cpu.Simd;

namespace Quire.Cpu.Kernels.Packed;

/// <summary>2 bits; 16 sub-blocks with a scale and a minimum of 4 bits each.</summary>
internal readonly unsafe struct Q2KLayout : IBlockLayout
{
    public static int Length => 256;

    public static int Bytes => 84;

    [SkipLocalsInit]
    public static void Expand<TSimd, TVector>(byte* block, float* target)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
    {
        byte* quants = stackalloc byte[16];
        float d = BlockSpans.Half(block + 80);
        float min = BlockSpans.Half(block + 82);
        for (int span = 0; span < 16; span++)
        {
            // Span s of a half takes the bits 2 · (s / 2) of 16 bytes.
            Vector128<byte> bytes = Vector128.Load(block + 16 + span / 8 * 32 + span % 2 * 16);
            BlockSpans.Bits(bytes, span % 8 / 2 * 2, 3).Store(quants);
            BlockSpans.Sixteen<TSimd, TVector>(quants, d * (block[span] & 15), -(min * (block[span] >> 4)), target + 16 * span);
        }
    }
}

/// <summary>3 bits; 16 sub-blocks with a scale of 6 bits.</summary>
internal readonly unsafe struct Q3KLayout : IBlockLayout
{
    public static int Length => 256;

    public static int Bytes => 110;

    [SkipLocalsInit]
    public static void Expand<TSimd, TVector>(byte* block, float* target)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
    {
        byte* quants = stackalloc byte[16];
        float d = BlockSpans.Half(block + 108);
        byte* scales = block + 96;
        for (int span = 0; span < 16; span++)
        {
            Vector128<byte> low = BlockSpans.Bits(Vector128.Load(block + 32 + span / 8 * 32 + span % 2 * 16), span % 8 / 2 * 2, 3);
            Vector128<byte> third = BlockSpans.Bits(Vector128.Load(block + span % 2 * 16), span / 2, 1);
            (low | Vector128.ShiftLeft(third.AsUInt16(), 2).AsByte()).Store(quants);
            int fourBits = span < 8 ? scales[span] & 15 : scales[span - 8] >> 4;
            float scale = d * ((fourBits | ((scales[8 + span % 4] >> (span / 4 * 2)) & 3) << 4) - 32);
            BlockSpans.Sixteen<TSimd, TVector>(quants, scale, -4 * scale, target + 16 * span);
        }
    }
}

/// <summary>4 bits; 8 sub-blocks with a scale and a minimum of 6 bits each.</summary>
internal readonly unsafe struct Q4KLayout : IBlockLayout
{
    public static int Length => 256;

    public static int Bytes => 144;

    [SkipLocalsInit]
    public static void Expand<TSimd, TVector>(byte* block, float* target)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
    {
        float* scales = stackalloc float[16];
        Scales(block, scales);
        for (int j = 0; j < 8; j += 2)
        {
            byte* pairs = block + 16 + 16 * j;
            float* values = target + 32 * j;
            BlockSpans.Nibbles<TSimd, TVector>(pairs, scales[j], scales[8 + j], values, scales[j + 1], scales[9 + j], values + 32);
            BlockSpans.Nibbles<TSimd, TVector>(pairs + 16, scales[j], scales[8 + j], values + 16, scales[j + 1], scales[9 + j], values + 48);
        }
    }

    /// <summary>The eight scales, then the eight offsets (minus the minima), from the first sixteen bytes of a block.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Scales(byte* block, float* scales)
    {
        float d = BlockSpans.Half(block);
        float min = BlockSpans.Half(block + 2);
        byte* packed = block + 4;
        for (int j = 0; j < 4; j++)
        {
            scales[j] = d * (packed[j] & 63);
            scales[8 + j] = -(min * (packed[j + 4] & 63));
            scales[4 + j] = d * ((packed[j + 8] & 15) | (packed[j] >> 6) << 4);
            scales[12 + j] = -(min * ((packed[j + 8] >> 4) | (packed[j + 4] >> 6) << 4));
        }
    }
}

/// <summary>5 bits; otherwise as Q4_K.</summary>
internal readonly unsafe struct Q5KLayout : IBlockLayout
{
    public static int Length => 256;

    public static int Bytes => 176;

    [SkipLocalsInit]
    public static void Expand<TSimd, TVector>(byte* block, float* target)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
    {
        float* scales = stackalloc float[16];
        byte* quants = stackalloc byte[16];
        Q4KLayout.Scales(block, scales);
        for (int span = 0; span < 16; span++)
        {
            int j = span / 2;
            Vector128<byte> low = BlockSpans.Bits(Vector128.Load(block + 48 + j / 2 * 32 + span % 2 * 16), j % 2 * 4, 15);
            Vector128<byte> fifth = BlockSpans.Bits(Vector128.Load(block + 16 + span % 2 * 16), j, 1);
            (low | Vector128.ShiftLeft(fifth.AsUInt16(), 4).AsByte()).Store(quants);
            BlockSpans.Sixteen<TSimd, TVector>(quants, scales[j], scales[8 + j], target + 16 * span);
        }
    }
}

/// <summary>6 bits; 16 sub-blocks with a scale of 8 bits; quants are offset by 32.</summary>
internal readonly unsafe struct Q6KLayout : IBlockLayout
{
    public static int Length => 256;

    public static int Bytes => 210;

    [SkipLocalsInit]
    public static void Expand<TSimd, TVector>(byte* block, float* target)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
    {
        byte* quants = stackalloc byte[64];
        float d = BlockSpans.Half(block + 208);
        for (int half = 0; half < 2; half++)
        {
            for (int l = 0; l < 32; l += 16)
            {
                byte* lows = block + 64 * half + l;
                Vector128<byte> first = Vector128.Load(lows);
                Vector128<byte> second = Vector128.Load(lows + 32);
                Vector128<byte> high = Vector128.Load(block + 128 + 32 * half + l);
                (BlockSpans.Bits(first, 0, 15) | Vector128.ShiftLeft(BlockSpans.Bits(high, 0, 3).AsUInt16(), 4).AsByte()).Store(quants);
                (BlockSpans.Bits(second, 0, 15) | Vector128.ShiftLeft(BlockSpans.Bits(high, 2, 3).AsUInt16(), 4).AsByte()).Store(quants + 16);
                (BlockSpans.Bits(first, 4, 15) | BlockSpans.Bits(high, 0, 0x30)).Store(quants + 32);
                (BlockSpans.Bits(second, 4, 15) | BlockSpans.Bits(high, 2, 0x30)).Store(quants + 48);
                for (int j = 0; j < 4; j++)
                {
                    float scale = d * (sbyte)block[192 + 8 * half + 2 * j + l / 16];
                    BlockSpans.Sixteen<TSimd, TVector>(quants + 16 * j, scale, -32 * scale, target + 128 * half + 32 * j + l);
                }
            }
        }
    }
}
