using System;
using System.Diagnostics;
using Quire.Cpu.Kernels.Packed;
using Quire.Tensors;

namespace Quire.Cpu.Kernels.Panels;

/// <summary>
/// A linear layer over weights in <see cref="PanelLayout"/>. Over weights of 4 or 8 bits inputs are rounded to 8 bits, as
/// <see cref="Tensors.Reference.IntegerActivations"/> defines, and integers are multiplied.
/// </summary>
internal sealed unsafe class PanelLinear<TKernel> : CpuLinear, IRowTable
    where TKernel : struct, IPanelKernel
{
    private readonly PanelWeight _weight;
    private readonly float* _bias;
    private readonly nint[]? _code;
    private readonly PackedInput _input;

    /// <param name="weight">The weight, packed for the kernel.</param>
    /// <param name="bias">[1, out] F32, or none.</param>
    /// <param name="code">Of an assembled kernel what <see cref="Emit.EmittedKernels.Find"/> gave.</param>
    /// <param name="input">How x is rounded and ordered before anything else.</param>
    public PanelLinear(PanelWeight weight, Tensor bias, nint[]? code = null, PackedInput input = default)
        : base(weight.OutFeatures, weight.InFeatures)
    {
        Debug.Assert(weight.Format == TKernel.Format && (bias.IsNone || bias.Columns == weight.OutFeatures));
        _weight = weight;
        _bias = (float*)bias.Data;
        _code = code;
        _input = input;
    }

    public override long SizeInBytes => _weight.SizeInBytes;

    public override bool KeepsSource => false;

    public override string KernelName =>
        typeof(TKernel).IsGenericType ? $"{typeof(TKernel).GetGenericArguments()[0].Name}{(_code is null ? 256 : 512)}" : typeof(TKernel).Name;

    public override int InputBits => _weight.Format switch
    {
        PanelFormat.BFloat16 => 0,
        PanelFormat.Affine4 or PanelFormat.Affine8 => 16,
        _ => 8,
    };

    public override void Multiply(CpuRuntime runtime, Tensor x, Tensor y)
    {
        Debug.Assert(x.Type == DType.F32 && y.Type == DType.F32);
        Debug.Assert(x.Columns == InFeatures && y.Columns == OutFeatures && x.Rows == y.Rows);
        if (x.Rows == 0)
        {
            return;
        }

        int threads = runtime.Pool.Threads;
        PanelInput input = Arrange(runtime, x);
        byte* scratch = runtime.Scratch.Reserve(threads, PanelJob<TKernel>.ScratchBytes, out nint scratchStride);
        var job = new PanelJob<TKernel>
        {
            Operands = new PanelOperands
            {
                Values = _weight.Values,
                Scales = _weight.Scales,
                Code = _code is null ? 0 : _code[Emit.EmittedKernels.IndexOf(input.BlockRows)],
                Bias = _bias,
                Groups = _weight.Groups,
                BlockGroups = _weight.BlockGroups,
                ScaleType = _weight.ScaleType,
                Zeros = _weight.Zeros,
                GroupOfBlock = _weight.GroupOfBlock,
                ParameterGroups = _weight.ParameterGroups,
                OutFeatures = OutFeatures,
                X = input,
                Rows = x.Rows,
                Y = (float*)y.Data,
                YStride = y.Stride,
            },
            BlocksAtOnce = (int)Math.Clamp(PanelLayout.CachedInputBytes / input.BlockBytes, 1, PanelLayout.MaxRows / input.BlockRows),
            Scratch = scratch,
            ScratchStride = scratchStride,
        };
        int piece = LinearPlan.Piece(x.Rows, InFeatures, OutFeatures, threads) / PanelLayout.PanelOutputs;
        runtime.Pool.Run(in job, _weight.Panels, Math.Max(1, piece));
    }

    public void Expand(CpuRuntime runtime, Tensor rows, float scale, Tensor y)
    {
        Debug.Assert(y.Columns == InFeatures && InputBits == 8);
        var job = new RowJob<PanelRowKernel<TKernel>>
        {
            Kernel = new()
            {
                Weight = new()
                {
                    Values = _weight.Values,
                    Scales = _weight.Scales,
                    Groups = _weight.Groups,
                    BlockGroups = _weight.BlockGroups,
                    Columns = InFeatures,
                },
                Ids = (int*)rows.Data,
                Y = new FloatRows(y),
                Scale = scale,
            },
        };
        runtime.Pool.Run(in job, y.Rows, LinearPlan.ArrangedRows(InFeatures));
    }

    /// <summary>Lays x out for the kernel.</summary>
    private PanelInput Arrange(CpuRuntime runtime, Tensor x)
    {
        PanelInput input = TKernel.Input(x.Rows);
        input.Groups = _weight.Groups;
        int blocks = (x.Rows + input.BlockRows - 1) / input.BlockRows;
        long values = (long)input.BlockBytes * blocks;
        long parameters = input.HasScales ? (long)blocks * input.BlockRows * input.Groups : 0;
        bool ordered = _input.Map != null || _input.Quantizer.Rounds;
        int columns = ordered ? _input.Columns : InFeatures;
        nint stride = ordered ? LinearPlan.ArrangedStride(columns) : 0;
        long orderedFloats = stride * (long)x.Rows;
        long roundedFloats = _input.Map != null && _input.Quantizer.Rounds ? (long)InFeatures * x.Rows : 0;
        byte* memory = runtime.Arranged.Reserve(
            1, values + parameters * (2 * sizeof(float) + 2 * sizeof(int)) + (orderedFloats + roundedFloats) * sizeof(float), out _);
        input.Values = memory;
        input.Scales = (float*)(input.Values + values);
        input.Sums = input.Scales + parameters;
        input.Offsets = (int*)(input.Sums + parameters);
        var from = new FloatRows(x);
        if (ordered)
        {
            float* target = (float*)(input.Offsets + 2 * parameters);
            var order = new RowJob<PackedInputKernel>
            {
                Kernel = new()
                {
                    X = from,
                    Input = _input,
                    InFeatures = InFeatures,
                    Target = target,
                    TargetStride = stride,
                    Rounded = roundedFloats > 0 ? target + orderedFloats : null,
                },
            };
            runtime.Pool.Run(in order, x.Rows, LinearPlan.ArrangedRows(columns));
            from = new FloatRows(new Tensor((nint)target, DType.F32, x.Rows, columns, (int)stride));
        }

        int piece = Math.Max(1, LinearPlan.ArrangedRows(InFeatures) / input.BlockRows);
        if (input.Form == PanelInputForm.Wide)
        {
            var round = new RowJob<RoundWideKernel> { Kernel = new() { X = from, Target = input, Rows = x.Rows, Columns = columns } };
            runtime.Pool.Run(in round, blocks, piece);
        }
        else if (input.HasScales)
        {
            var round = new RowJob<RoundInputKernel>
            {
                Kernel = new() { X = from, Target = input, Rows = x.Rows, Columns = columns, ZeroPoint = TKernel.Format.ZeroPoint() },
            };
            runtime.Pool.Run(in round, blocks, piece);
        }
        else
        {
            var copy = new RowJob<FloatInputKernel> { Kernel = new() { X = from, Target = input, Rows = x.Rows, Columns = columns } };
            runtime.Pool.Run(in copy, blocks, piece);
        }

        return input;
    }
}
