using System.Runtime.CompilerServices;
using Quire.Cpu.Simd;

namespace Quire.Cpu.Kernels.Packed;

/// <summary>Some rows of blocks, where they lie.</summary>
internal unsafe struct BlockSegment
{
    public byte* Data;

    /// <summary>The first row behind this segment, counted over all segments.</summary>
    public int EndRow;
}

/// <summary>Rows of GGUF blocks in one format, in one or more pieces (the matrices of a fused projection), read in place.</summary>
/// <typeparam name="TLayout">The format.</typeparam>
internal unsafe struct BlockRows<TLayout> : IPackedRows<BlockRows<TLayout>>
    where TLayout : struct, IBlockLayout
{
    /// <summary>One a part, in order.</summary>
    public BlockSegment* Segments;

    /// <summary>Bytes of a row.</summary>
    public nint RowBytes;

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    [SkipLocalsInit]
    public static void Expand<TSimd, TVector>(ref readonly BlockRows<TLayout> rows, int row, int column, int count, float* target)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
    {
        BlockSegment* segment = rows.Segments;
        int begin = 0;
        while (row >= segment->EndRow)
        {
            begin = segment->EndRow;
            segment++;
        }

        byte* block = segment->Data + (row - begin) * rows.RowBytes + column / TLayout.Length * (nint)TLayout.Bytes;
        for (int i = 0; i < count; i += TLayout.Length, block += TLayout.Bytes)
        {
            TLayout.Expand<TSimd, TVector>(block, target + i);
        }
    }
}

/// <summary>How the values of a block are expanded; <see cref="Tensors.Reference.BlockDecoding"/> says what they are.</summary>
internal unsafe interface IBlockLayout
{
    /// <summary>Values in a block.</summary>
    static abstract int Length { get; }

    /// <summary>Bytes of a block.</summary>
    static abstract int Bytes { get; }

    /// <summary>target = the values of one block.</summary>
    static abstract void Expand<TSimd, TVector>(byte* block, float* target)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged;
}
