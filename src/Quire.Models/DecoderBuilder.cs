using System.Collections.Generic;
using Quire.Models.Blocks;
using Quire.Models.Lora;
using Quire.Models.Rope;
using Quire.Models.Weights;
using Quire.Tensors;

namespace Quire.Models;

/// <summary>Turns bound weights into the blocks of a model on a backend.</summary>
internal sealed class DecoderBuilder(DecoderSpec spec, DecoderSlots slots, WeightBinder binder, IBackend backend, HostMemory host, int maxModelLength, LoraBank? lora)
{
    private readonly Dictionary<RopeSpec, RopeTable> _ropeTables = [];

    /// <summary>Bytes of linear layers and embeddings as the backend keeps them.</summary>
    public long WeightBytes { get; private set; }

    public Tensor Embedding() => Matrix(slots.Embedding);

    /// <summary>The embedding as it is in the checkpoint, where that is a block format that the backend keeps; else null.</summary>
    public LinearWeight? PackedEmbedding()
    {
        if (!binder.Keeps(slots.Embedding))
        {
            return null;
        }

        LinearWeight weight = backend.CreateLinear(new LinearSource(slots.Embedding.Name, [binder.Part(slots.Embedding)]));
        WeightBytes += weight.SizeInBytes;
        if (!weight.KeepsSource)
        {
            binder.Release(slots.Embedding);
        }

        return weight;
    }

    /// <summary>The vectors of the positions from 0 on, or none.</summary>
    public Tensor PositionEmbedding()
    {
        if (slots.PositionEmbedding is not { } slot)
        {
            return default;
        }

        int offset = spec.LearnedPositions!.Offset;
        return Matrix(slot).RowRange(offset, slot.Rows - offset);
    }

    public DecoderLayer[] Layers()
    {
        var layers = new DecoderLayer[spec.Layers.Count];
        for (int i = 0; i < layers.Length; i++)
        {
            layers[i] = Layer(spec.Layers[i], slots.Layers[i]);
        }

        return layers;
    }

    public Norm? FinalNorm() => Norm(slots.FinalNorm);

    public LinearWeight? ProjectIn() => slots.ProjectIn is { } slot ? Weight(slot) : null;

    public LinearWeight? ProjectOut() => slots.ProjectOut is { } slot ? Weight(slot) : null;

    /// <summary>The output head: its own weight, or the embedding as a linear layer.</summary>
    public LinearWeight Head(Tensor embedding, LinearWeight? packedEmbedding) =>
        slots.Head is { } head ? Weight(head) : packedEmbedding ?? backend.CreateLinear(embedding);

    private DecoderLayer Layer(LayerSpec layer, LayerSlots slot)
    {
        SelfAttentionSpec shape = spec.Attention;
        var attention = new AttentionSpec(shape.Heads, shape.KvHeads, shape.HeadDim, shape.Scale * layer.ScoreFactor, layer.SlidingWindow, shape.LogitSoftCap);
        return new DecoderLayer
        {
            AttentionNorm = Norm(slot.AttentionNorm),
            Attention = new Attention(backend.Ops, shape, attention)
            {
                Qkv = Linear(slot.Qkv),
                QueryNorm = Norm(slot.QueryNorm),
                KeyNorm = Norm(slot.KeyNorm),
                Rope = layer.Rope is null ? null : Rope(layer.Rope),
                Output = Linear(slot.AttentionOutput),
            },
            AfterAttentionNorm = Norm(slot.AfterAttentionNorm),
            FeedForwardNorm = Norm(slot.FeedForwardNorm),
            FeedForward = FeedForward(layer.FeedForward, slot),
            AfterFeedForwardNorm = Norm(slot.AfterFeedForwardNorm),
            NormsStream = spec.NormPlacement == NormPlacement.AfterResidual,
        };
    }

    private IFeedForward FeedForward(FeedForwardSpec feedForward, LayerSlots slot) => slot.Experts is { } experts
        ? new MixtureOfExperts(backend.Ops, feedForward, Weight(experts.Router), Experts(experts.Inputs), Experts(experts.Outputs))
        : new FeedForward(backend.Ops, feedForward, Linear(slot.FeedForwardInput!), Linear(slot.FeedForwardOutput!));

    private ExpertWeights Experts(IReadOnlyList<LinearSlot> slots)
    {
        var weights = new LinearWeight[slots.Count];
        for (int i = 0; i < weights.Length; i++)
        {
            weights[i] = Weight(slots[i], isExpert: true);
        }

        return backend.CreateExperts(weights);
    }

    private Tensor Matrix(TensorSlot slot)
    {
        HostMatrix matrix = binder.Matrix(slot);
        WeightBytes += matrix.SizeInBytes;
        return backend.Upload(matrix);
    }

    private Linear Linear(LinearSlot slot) =>
        new(backend.Ops, Weight(slot), lora?.Targets.IndexOf(slot) is { } target ? lora.Weight(target) : null);

    private LinearWeight Weight(LinearSlot slot, bool isExpert = false)
    {
        using var scratch = new HostMemory();
        using var converted = new HostMemory();
        LinearWeight weight = backend.CreateLinear(binder.Linear(slot, scratch, converted) with { IsExpert = isExpert });
        WeightBytes += weight.SizeInBytes;
        if (weight.KeepsSource)
        {
            host.Adopt(converted);
            return weight;
        }

        foreach (TensorSlot part in slot.Parts)
        {
            binder.Release(part);
        }

        return weight;
    }

    /// <summary>Weights of norms are small and are kept in the activation type, so that kernels need not convert them.</summary>
    private Norm? Norm(NormSlot? slot)
    {
        if (slot is null)
        {
            return null;
        }

        Tensor weight = backend.Upload(binder.Matrix(slot.Weight), backend.ActivationType);
        Tensor bias = slot.Bias is null ? default : backend.Upload(binder.Matrix(slot.Bias), backend.ActivationType);
        return new Norm(backend.Ops, spec.Norm, weight, bias);
    }

    private RopeTable Rope(RopeSpec rope)
    {
        if (!_ropeTables.TryGetValue(rope, out RopeTable table))
        {
            table = RopeTableBuilder.Build(rope, maxModelLength, backend, host);
            _ropeTables.Add(rope, table);
        }

        return table;
    }
}
