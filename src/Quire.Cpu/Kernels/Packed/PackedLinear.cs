using System;
using System.Diagnostics;
using Quire.Cpu.Simd;
using Quire.Tensors;

namespace Quire.Cpu.Kernels.Packed;

/// <summary>
/// A linear layer over a packed weight. Weights stay packed in memory; some rows of a chunk at a time are expanded into the cache and
/// multiplied with all tokens by the same inner loops as unquantised weights. With few tokens that is bound by reading the packed bytes,
/// with many by the multiplication.
/// </summary>
/// <remarks>
/// To add a layout: a struct that implements <see cref="IPackedRows{TSelf}"/>, and its creation by
/// <see cref="ICpuOps.CreatePacked{TRows}"/>. Sums are made as <see cref="LinearProduct{TSimd, TVector, TElement}"/> says, from the expanded
/// floats, for any number of tokens.
/// </remarks>
/// <typeparam name="TSimd">Vector width.</typeparam>
/// <typeparam name="TVector">Its vector.</typeparam>
/// <typeparam name="TRows">The layout.</typeparam>
internal sealed unsafe class PackedLinear<TSimd, TVector, TRows> : CpuLinear, IRowTable
    where TSimd : struct, ISimd<TVector>
    where TVector : unmanaged
    where TRows : unmanaged, IPackedRows<TRows>
{
    private readonly TRows _rows;
    private readonly PackedInput _input;
    private readonly float* _bias;

    /// <param name="rows">The weight.</param>
    /// <param name="outFeatures">Its rows.</param>
    /// <param name="inFeatures">Columns of x.</param>
    /// <param name="input">How x is laid out for it.</param>
    /// <param name="bias">[1, out] F32, or none.</param>
    /// <param name="sizeInBytes">Bytes read to multiply one row: weights, scales and zero points.</param>
    public PackedLinear(in TRows rows, int outFeatures, int inFeatures, in PackedInput input, Tensor bias, long sizeInBytes)
        : base(outFeatures, inFeatures)
    {
        Debug.Assert(input.Columns % PackedInput.BlockColumns == 0);
        Debug.Assert(bias.IsNone || bias.Columns == outFeatures);
        _rows = rows;
        _input = input;
        _bias = (float*)bias.Data;
        SizeInBytes = sizeInBytes;
    }

    public override long SizeInBytes { get; }

    public void Expand(CpuRuntime runtime, Tensor rows, float scale, Tensor y)
    {
        // Other layouts order or pad their columns and are no embeddings.
        Debug.Assert(_input.Map == null && _input.Columns == InFeatures && y.Columns == InFeatures);
        var job = new RowJob<PackedRowKernel<TSimd, TVector, TRows>>
        {
            Kernel = new() { Rows = _rows, Ids = (int*)rows.Data, Y = new FloatRows(y), Columns = InFeatures, Scale = scale },
        };
        runtime.Pool.Run(in job, y.Rows, LinearPlan.ArrangedRows(InFeatures));
    }

    public override void Multiply(CpuRuntime runtime, Tensor x, Tensor y)
    {
        Debug.Assert(x.Type == DType.F32 && y.Type == DType.F32);
        Debug.Assert(x.Columns == InFeatures && y.Columns == OutFeatures && x.Rows == y.Rows);
        if (x.Rows == 0)
        {
            return;
        }

        int threads = runtime.Pool.Threads;
        nint xStride = LinearPlan.ArrangedStride(_input.Columns);
        bool roundsApart = _input.Map != null && _input.Quantizer.Rounds;
        long arrangedFloats = (long)xStride * x.Rows;
        long roundedFloats = roundsApart ? (long)InFeatures * x.Rows : 0;
        float* arranged = (float*)runtime.Arranged.Reserve(1, sizeof(float) * (arrangedFloats + roundedFloats), out _);
        byte* scratch = runtime.Scratch.Reserve(threads, PackedLinearJob<TSimd, TVector, TRows>.ScratchBytes, out nint scratchStride);
        var arrange = new RowJob<PackedInputKernel>
        {
            Kernel = new()
            {
                X = new FloatRows(x),
                Input = _input,
                InFeatures = InFeatures,
                Target = arranged,
                TargetStride = xStride,
                Rounded = roundsApart ? arranged + arrangedFloats : null,
            },
        };
        runtime.Pool.Run(in arrange, x.Rows, LinearPlan.ArrangedRows(_input.Columns));
        var job = new PackedLinearJob<TSimd, TVector, TRows>
        {
            Rows = _rows,
            Operands = new LinearOperands
            {
                Bias = _bias,
                InFeatures = _input.Columns,
                Tokens = x.Rows,
                XStride = xStride,
                Y = (float*)y.Data,
                YStride = y.Stride,
            },
            X = arranged,
            Scratch = scratch,
            ScratchStride = scratchStride,
        };
        runtime.Pool.Run(in job, OutFeatures, LinearPlan.Piece(x.Rows, InFeatures, OutFeatures, threads));
    }
}

/// <summary>A weight whose rows can be had as floats: an embedding in a packed format.</summary>
internal interface IRowTable
{
    /// <summary>y[t] = scale · row rows[t].</summary>
    void Expand(CpuRuntime runtime, Tensor rows, float scale, Tensor y);
}

/// <summary>Expands whole rows of a packed weight.</summary>
internal unsafe struct PackedRowKernel<TSimd, TVector, TRows> : IRowKernel<PackedRowKernel<TSimd, TVector, TRows>>
    where TSimd : struct, ISimd<TVector>
    where TVector : unmanaged
    where TRows : unmanaged, IPackedRows<TRows>
{
    public TRows Rows;
    public int* Ids;
    public FloatRows Y;
    public int Columns;
    public float Scale;

    public static void Apply(ref readonly PackedRowKernel<TSimd, TVector, TRows> arguments, int row)
    {
        float* target = arguments.Y[row];
        for (int k = 0; k < arguments.Columns; k += LinearPlan.ChunkColumns)
        {
            int count = System.Math.Min(LinearPlan.ChunkColumns, arguments.Columns - k);
            TRows.Expand<TSimd, TVector>(in arguments.Rows, arguments.Ids[row], k, count, target + k);
        }

        if (arguments.Scale != 1)
        {
            RowConversion<TSimd, TVector, F32Element>.ExpandScaled((byte*)target, arguments.Scale, target, arguments.Columns);
        }
    }
}

/// <summary>Lays rows of x out as a <see cref="PackedInput"/> says.</summary>
internal unsafe struct PackedInputKernel : IRowKernel<PackedInputKernel>
{
    public FloatRows X;
    public PackedInput Input;
    public int InFeatures;
    public float* Target;
    public nint TargetStride;

    /// <summary>[rows, InFeatures] for rows that are rounded before they are put in another order; else null.</summary>
    public float* Rounded;

    public static void Apply(ref readonly PackedInputKernel arguments, int row)
    {
        float* source = arguments.X[row];
        float* target = arguments.Target + row * arguments.TargetStride;
        int columns = arguments.Input.Columns;
        int inFeatures = arguments.InFeatures;
        int* map = arguments.Input.Map;
        if (map == null)
        {
            Copy(source, target, inFeatures);
            arguments.Input.Quantizer.Round(target, inFeatures);
            new Span<float>(target + inFeatures, columns - inFeatures).Clear();
            return;
        }

        if (arguments.Rounded != null)
        {
            float* rounded = arguments.Rounded + (nint)row * inFeatures;
            Copy(source, rounded, inFeatures);
            arguments.Input.Quantizer.Round(rounded, inFeatures);
            source = rounded;
        }

        for (int i = 0; i < columns; i++)
        {
            target[i] = map[i] < 0 ? 0 : source[map[i]];
        }
    }

    private static void Copy(float* source, float* target, int count) =>
        new ReadOnlySpan<float>(source, count).CopyTo(new Span<float>(target, count));
}
