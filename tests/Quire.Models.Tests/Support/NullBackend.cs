using System;
using System.Collections.Generic;
using Quire.Tensors;

namespace Quire.Models.Tests.Support;

/// <summary>A backend whose operations do nothing and that counts what is allocated: for measuring the model's own doing.</summary>
internal sealed class NullBackend : IBackend
{
    private readonly HostMemory _memory = new();

    public long AllocatedBytes => _memory.AllocatedBytes;

    public DeviceInfo Device { get; } = new("null", "nothing", 0, 0);

    public DType ActivationType => DType.BF16;

    public ITensorOps Ops { get; } = new NullOps();

    public Tensor Allocate(DType type, int rows, int columns) => _memory.Allocate(type, rows, columns);

    public StagingBuffer AllocateStaging(int bytes) => new HostStagingBuffer(_memory.AllocateBytes(bytes), bytes);

    public Tensor Upload(HostMatrix matrix) => new(matrix.Data, matrix.Type, matrix.Rows, matrix.Columns);

    public Tensor Upload(HostMatrix matrix, DType type) => new(matrix.Data, type, matrix.Rows, matrix.Columns);

    public LinearWeight CreateLinear(LinearSource source)
    {
        int rows = 0;
        foreach (LinearPart part in source.Parts)
        {
            rows += part.OutFeatures;
        }

        return new NullLinear(rows, source.Parts[0].InFeatures);
    }

    public LinearWeight CreateLinear(Tensor weight) => new NullLinear(weight.Rows, weight.Columns);

    public KvCache CreateKvCache(KvCacheShape shape)
    {
        var layers = new List<KvCacheLayer>();
        for (int i = 0; i < shape.Layers; i++)
        {
            layers.Add(new KvCacheLayer(1, 1, shape));
        }

        return new KvCache(shape, [.. layers]);
    }

    public void Synchronize()
    {
    }

    public Span<float> MapLogits(Tensor logits, int row) => logits.HostRow<float>(row);

    public void Dispose() => _memory.Dispose();

    private sealed class NullLinear(int outFeatures, int inFeatures) : LinearWeight(outFeatures, inFeatures)
    {
        public override long SizeInBytes => 2L * OutFeatures * InFeatures;
    }

    private sealed class NullOps : ITensorOps
    {
        public void Embed(Tensor tokenIds, Tensor table, float scale, Tensor y)
        {
        }

        public void RmsNorm(Tensor x, Tensor weight, float epsilon, float weightOffset, Tensor y)
        {
        }

        public void LayerNorm(Tensor x, Tensor weight, Tensor bias, float epsilon, Tensor y)
        {
        }

        public void Linear(Tensor x, LinearWeight weight, Tensor y)
        {
            if (weight.InFeatures != x.Columns || weight.OutFeatures != y.Columns || x.Rows != y.Rows)
            {
                throw new InvalidOperationException($"{x} times [{weight.OutFeatures}, {weight.InFeatures}] into {y}");
            }
        }

        public void Add(Tensor x, float scale, Tensor y)
        {
        }

        public void GatedActivation(Activation activation, Tensor gateUp, Tensor y)
        {
        }

        public void Activate(Activation activation, Tensor x)
        {
        }

        public void Rope(Tensor x, Tensor positions, in RopeTable table, int headDim)
        {
        }

        public void StoreKv(Tensor k, Tensor v, Tensor slots, in KvCacheLayer cache)
        {
        }

        public void PagedAttention(Tensor q, in KvCacheLayer cache, in AttentionBatch batch, in AttentionSpec spec, Tensor y)
        {
        }

        public void GatherRows(Tensor x, Tensor rows, Tensor y)
        {
        }

        public void SoftCap(Tensor x, float cap)
        {
        }

        public void Scale(Tensor x, float scale)
        {
        }

        public void CopyBlocks(KvCache cache, Tensor pairs)
        {
        }
    }
}
