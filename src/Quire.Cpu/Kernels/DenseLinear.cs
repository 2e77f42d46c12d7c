using System;
using System.Diagnostics;
using Quire.Cpu.Simd;
using Quire.Tensors;

namespace Quire.Cpu.Kernels;

/// <summary>A block of output features of a <see cref="DenseLinear{TSimd, TVector}"/>: [rows, in], without gaps, where it lies.</summary>
internal unsafe struct DenseRows
{
    public byte* Data;
    public DType Type;
    public int Rows;
}

/// <summary>
/// An unquantised linear layer over one or more parts that stay where they are, in the type that they have. Each output is a sum over
/// chunks of <see cref="ChunkColumns"/> input features, added in order; each chunk is one dot product as <see cref="DotTile{TSimd, TVector, TElement}"/>
/// makes it. That holds for every number of rows, so a row's result depends on nothing else.
/// </summary>
internal sealed unsafe class DenseLinear<TSimd, TVector> : CpuLinear
    where TSimd : struct, ISimd<TVector>
    where TVector : unmanaged
{
    /// <summary>
    /// Input features multiplied before the sums are written: four expanded rows of weights (16 KiB) and three rows of x (12 KiB) stay
    /// in the first-level cache. Part of the definition of the result: a multiple of every vector width.
    /// </summary>
    public const int ChunkColumns = 1024;

    /// <summary>Multiply-adds below which the calling thread does it alone.</summary>
    private const long ParallelThreshold = 32 * 1024;

    /// <summary>Pieces for each thread: small enough that a thread that lost its core delays the others little.</summary>
    private const int PiecesPerThread = 6;

    private readonly DenseRows* _parts;
    private readonly int _partCount;
    private readonly float* _bias;

    /// <param name="memory">Where the descriptors and the bias are kept.</param>
    /// <param name="parts">The parts, at least one, all with the same number of columns, without gaps between rows.</param>
    /// <param name="bias">[1, out] F32, or none.</param>
    public DenseLinear(HostMemory memory, ReadOnlySpan<Tensor> parts, Tensor bias)
        : base(CountRows(parts), parts[0].Columns)
    {
        _partCount = parts.Length;
        _parts = (DenseRows*)memory.AllocateBytes((long)sizeof(DenseRows) * parts.Length);
        for (int i = 0; i < parts.Length; i++)
        {
            Debug.Assert(parts[i].Columns == InFeatures && parts[i].IsContiguous);
            _parts[i] = new DenseRows { Data = (byte*)parts[i].Data, Type = parts[i].Type, Rows = parts[i].Rows };
            SizeInBytes += parts[i].ElementCount * parts[i].Type.SizeInBytes();
        }

        _bias = (float*)bias.Data;
    }

    public override long SizeInBytes { get; }

    public override void Multiply(CpuRuntime runtime, Tensor x, Tensor y)
    {
        Debug.Assert(x.Type == DType.F32 && y.Type == DType.F32);
        Debug.Assert(x.Columns == InFeatures && y.Columns == OutFeatures && x.Rows == y.Rows);
        if (x.Rows == 0)
        {
            return;
        }

        int threads = runtime.Pool.Threads;
        byte* scratch = runtime.Scratch.Reserve(threads, DenseLinearJob<TSimd, TVector>.ScratchBytes, out nint scratchStride);
        var job = new DenseLinearJob<TSimd, TVector>
        {
            Parts = _parts,
            PartCount = _partCount,
            Bias = _bias,
            InFeatures = InFeatures,
            Tokens = x.Rows,
            X = (float*)x.Data,
            XStride = x.Stride,
            Y = (float*)y.Data,
            YStride = y.Stride,
            Scratch = scratch,
            ScratchStride = scratchStride,
        };
        runtime.Pool.Run(in job, OutFeatures, Piece(x.Rows, threads));
    }

    /// <summary>Output features handed out at once: a multiple of 16, so that threads seldom write to the same cache line of y.</summary>
    private int Piece(int tokens, int threads)
    {
        if (threads == 1 || (long)tokens * InFeatures * OutFeatures < ParallelThreshold)
        {
            return OutFeatures;
        }

        int piece = OutFeatures / (threads * PiecesPerThread);
        return Math.Max(16, (piece + 15) / 16 * 16);
    }

    private static int CountRows(ReadOnlySpan<Tensor> parts)
    {
        int rows = 0;
        foreach (Tensor part in parts)
        {
            rows = checked(rows + part.Rows);
        }

        return rows;
    }
}
