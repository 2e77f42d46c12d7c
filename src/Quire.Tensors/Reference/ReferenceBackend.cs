using System;
using System.Collections.Generic;
using Quire.Tensors.Quantization;

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

    public bool KeepsBlocks => true;

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

    public void Write(HostMatrix matrix, Tensor target) => HostMemory.Write(matrix, target);

    public LinearWeight CreateLinear(LinearSource source)
    {
        ArgumentNullException.ThrowIfNull(source);
        var parts = new List<ReferencePart>();
        int outFeatures = 0;
        foreach (LinearPart part in source.Parts)
        {
            parts.Add(part switch
            {
                DensePart dense => new ReferencePart(Upload(dense.Weight)),
                QuantizedPart quantized => new ReferencePart(Dequantize(quantized), quantized.Activations),
                _ => throw new NotSupportedException($"{source.Name}: the reference backend cannot multiply from {part.GetType().Name}"),
            });
            outFeatures += part.OutFeatures;
        }

        return new ReferenceLinear(outFeatures, source.Parts[0].InFeatures, parts, Bias(source, outFeatures));
    }

    public LinearWeight CreateLinear(Tensor weight) => new ReferenceLinear(weight.Rows, weight.Columns, [new ReferencePart(weight)], null);

    public ExpertWeights CreateExperts(IReadOnlyList<LinearWeight> experts) => new(experts);

    public KvCache CreateKvCache(KvCacheShape shape)
    {
        ArgumentNullException.ThrowIfNull(shape);
        var layers = new KvCacheLayer[shape.Layers];
        for (int i = 0; i < layers.Length; i++)
        {
            layers[i] = KvCacheLayer.Allocate(shape, _memory);
        }

        return new KvCache(shape, layers);
    }

    public void Synchronize()
    {
    }

    public Span<float> MapLogits(Tensor logits, int row) => logits.HostRow<float>(row);

    public void Dispose() => _memory.Dispose();

    /// <summary>Every weight as its part defines it.</summary>
    private Tensor Dequantize(QuantizedPart part)
    {
        Tensor weight = Allocate(DType.F32, part.OutFeatures, part.InFeatures);
        for (int row = 0; row < part.OutFeatures; row++)
        {
            part.ReadRow(row, weight.HostRow<float>(row));
        }

        return weight;
    }

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

/// <summary>Rows of a linear layer, and how their inputs are rounded.</summary>
internal readonly record struct ReferencePart(Tensor Weight, ActivationQuantization? Activations = null);

/// <summary>The parts of a linear layer: unquantised ones where they lie, others expanded to F32.</summary>
internal sealed class ReferenceLinear(int outFeatures, int inFeatures, IReadOnlyList<ReferencePart> parts, float[]? bias)
    : LinearWeight(outFeatures, inFeatures)
{
    public IReadOnlyList<ReferencePart> Parts { get; } = parts;

    public float[]? Bias { get; } = bias;

    public override long SizeInBytes
    {
        get
        {
            long bytes = 0;
            foreach (ReferencePart part in Parts)
            {
                bytes += part.Weight.ElementCount * part.Weight.Type.SizeInBytes();
            }

            return bytes;
        }
    }
}
