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
    /// Input features multiplied before the sums are written: some rows of weights and of x stay in the first-level cache. Part of the
    /// definition of the result; a multiple of every block of two vectors.
    /// </summary>
    public const int ChunkColumns = 1024;

    /// <summary>Multiply-adds below which the calling thread does it alone.</summary>
    private const long ParallelThreshold = 32 * 1024;

    /// <summary>Pieces for each thread: small enough that a thread that lost its core delays the others little.</summary>
    private const int PiecesPerThread = 6;

    /// <summary>Elements of x that one thread arranges at a time.</summary>
    private const int ArrangedElements = 64 * 1024;

    private readonly DenseRows* _parts;
    private readonly int _partCount;
    private readonly float* _bias;
    private readonly bool _hasBFloat16;
    private readonly bool _hasOther;

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
            _hasBFloat16 |= parts[i].Type == DType.BF16;
            _hasOther |= parts[i].Type != DType.BF16;
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

        // Rows of x a few cache lines further apart than they are long, so that they do not fall on the same cache sets.
        nint xStride = (InFeatures + 31) / 32 * 32 + 16;
        long xFloats = xStride * x.Rows;
        float* arranged = (float*)runtime.Arranged.Reserve(1, sizeof(float) * xFloats * (_hasBFloat16 && _hasOther ? 2 : 1), out _);
        byte* scratch = runtime.Scratch.Reserve(threads, DenseLinearJob<TSimd, TVector>.ScratchBytes, out nint scratchStride);
        var job = new DenseLinearJob<TSimd, TVector>
        {
            Parts = _parts,
            PartCount = _partCount,
            Bias = _bias,
            InFeatures = InFeatures,
            Tokens = x.Rows,
            X = _hasOther ? arranged : null,
            XOfBFloat16 = !_hasBFloat16 ? null : _hasOther ? arranged + xFloats : arranged,
            XStride = xStride,
            Y = (float*)y.Data,
            YStride = y.Stride,
            Scratch = scratch,
            ScratchStride = scratchStride,
        };
        if (_hasBFloat16)
        {
            Arrange<BF16Element>(runtime, x, job.XOfBFloat16, xStride);
        }

        if (_hasOther)
        {
            Arrange<F32Element>(runtime, x, job.X, xStride);
        }

        runtime.Pool.Run(in job, OutFeatures, Piece(x.Rows, threads));
    }

    private static void Arrange<TElement>(CpuRuntime runtime, Tensor x, float* target, nint stride)
        where TElement : struct, IElement
    {
        var job = new RowJob<ArrangeKernel<TSimd, TVector, TElement>>
        {
            Kernel = new() { X = new FloatRows(x), Target = target, TargetStride = stride, Columns = x.Columns },
        };
        runtime.Pool.Run(in job, x.Rows, Math.Max(1, ArrangedElements / x.Columns));
    }

    /// <summary>
    /// Output features handed out at once: a multiple of 48, so that groups of three and of four rows are whole and threads seldom write
    /// to the same cache line of y.
    /// </summary>
    private int Piece(int tokens, int threads)
    {
        if (threads == 1 || (long)tokens * InFeatures * OutFeatures < ParallelThreshold)
        {
            return OutFeatures;
        }

        int piece = OutFeatures / (threads * PiecesPerThread);
        return Math.Max(48, (piece + 47) / 48 * 48);
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
