using System;
using System.Collections.Generic;

namespace Quire.Tensors.Reference;

/// <summary>
/// The meaning of every operation, in plain loops over host memory with F32 activations: slow, obvious, and what other backends are
/// tested against.
/// </summary>
public sealed class ReferenceBackend : IBackend
{
    private readonly HostMemory _memory = new();

    public DeviceInfo Device { get; } = new(
        "reference",
        "scalar loops on one core",
        GC.GetGCMemoryInfo().TotalAvailableMemoryBytes,
        GC.GetGCMemoryInfo().TotalAvailableMemoryBytes);

    public DType ActivationType => DType.F32;

    public ITensorOps Ops { get; } = new ReferenceOps();

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
        for (int row = 0; row < matrix.Rows; row++)
        {
            for (int column = 0; column < matrix.Columns; column++)
            {
                Elements.Store(target, row, column, Elements.Load(source, row, column));
            }
        }

        return target;
    }

    public LinearWeight CreateLinear(LinearSource source)
    {
        ArgumentNullException.ThrowIfNull(source);
        var parts = new List<Tensor>();
        int outFeatures = 0;
        foreach (LinearPart part in source.Parts)
        {
            if (part is not DensePart dense)
            {
                throw new NotSupportedException($"{source.Name}: the reference backend cannot multiply from {part.GetType().Name}");
            }

            parts.Add(Upload(dense.Weight));
            outFeatures += part.OutFeatures;
        }

        return new ReferenceLinear(outFeatures, source.Parts[0].InFeatures, parts, Bias(source, outFeatures));
    }

    public LinearWeight CreateLinear(Tensor weight) => new ReferenceLinear(weight.Rows, weight.Columns, [weight], null);

    public ExpertWeights CreateExperts(IReadOnlyList<LinearWeight> experts) => new(experts);

    public KvCache CreateKvCache(KvCacheShape shape)
    {
        ArgumentNullException.ThrowIfNull(shape);
        long bytesPerSide = shape.SizeInBytes / shape.Layers / 2;
        var layers = new KvCacheLayer[shape.Layers];
        for (int i = 0; i < layers.Length; i++)
        {
            layers[i] = new KvCacheLayer(_memory.AllocateBytes(bytesPerSide), _memory.AllocateBytes(bytesPerSide), shape);
        }

        return new KvCache(shape, layers);
    }

    public void Synchronize()
    {
    }

    public Span<float> MapLogits(Tensor logits, int row) => logits.HostRow<float>(row);

    public void Dispose() => _memory.Dispose();

    private static float[]? Bias(LinearSource source, int outFeatures)
    {
        if (source.Biases is null)
        {
            return null;
        }

        var bias = new List<float>(outFeatures);
        foreach (HostMatrix part in source.Biases)
        {
            var tensor = new Tensor(part.Data, part.Type, 1, part.Rows * part.Columns);
            for (int i = 0; i < tensor.Columns; i++)
            {
                bias.Add(Elements.Load(tensor, 0, i));
            }
        }

        return [.. bias];
    }
}

/// <summary>The parts of a linear layer, read where they lie.</summary>
internal sealed class ReferenceLinear(int outFeatures, int inFeatures, IReadOnlyList<Tensor> parts, float[]? bias)
    : LinearWeight(outFeatures, inFeatures)
{
    public IReadOnlyList<Tensor> Parts { get; } = parts;

    public float[]? Bias { get; } = bias;

    public override long SizeInBytes
    {
        get
        {
            long bytes = 0;
            foreach (Tensor part in Parts)
            {
                bytes += part.ElementCount * part.Type.SizeInBytes();
            }

            return bytes;
        }
    }
}
