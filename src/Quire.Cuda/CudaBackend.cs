using System;
using System.Collections.Generic;
using System.Globalization;
using System.IO;
using System.Threading.Tasks;
using Quire.Cuda.Blas;
using Quire.Cuda.Compilation;
using Quire.Cuda.Device;
using Quire.Tensors;
using Quire.Tensors.Quantization;

namespace Quire.Cuda;

/// <summary>
/// The backend that computes on an NVIDIA GPU. Activations, weights and the KV cache are BF16 or F16; sums are F32. Everything runs on one
/// stream, in the order of the calls; a call returns when its work is queued. The thread that calls may change, one at a time.
/// </summary>
public sealed class CudaBackend : IBackend
{
    private readonly CudaDevice _device;
    private readonly CudaStream _stream;
    private readonly DeviceArena _arena;
    private readonly KernelSet _kernels;
    private readonly MatmulPlanner _planner;
    private readonly CudaOps _ops;
    private readonly List<CudaStaging> _staging = [];
    private readonly LogitsReader _logits;
    private readonly StepGraphs _graphs;
    private readonly CudaStepClock _clock;

    /// <exception cref="CudaUnavailableException">There is no usable driver or card.</exception>
    /// <exception cref="ArgumentException">An element type that the kernels do not have.</exception>
    public CudaBackend(CudaOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        if (options.ActivationType is not (DType.BF16 or DType.F16))
        {
            throw new ArgumentException($"the CUDA backend computes in bfloat16 or float16, not {options.ActivationType.DisplayName()}", nameof(options));
        }

        ActivationType = options.ActivationType;
        _device = CudaDevice.Open(options.Device);
        _stream = new CudaStream(_device);
        _arena = new DeviceArena(_device);
        var cache = new KernelCacheOptions { Folder = Folder(options.CacheFolder, "kernels"), PrecompiledFolder = options.PrecompiledFolder };
        _kernels = new KernelSet(new KernelCompiler(_device, cache), ActivationType);
        _planner = new MatmulPlanner(_device, _stream, cacheFolder: Folder(options.CacheFolder, "matmul"));
        _ops = new CudaOps(_device, _stream, _arena, _kernels, _planner, options);
        _logits = new LogitsReader(_device, _stream);
        _graphs = new StepGraphs(_stream, _ops);
        _clock = new CudaStepClock(_device, _stream);
    }

    public DeviceInfo Device
    {
        get
        {
            _device.MakeCurrent();
            _device.GetMemoryInfo(out long free, out long total);
            string description = string.Create(
                CultureInfo.InvariantCulture, $"{_device.Name}, compute capability {_device.ComputeMajor}.{_device.ComputeMinor}, CUDA {_device.DriverVersion}");
            return new DeviceInfo($"cuda:{_device.Ordinal}", description, total, free);
        }
    }

    public DType ActivationType { get; }

    /// <summary>True for FP8 with a scale for each output and for integers in groups; other formats are expanded to the activation type.</summary>
    public bool KeepsPackedWeights => true;

    public ITensorOps Ops => _ops;

    public IStepGraphs? Graphs => _graphs;

    public IDeviceSampler? Sampler => _ops;

    public IStepClock? Clock => _clock;

    public Tensor Allocate(DType type, int rows, int columns)
    {
        _device.MakeCurrent();
        return _arena.Allocate(type, rows, columns);
    }

    public StagingBuffer AllocateStaging(int bytes)
    {
        _device.MakeCurrent();
        var staging = new CudaStaging(_device, _stream, _arena.AllocateBytes(bytes), bytes);
        _staging.Add(staging);
        return staging;
    }

    public Tensor Upload(HostMatrix matrix) => Upload(matrix, matrix.Type is DType.F16 or DType.BF16 ? ActivationType : matrix.Type);

    public Tensor Upload(HostMatrix matrix, DType type)
    {
        Tensor target = Allocate(type, matrix.Rows, matrix.Columns);
        Fill(target, matrix);
        return target;
    }

    public LinearWeight CreateLinear(LinearSource source)
    {
        ArgumentNullException.ThrowIfNull(source);
        int outFeatures = 0;
        foreach (LinearPart part in source.Parts)
        {
            if (part is not (DensePart { Weight.Type: DType.F32 or DType.F16 or DType.BF16 } or QuantizedPart))
            {
                string format = part is DensePart dense ? dense.Weight.Type.DisplayName() : part.GetType().Name;
                throw new NotSupportedException($"{source.Name}: the CUDA backend cannot multiply from a part of format {format}");
            }

            outFeatures = checked(outFeatures + part.OutFeatures);
        }

        if (!source.IsExpert && CreatePacked(source, outFeatures) is { } packed)
        {
            return packed;
        }

        Tensor weight = Allocate(ActivationType, outFeatures, source.Parts[0].InFeatures);
        int row = 0;
        foreach (LinearPart part in source.Parts)
        {
            if (part.InFeatures != weight.Columns)
            {
                throw new ArgumentException($"{source.Name}: a part has {part.InFeatures} input features, the first has {weight.Columns}", nameof(source));
            }

            Tensor rows = weight.RowRange(row, part.OutFeatures);
            if (part is QuantizedPart quantized)
            {
                Expand(rows, quantized);
            }
            else
            {
                Fill(rows, ((DensePart)part).Weight);
            }

            row += part.OutFeatures;
        }

        _ops.NoteWeight(weight);
        return new DenseLinear(weight, UploadBias(source, outFeatures));
    }

    public LinearWeight CreateLinear(Tensor weight)
    {
        if (weight.Type != ActivationType)
        {
            throw new NotSupportedException($"the CUDA backend cannot multiply {ActivationType.DisplayName()} with a matrix of {weight.Type.DisplayName()}");
        }

        _ops.NoteWeight(weight);
        return new DenseLinear(weight, 0);
    }

    public ExpertWeights CreateExperts(IReadOnlyList<LinearWeight> experts)
    {
        ArgumentNullException.ThrowIfNull(experts);
        _device.MakeCurrent();
        var addresses = new long[2 * experts.Count];
        for (int i = 0; i < experts.Count; i++)
        {
            var expert = (DenseLinear)experts[i];
            (addresses[2 * i], addresses[2 * i + 1]) = (expert.Weight.Data, expert.Bias);
        }

        nint table = _arena.AllocateBytes(addresses.Length * sizeof(long));
        unsafe
        {
            fixed (long* data = addresses)
            {
                _stream.CopyToDevice(table, (nint)data, addresses.Length * sizeof(long));
                _stream.Synchronize();
            }
        }

        return new CudaExperts(experts, table);
    }

    public void Write(HostMatrix matrix, Tensor target)
    {
        _ops.Flush();
        Fill(target, matrix);
    }

    public KvCache CreateKvCache(KvCacheShape shape)
    {
        ArgumentNullException.ThrowIfNull(shape);
        if (shape.Type != ActivationType && !shape.IsQuantized)
        {
            throw new NotSupportedException($"a KV cache of {shape.Type.DisplayName()} is not supported on the GPU with activations of {ActivationType.DisplayName()}");
        }

        // Copies of blocks move 16 bytes at a time, and so do reads of rows.
        if ((long)shape.BlockSize * shape.HeadDim * shape.Type.SizeInBytes() % 16 != 0 || (shape.HasScales && shape.BlockSize % 4 != 0))
        {
            throw new NotSupportedException($"a KV cache of {shape.Type.DisplayName()} needs blocks of a multiple of 16 tokens on the GPU, not {shape.BlockSize}");
        }

        _device.MakeCurrent();
        var layers = new KvCacheLayer[shape.Layers];
        for (int i = 0; i < layers.Length; i++)
        {
            layers[i] = new KvCacheLayer(_arena.AllocateBytes(shape.ElementBytesPerSide), _arena.AllocateBytes(shape.ElementBytesPerSide), shape)
            {
                KeyScales = shape.HasScales ? _arena.AllocateBytes(shape.ScaleBytesPerSide) : 0,
                ValueScales = shape.HasScales ? _arena.AllocateBytes(shape.ScaleBytesPerSide) : 0,
            };
        }

        return new KvCache(shape, layers);
    }

    public bool IsTuning
    {
        get => _ops.IsTuning;
        set
        {
            Synchronize();
            _ops.IsTuning = value;
        }
    }

    public void Synchronize()
    {
        _device.MakeCurrent();
        _ops.Flush();
        _stream.Synchronize();
    }

    public Span<float> MapLogits(Tensor logits, int row)
    {
        _ops.Flush();
        return _logits.Map(logits, row, _ops.LogitsVersion);
    }

    public void Dispose()
    {
        _device.MakeCurrent();
        _stream.Synchronize();
        _graphs.Dispose();
        _clock.Dispose();
        _logits.Dispose();
        _ops.Dispose();
        foreach (CudaStaging staging in _staging)
        {
            staging.Dispose();
        }

        _planner.Dispose();
        _kernels.Dispose();
        _arena.Dispose();
        _stream.Dispose();
        _device.Dispose();
    }

    /// <summary>Makes a tensor readable by the host: for tests and tools. Waits for what was called before.</summary>
    public unsafe void Download(Tensor source, Span<byte> target)
    {
        Synchronize();
        int rowBytes = source.Columns * source.Type.SizeInBytes();
        fixed (byte* data = target[..(rowBytes * source.Rows)])
        {
            for (int i = 0; i < source.Rows; i++)
            {
                _stream.CopyToHost((nint)data + (nint)i * rowBytes, source.RowRange(i, 1).Data, rowBytes);
            }

            _stream.Synchronize();
        }
    }

    /// <summary>Fills a tensor without gaps by repeating another one: for benchmarks.</summary>
    public void Repeat(Tensor source, Tensor target)
    {
        _device.MakeCurrent();
        long size = source.ElementCount * source.Type.SizeInBytes();
        long total = target.ElementCount * target.Type.SizeInBytes();
        for (long done = 0; done < total; done += size)
        {
            _stream.CopyOnDevice(target.Data + (nint)done, source.Data, Math.Min(size, total - done));
        }
    }

    private static string? Folder(string? parent, string name) => parent is null ? null : Path.Combine(parent, name);

    /// <summary>Copies a matrix to rows without gaps, by way of a conversion on the device where the types differ.</summary>
    private void Fill(Tensor target, HostMatrix matrix)
    {
        _device.MakeCurrent();
        if (matrix.Type == target.Type)
        {
            _stream.CopyToDevice(target.Data, matrix.Data, matrix.SizeInBytes);
            _stream.Synchronize();
            return;
        }

        using var raw = new DeviceArena(_device);
        nint source = raw.AllocateBytes(matrix.SizeInBytes);
        _stream.CopyToDevice(source, matrix.Data, matrix.SizeInBytes);
        _ops.Convert(source, matrix.Type, target.Data, target.Type, target.ElementCount);
        _stream.Synchronize();
    }

    /// <summary>A weight that stays packed, or null where the device has no order for it.</summary>
    private PackedLinear? CreatePacked(LinearSource source, int outFeatures)
    {
        using var host = new HostMemory();
        if (PackedWeights.TryPack(source.Parts, host) is not { } packed)
        {
            return null;
        }

        _device.MakeCurrent();
        Tensor values = Upload(packed.Values);
        if (packed.Format == PackedFormat.Float8)
        {
            _ops.NoteWeight(new Tensor(values.Data, DType.F8E4M3, values.Rows, values.Columns));
        }

        return new PackedLinear(outFeatures, packed.InFeatures, UploadBias(source, outFeatures))
        {
            Format = packed.Format,
            Values = values.Data,
            RowBytes = packed.RowBytes,
            Scales = Upload(packed.Scales).Data,
            Zeros = packed.Zeros is { } zeros ? Upload(zeros).Data : 0,
            GroupSize = packed.GroupSize,
            InputScale = packed.InputScale,
            Fold = packed.Fold,
        };
    }

    private Tensor Upload(Tensor host) => Upload(new HostMatrix(host.Data, host.Type, host.Rows, host.Columns), host.Type);

    /// <summary>Brings a quantised part to the device as what its numbers mean: in the activation type, rounded once.</summary>
    private void Expand(Tensor target, QuantizedPart part)
    {
        using var host = new HostMemory();
        Tensor expanded = host.Allocate(DType.F32, part.OutFeatures, part.InFeatures);
        Parallel.For(0, part.OutFeatures, row => part.ReadRow(row, expanded.HostRow<float>(row)));
        Fill(target, new HostMatrix(expanded.Data, DType.F32, part.OutFeatures, part.InFeatures));
    }

    private nint UploadBias(LinearSource source, int outFeatures)
    {
        if (source.Biases is not { } biases)
        {
            return 0;
        }

        Tensor bias = Allocate(ActivationType, 1, outFeatures);
        int filled = 0;
        foreach (HostMatrix part in biases)
        {
            int count = checked(part.Rows * part.Columns);
            if (count > outFeatures - filled)
            {
                throw new ArgumentException($"{source.Name}: the biases are longer than the {outFeatures} output features", nameof(source));
            }

            Fill(bias.ColumnRange(filled, count), part with { Rows = 1, Columns = count });
            filled += count;
        }

        return filled == outFeatures
            ? bias.Data
            : throw new ArgumentException($"{source.Name}: {filled} biases for {outFeatures} output features", nameof(source));
    }
}
