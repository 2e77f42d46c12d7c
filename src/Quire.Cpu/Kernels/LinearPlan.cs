using System;

namespace Quire.Cpu.Kernels;

/// <summary>How the multiplication of a linear layer is cut, the same for every layout of weights and instruction set.</summary>
internal static class LinearPlan
{
    /// <summary>
    /// Columns multiplied before the sums are written: some rows of weights and of x stay in the first-level cache. Part of the
    /// definition of the result; a multiple of every block of two vectors.
    /// </summary>
    public const int ChunkColumns = 1024;

    /// <summary>Rows of weights that are multiplied with all tokens before the next: whole groups of three and of four.</summary>
    public const int BlockRows = 48;

    /// <summary>Floats from one expanded row to the next: off a power of two, so that the rows fall on different cache sets.</summary>
    public const int PanelStride = ChunkColumns + 16;

    /// <summary>Multiply-adds below which the calling thread does it alone.</summary>
    private const long ParallelThreshold = 32 * 1024;

    /// <summary>Pieces for each thread: small enough that a thread that lost its core delays the others little.</summary>
    private const int PiecesPerThread = 6;

    /// <summary>Elements of x that one thread arranges at a time.</summary>
    private const int ArrangedElements = 64 * 1024;

    /// <summary>
    /// Floats from one arranged row of x to the next: a few cache lines more than it is long, so that rows do not fall on the same cache
    /// sets, and room for a whole block of the widest vectors.
    /// </summary>
    public static nint ArrangedStride(int columns) => (columns + 31) / 32 * 32 + 16;

    /// <summary>Rows of x that one thread arranges at a time.</summary>
    public static int ArrangedRows(int columns) => Math.Max(1, ArrangedElements / columns);

    /// <summary>
    /// Output features handed out at once: a multiple of 48, so that groups of three and of four rows are whole and threads seldom write
    /// to the same cache line of y.
    /// </summary>
    public static int Piece(int tokens, int inFeatures, int outFeatures, int threads)
    {
        if (threads == 1 || (long)tokens * inFeatures * outFeatures < ParallelThreshold)
        {
            return outFeatures;
        }

        int piece = outFeatures / (threads * PiecesPerThread);
        return Math.Max(BlockRows, (piece + BlockRows - 1) / BlockRows * BlockRows);
    }
}
