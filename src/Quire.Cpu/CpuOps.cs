using System;
using System.Diagnostics;
using System.Runtime.Intrinsics.X86;
using Quire.Cpu.Emit;
using Quire.Cpu.Kernels;
using Quire.Cpu.Kernels.Packed;
using Quire.Cpu.Kernels.Panels;
using Quire.Cpu.Simd;
using Quire.Tensors;

namespace Quire.Cpu;

/// <summary>What a backend asks of its kernels besides the operations.</summary>
internal interface ICpuOps : ITensorOps
{
    /// <summary>Makes layers of weights in panels; null where there are no kernels for them.</summary>
    PanelLayers? Panels { get; }

    /// <summary>A linear layer over unquantised parts that stay where they are.</summary>
    CpuLinear CreateDense(HostMemory memory, ReadOnlySpan<Tensor> parts, Tensor bias);

    /// <summary>A linear layer over a packed weight; arguments as of <see cref="PackedLinear{TSimd, TVector, TRows}"/>.</summary>
    CpuLinear CreatePacked<TRows>(in TRows rows, int outFeatures, int inFeatures, in PackedInput input, Tensor bias, long sizeInBytes)
        where TRows : unmanaged, IPackedRows<TRows>;

    /// <summary>Makes the kernels of an instruction tier.</summary>
    static ICpuOps Create(InstructionTier tier, CpuRuntime runtime, EmittedKernels emitted) => tier switch
    {
        InstructionTier.Vector512 => new CpuOps<Simd512, System.Runtime.Intrinsics.Vector512<float>>(runtime, emitted),
        InstructionTier.Vector256 => new CpuOps<Simd256, System.Runtime.Intrinsics.Vector256<float>>(runtime, emitted),
        InstructionTier.Vector128 => new CpuOps<Simd128, System.Runtime.Intrinsics.Vector128<float>>(runtime, emitted),
        _ => new CpuOps<SimdScalar, float>(runtime, emitted),
    };
}

/// <summary>
/// The operations for one vector width. Activations are F32. Each operation prepares a job on the stack and lets the pool run it;
/// nothing is allocated once scratch memory has the size of the largest shape. The result for a row depends on that row alone, whatever
/// else is in the call and however many threads there are.
/// </summary>
internal sealed unsafe partial class CpuOps<TSimd, TVector>(CpuRuntime runtime, EmittedKernels emitted) : ICpuOps
    where TSimd : struct, ISimd<TVector>
    where TVector : unmanaged
{
    /// <summary>Elements of simple row operations below which waking another thread costs more than it saves.</summary>
    private const long ParallelElements = 32 * 1024;

    public PanelLayers? Panels { get; } = TSimd.Count >= 8 && Avx2.IsSupported && Fma.IsSupported ? new PanelLayers(emitted) : null;

    public CpuLinear CreateDense(HostMemory memory, ReadOnlySpan<Tensor> parts, Tensor bias) =>
        new DenseLinear<TSimd, TVector>(memory, parts, bias);

    public CpuLinear CreatePacked<TRows>(
        in TRows rows, int outFeatures, int inFeatures, in PackedInput input, Tensor bias, long sizeInBytes)
        where TRows : unmanaged, IPackedRows<TRows> =>
        new PackedLinear<TSimd, TVector, TRows>(in rows, outFeatures, inFeatures, in input, bias, sizeInBytes);

    public void Embed(Tensor tokenIds, Tensor table, float scale, Tensor y)
    {
        switch (table.Type)
        {
            case DType.F32:
                Embed<F32Element>(tokenIds, table, scale, y);
                break;
            case DType.BF16:
                Embed<BF16Element>(tokenIds, table, scale, y);
                break;
            case DType.F16:
                Embed<F16Element>(tokenIds, table, scale, y);
                break;
            default:
                throw new NotSupportedException($"an embedding table of {table.Type.DisplayName()} is not supported on the CPU");
        }
    }

    public void Embed(Tensor tokenIds, LinearWeight table, float scale, Tensor y) =>
        ((IRowTable)table).Expand(runtime, tokenIds, scale, y);

    public void RmsNorm(Tensor x, Tensor weight, float epsilon, float weightOffset, Tensor y)
    {
        if (x.Data != y.Data)
        {
            Debug.Assert(x.Columns == y.Columns);
        }

        Norm(x, default, weight, epsilon, weightOffset, y);
    }

    public void AddRmsNorm(Tensor x, Tensor residual, Tensor weight, float epsilon, float weightOffset, Tensor y) =>
        Norm(residual, x, weight, epsilon, weightOffset, y);

    public void LayerNorm(Tensor x, Tensor weight, Tensor bias, float epsilon, Tensor y)
    {
        float* vectors = (float*)runtime.Scratch.Reserve(1, sizeof(float) * ((long)weight.Columns + bias.Columns), out _);
        var kernel = new LayerNormKernel<TSimd, TVector>
        {
            X = new FloatRows(x),
            Y = new FloatRows(y),
            Weight = AsFloats(weight, vectors),
            Bias = bias.IsNone ? null : AsFloats(bias, vectors + weight.Columns),
            Columns = x.Columns,
            Epsilon = epsilon,
        };
        RunRows(in kernel, x.Rows, x.Columns);
    }

    public void Linear(Tensor x, LinearWeight weight, Tensor y) => ((CpuLinear)weight).Multiply(runtime, x, y);

    public void AddLora(Tensor x, LoraWeight weight, in LoraBatch batch, Tensor y)
    {
        if (batch.ActiveRows == 0)
        {
            return;
        }

        switch (weight.A.Type)
        {
            case DType.F32:
                LoraKernel<TSimd, TVector, F32Element>.Run(runtime, x, weight, batch, y);
                break;
            case DType.BF16:
                LoraKernel<TSimd, TVector, BF16Element>.Run(runtime, x, weight, batch, y);
                break;
            case DType.F16:
                LoraKernel<TSimd, TVector, F16Element>.Run(runtime, x, weight, batch, y);
                break;
            default:
                throw new NotSupportedException($"LoRA adapters of {weight.A.Type.DisplayName()} are not supported on the CPU");
        }
    }

    public void Add(Tensor x, float scale, Tensor y)
    {
        Debug.Assert(x.Rows == y.Rows && x.Columns == y.Columns);
        var kernel = new AddKernel<TSimd, TVector>
        {
            X = new FloatRows(x),
            Y = new FloatRows(y),
            Columns = x.Columns,
            Scale = scale,
        };
        RunRows(in kernel, x.Rows, x.Columns);
    }

    public void GatedActivation(Activation activation, Tensor gateUp, Tensor y)
    {
        Debug.Assert(gateUp.Columns == 2 * y.Columns && gateUp.Rows == y.Rows);
        switch (activation)
        {
            case Activation.Silu:
                Gate<Silu>(gateUp, y);
                break;
            case Activation.GeluTanh:
                Gate<GeluTanh>(gateUp, y);
                break;
            case Activation.GeluErf:
                Gate<GeluErf>(gateUp, y);
                break;
            case Activation.Relu:
                Gate<Relu>(gateUp, y);
                break;
            default:
                throw new ArgumentOutOfRangeException(nameof(activation), activation, "unknown activation");
        }
    }

    public void Activate(Activation activation, Tensor x)
    {
        switch (activation)
        {
            case Activation.Silu:
                Activate<Silu>(x);
                break;
            case Activation.GeluTanh:
                Activate<GeluTanh>(x);
                break;
            case Activation.GeluErf:
                Activate<GeluErf>(x);
                break;
            case Activation.Relu:
                Activate<Relu>(x);
                break;
            default:
                throw new ArgumentOutOfRangeException(nameof(activation), activation, "unknown activation");
        }
    }

    public void GatherRows(Tensor x, Tensor rows, Tensor y)
    {
        Debug.Assert(x.Type == y.Type && x.Columns == y.Columns);
        int elementSize = x.Type.SizeInBytes();
        long bytes = (long)x.Columns * elementSize;
        for (int i = 0; i < y.Rows; i++)
        {
            byte* source = (byte*)x.Data + (nint)((int*)rows.Data)[i] * x.Stride * elementSize;
            byte* target = (byte*)y.Data + (nint)i * y.Stride * elementSize;
            Buffer.MemoryCopy(source, target, bytes, bytes);
        }
    }

    public void SoftCap(Tensor x, float cap)
    {
        var kernel = new SoftCapKernel<TSimd, TVector> { X = new FloatRows(x), Columns = x.Columns, Cap = cap };
        RunRows(in kernel, x.Rows, x.Columns);
    }

    public void Scale(Tensor x, float scale)
    {
        var kernel = new ScaleKernel<TSimd, TVector> { X = new FloatRows(x), Columns = x.Columns, Scale = scale };
        RunRows(in kernel, x.Rows, x.Columns);
    }

    private void Embed<TElement>(Tensor tokenIds, Tensor table, float scale, Tensor y)
        where TElement : struct, IElement
    {
        Debug.Assert(table.Columns == y.Columns);
        var kernel = new EmbedKernel<TSimd, TVector, TElement>
        {
            Ids = (int*)tokenIds.Data,
            Table = (byte*)table.Data,
            TableStride = table.Stride,
            Y = new FloatRows(y),
            Columns = y.Columns,
            Scale = scale,
        };
        RunRows(in kernel, y.Rows, y.Columns);
    }

    private void Norm(Tensor x, Tensor addend, Tensor weight, float epsilon, float weightOffset, Tensor y)
    {
        Debug.Assert(x.Columns % weight.Columns == 0);
        float* vector = (float*)runtime.Scratch.Reserve(1, sizeof(float) * (long)weight.Columns, out _);
        var kernel = new RmsNormKernel<TSimd, TVector>
        {
            X = new FloatRows(x),
            Addend = new FloatRows(addend),
            Adds = !addend.IsNone,
            Y = new FloatRows(y),
            Weight = AsFloats(weight, vector),
            Columns = x.Columns,
            Group = weight.Columns,
            Epsilon = epsilon,
            WeightOffset = weightOffset,
        };
        RunRows(in kernel, x.Rows, x.Columns);
    }

    private void Gate<TActivation>(Tensor gateUp, Tensor y)
        where TActivation : struct, IActivation
    {
        var kernel = new GatedKernel<TSimd, TVector, TActivation>
        {
            GateUp = new FloatRows(gateUp),
            Y = new FloatRows(y),
            Inner = y.Columns,
        };
        RunRows(in kernel, y.Rows, 4 * y.Columns);
    }

    private void Activate<TActivation>(Tensor x)
        where TActivation : struct, IActivation
    {
        var kernel = new ActivateKernel<TSimd, TVector, TActivation> { X = new FloatRows(x), Columns = x.Columns };
        RunRows(in kernel, x.Rows, 4 * x.Columns);
    }

    /// <summary>The vector itself where it is F32, else its expansion into <paramref name="buffer"/>.</summary>
    private static float* AsFloats(Tensor vector, float* buffer)
    {
        switch (vector.Type)
        {
            case DType.F32:
                return (float*)vector.Data;
            case DType.BF16:
                RowConversion<TSimd, TVector, BF16Element>.Expand((byte*)vector.Data, buffer, vector.Columns);
                return buffer;
            case DType.F16:
                RowConversion<TSimd, TVector, F16Element>.Expand((byte*)vector.Data, buffer, vector.Columns);
                return buffer;
            default:
                throw new NotSupportedException($"a norm's weight of {vector.Type.DisplayName()} is not supported on the CPU");
        }
    }

    /// <summary>Runs a kernel over rows, shared among the threads when the rows together are worth it.</summary>
    private void RunRows<TKernel>(in TKernel kernel, int rows, int elementsPerRow)
        where TKernel : unmanaged, IRowKernel<TKernel>
    {
        var job = new RowJob<TKernel> { Kernel = kernel };
        bool alone = (long)rows * elementsPerRow < ParallelElements;
        runtime.Pool.Run(in job, rows, alone ? Math.Max(1, rows) : Math.Max(1, rows / (4 * runtime.Pool.Threads)));
    }
}
