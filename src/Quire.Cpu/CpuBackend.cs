using System;
using System.Collections.Generic;
using System.Globalization;
using Quire.Cpu.Emit;
using Quire.Tensors;

namespace Quire.Cpu;

/// <summary>
/// The backend that computes on the processor's vector units. Activations are F32; weights and the KV cache keep the type that they
/// have (F32, F16, BF16) and are expanded on their way into the registers. Matrices of a checkpoint are used where they lie, so their
/// memory must stay mapped until the backend is disposed.
/// </summary>
public sealed class CpuBackend : IBackend
{
    private readonly HostMemory _memory = new(usesHugePages: true);

    /// <summary>The KV cache: pages come one by one as blocks are used.</summary>
    private readonly HostMemory _cacheMemory = new();
    private readonly CpuRuntime _runtime;
    private readonly EmittedKernels _emitted;
    private readonly ICpuOps _ops;

    public CpuBackend()
        : this(new CpuOptions())
    {
    }

    /// <exception cref="ArgumentOutOfRangeException">The number of threads or the spin time is negative.</exception>
    public CpuBackend(CpuOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentOutOfRangeException.ThrowIfNegative(options.Threads, nameof(options));
        ArgumentOutOfRangeException.ThrowIfNegative(options.SpinMicros, nameof(options));
        Features = CpuFeatures.Detect(options.TierLimit);
        if (options.ForcedTier is { } forced)
        {
            Features = Features with { Tier = forced, Reason = "forced" };
        }

        Threads = options.Threads > 0 ? options.Threads : Features.PhysicalCores;
        _runtime = new CpuRuntime(Threads, options.SpinMicros);
        _emitted = new EmittedKernels(ProcessorExtensions.Detect(Features.Tier, options));
        _ops = ICpuOps.Create(Features.Tier, _runtime, _emitted);
    }

    /// <summary>The processor and which of its instructions are used.</summary>
    public CpuFeatures Features { get; }

    /// <summary>Threads that compute, the calling one included.</summary>
    public int Threads { get; }

    /// <summary>The processor, what of it is used, and the memory of the machine or the container's limit.</summary>
    public DeviceInfo Device
    {
        get
        {
            GCMemoryInfo memory = GC.GetGCMemoryInfo();
            string description = string.Create(
                CultureInfo.InvariantCulture,
                $"{Features.ProcessorName}, {Features.Tier.DisplayName()}, {Threads} {(Threads == 1 ? "thread" : "threads")}");
            long total = memory.TotalAvailableMemoryBytes;
            return new DeviceInfo("cpu", description, total, HostMemoryInfo.Available(total));
        }
    }

    public DType ActivationType => DType.F32;

    public bool KeepsBlocks => true;

    public ITensorOps Ops => _ops;

    public Tensor Allocate(DType type, int rows, int columns) => _memory.Allocate(type, rows, columns);

    public StagingBuffer AllocateStaging(int bytes) => new HostStagingBuffer(_memory.AllocateBytes(bytes), bytes);

    public Tensor Upload(HostMatrix matrix) => new(matrix.Data, matrix.Type, matrix.Rows, matrix.Columns);

    public Tensor Upload(HostMatrix matrix, DType type)
    {
        Tensor source = Upload(matrix);
        if (matrix.Type == type)
        {
            return source;
        }

        Tensor target = Allocate(type, matrix.Rows, matrix.Columns);
        TensorConversion.Convert(source, target);
        return target;
    }

    public void Write(HostMatrix matrix, Tensor target) => HostMemory.Write(matrix, target);

    public LinearWeight CreateLinear(LinearSource source)
    {
        ArgumentNullException.ThrowIfNull(source);
        for (int i = 0; i < source.Parts.Count; i++)
        {
            if (source.Parts[i].InFeatures != source.Parts[0].InFeatures)
            {
                throw new ArgumentException(
                    $"{source.Name}: part {i} has {source.Parts[i].InFeatures} input features, the first has {source.Parts[0].InFeatures}",
                    nameof(source));
            }
        }

        return LinearFactory.Create(_ops, _memory, source, UploadBias(source));
    }

    public LinearWeight CreateLinear(Tensor weight)
    {
        if (weight.Type is not (DType.F32 or DType.F16 or DType.BF16))
        {
            throw new NotSupportedException($"the CPU backend cannot multiply from a matrix of {weight.Type.DisplayName()}");
        }

        return _ops.CreateDense(_memory, [weight], default);
    }

    public ExpertWeights CreateExperts(IReadOnlyList<LinearWeight> experts) => new(experts);

    public KvCache CreateKvCache(KvCacheShape shape)
    {
        ArgumentNullException.ThrowIfNull(shape);
        if (!shape.IsQuantized && shape.Type is not (DType.F32 or DType.F16 or DType.BF16))
        {
            throw new NotSupportedException($"a KV cache of {shape.Type.DisplayName()} is not supported on the CPU");
        }

        var layers = new KvCacheLayer[shape.Layers];
        for (int i = 0; i < layers.Length; i++)
        {
            layers[i] = KvCacheLayer.Allocate(shape, _cacheMemory);
        }

        return new KvCache(shape, layers);
    }

    /// <summary>Does nothing: an operation has finished when it returns.</summary>
    public void Synchronize()
    {
    }

    public Span<float> MapLogits(Tensor logits, int row) => logits.HostRow<float>(row);

    public void Dispose()
    {
        _runtime.Dispose();
        _emitted.Dispose();
        _memory.Dispose();
        _cacheMemory.Dispose();
    }

    private Tensor UploadBias(LinearSource source)
    {
        if (source.Biases is not { } biases)
        {
            return default;
        }

        int outFeatures = 0;
        foreach (LinearPart part in source.Parts)
        {
            outFeatures = checked(outFeatures + part.OutFeatures);
        }

        Tensor bias = Allocate(DType.F32, 1, outFeatures);
        int filled = 0;
        foreach (HostMatrix part in biases)
        {
            int count = checked(part.Rows * part.Columns);
            if (count > outFeatures - filled)
            {
                throw new ArgumentException($"{source.Name}: the biases are longer than the {outFeatures} output features", nameof(source));
            }

            TensorConversion.Convert(new Tensor(part.Data, part.Type, 1, count), bias.ColumnRange(filled, count));
            filled += count;
        }

        if (filled != outFeatures)
        {
            throw new ArgumentException($"{source.Name}: {filled} biases for {outFeatures} output features", nameof(source));
        }

        return bias;
    }
}
