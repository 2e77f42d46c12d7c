using System;
using System.Runtime.CompilerServices;
using Quire.Cpu.Simd;

namespace Quire.Cpu.Kernels.Packed;

/// <summary>The multiplication of a <see cref="PackedLinear{TSimd, TVector, TRows}"/>; an item is an output feature.</summary>
internal unsafe struct PackedLinearJob<TSimd, TVector, TRows> : IPoolJob<PackedLinearJob<TSimd, TVector, TRows>>
    where TSimd : struct, ISimd<TVector>
    where TVector : unmanaged
    where TRows : unmanaged, IPackedRows<TRows>
{
    /// <summary>Scratch memory of one worker: a block of expanded rows.</summary>
    public const long ScratchBytes = (long)LinearPlan.BlockRows * LinearPlan.PanelStride * sizeof(float);

    public TRows Rows;
    public LinearOperands Operands;

    /// <summary>x as the weight's <see cref="PackedInput"/> lays it out.</summary>
    public float* X;
    public byte* Scratch;
    public nint ScratchStride;

    /// <summary>
    /// Goes through the rows in blocks and through a block in chunks. With few tokens a block is four rows, whose expansion stays in the
    /// first-level cache; with more it is as many as the second-level cache holds, so that a tile of x is used for all of them.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Execute(ref readonly PackedLinearJob<TSimd, TVector, TRows> job, int worker, int begin, int end)
    {
        float* panel = (float*)(job.Scratch + worker * job.ScratchStride);
        int columns = job.Operands.InFeatures;
        int blockRows = job.Operands.Tokens > 3 ? LinearPlan.BlockRows : 4;
        for (int row = begin; row < end; row += blockRows)
        {
            int rows = Math.Min(blockRows, end - row);
            for (int k = 0; k < columns; k += LinearPlan.ChunkColumns)
            {
                int length = Math.Min(LinearPlan.ChunkColumns, columns - k);
                for (int r = 0; r < rows; r++)
                {
                    TRows.Expand<TSimd, TVector>(in job.Rows, row + r, k, length, panel + r * LinearPlan.PanelStride);
                }

                LinearProduct<TSimd, TVector, F32Element>.MultiplyChunk(
                    in job.Operands, job.X, (byte*)panel, LinearPlan.PanelStride * sizeof(float), row, rows, k);
            }
        }
    }
}
