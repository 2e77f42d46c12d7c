using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Quire.Cpu.Simd;

namespace Quire.Cpu.Kernels.Packed;

/// <summary>4 bits, one scale; quants are offset by 8.</summary>
internal readonly unsafe struct Q40Layout : IBlockLayout
{
    public static int Length => 32;

    public static int Bytes => 18;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Expand<TSimd, TVector>(byte* block, float* target)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
    {
        float d = BlockSpans.Half(block);
        BlockSpans.Nibbles<TSimd, TVector>(block + 2, d, -8 * d, target, d, -8 * d, target + 16);
    }
}

/// <summary>4 bits, scale and minimum.</summary>
internal readonly unsafe struct Q41Layout : IBlockLayout
{
    public static int Length => 32;

    public static int Bytes => 20;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Expand<TSimd, TVector>(byte* block, float* target)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
    {
        float d = BlockSpans.Half(block);
        float m = BlockSpans.Half(block + 2);
        BlockSpans.Nibbles<TSimd, TVector>(block + 4, d, m, target, d, m, target + 16);
    }
}

/// <summary>5 bits, one scale; quants are offset by 16.</summary>
internal readonly unsafe struct Q50Layout : IBlockLayout
{
    public static int Length => 32;

    public static int Bytes => 22;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Expand<TSimd, TVector>(byte* block, float* target)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
    {
        float d = BlockSpans.Half(block);
        FiveBits<TSimd, TVector>(block + 2, d, -16 * d, target);
    }

    /// <summary>A word of fifth bits, then 16 bytes as in Q4_0.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    [SkipLocalsInit]
    public static void FiveBits<TSimd, TVector>(byte* source, float scale, float offset, float* target)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
    {
        byte* quants = stackalloc byte[32];
        Vector128<byte> pairs = Vector128.Load(source + 4);
        (BlockSpans.Bits(pairs, 0, 15) | BlockSpans.FifthBits(*(ushort*)source)).Store(quants);
        (BlockSpans.Bits(pairs, 4, 15) | BlockSpans.FifthBits(*(ushort*)(source + 2))).Store(quants + 16);
        BlockSpans.Sixteen<TSimd, TVector>(quants, scale, offset, target);
        BlockSpans.Sixteen<TSimd, TVector>(quants + 16, scale, offset, target + 16);
    }
}

/// <summary>5 bits, scale and minimum.</summary>
internal readonly unsafe struct Q51Layout : IBlockLayout
{
    public static int Length => 32;

    public static int Bytes => 24;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Expand<TSimd, TVector>(byte* block, float* target)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged =>
        Q50Layout.FiveBits<TSimd, TVector>(block + 4, BlockSpans.Half(block), BlockSpans.Half(block + 2), target);
}

/// <summary>8 bits, one scale.</summary>
internal readonly unsafe struct Q80Layout : IBlockLayout
{
    public static int Length => 32;

    public static int Bytes => 34;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Expand<TSimd, TVector>(byte* block, float* target)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
    {
        TVector d = TSimd.Create(BlockSpans.Half(block));
        for (int i = 0; i < 32; i += TSimd.Count)
        {
            TSimd.Store(target + i, TSimd.Multiply(d, TSimd.ToFloats(TSimd.LoadSignedBytes(block + 2 + i))));
        }
    }
}
