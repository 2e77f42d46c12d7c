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
/// An unquantised linear layer over one or more parts that stay where they are, in the type that they have. Sums are made as
/// <see cref="LinearProduct{TSimd, TVector, TElement}"/> says.
/// </summary>
internal sealed unsafe class DenseLinear<TSimd, TVector> : CpuLinear
    where TSimd : struct, ISimd<TVector>
    where TVector : unmanaged
{
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

        nint xStride = LinearPlan.ArrangedStride(InFeatures);
        long xFloats = xStride * x.Rows;
        float* arranged = (float*)runtime.Arranged.Reserve(1, sizeof(float) * xFloats * (_hasBFloat16 && _hasOther ? 2 : 1), out _);
        byte* scratch = runtime.Scratch.Reserve(threads, DenseLinearJob<TSimd, TVector>.ScratchBytes, out nint scratchStride);
        var job = new DenseLinearJob<TSimd, TVector>
        {
            Parts = _parts,
            PartCount = _partCount,
            Operands = new LinearOperands
            {
                Bias = _bias,
                InFeatures = InFeatures,
                Tokens = x.Rows,
                XStride = xStride,
                Y = (float*)y.Data,
                YStride = y.Stride,
            },
            X = _hasOther ? arranged : null,
            XOfBFloat16 = !_hasBFloat16 ? null : _hasOther ? arranged + xFloats : arranged,
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

        runtime.Pool.Run(in job, OutFeatures, LinearPlan.Piece(x.Rows, InFeatures, OutFeatures, threads));
    }

    private static void Arrange<TElement>(CpuRuntime runtime, Tensor x, float* target, nint stride)
        where TElement : struct, IElement
    {
        var job = new RowJob<ArrangeKernel<TSimd, TVector, TElement>>
        {
            Kernel = new() { X = new FloatRows(x), Target = target, TargetStride = stride, Columns = x.Columns },
        };
        runtime.Pool.Run(in job, x.Rows, LinearPlan.ArrangedRows(x.Columns));
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
