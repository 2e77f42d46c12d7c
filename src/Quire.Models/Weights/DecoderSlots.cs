using System;
using System.Collections.Generic;
using System.Globalization;

namespace Quire.Models.Weights;

/// <summary>
/// The explicit table of every tensor of a decoder, derived from its spec and its names. Loading, checking, dummy weights and the memory
/// plan all read this one table.
/// </summary>
public sealed class DecoderSlots
{
    private readonly DecoderSpec _spec;
    private readonly DecoderNames _names;

    public DecoderSlots(ModelDefinition definition)
    {
        _spec = definition.Spec;
        _names = definition.Names;
        NamedByAdapters = definition.AdapterNames is { } names ? new DecoderSlots(new ModelDefinition(_spec, names)) : this;
        Embedding = new TensorSlot(_names.Embedding + ".weight", _spec.VocabularySize, _spec.EmbeddingColumns, WeightRole.Embedding);
        PositionEmbedding = _spec.LearnedPositions is { } positions
            ? new TensorSlot(_names.PositionEmbedding + ".weight", positions.Rows, _spec.HiddenSize, WeightRole.Embedding)
            : null;
        var layers = new LayerSlots[_spec.Layers.Count];
        for (int i = 0; i < layers.Length; i++)
        {
            layers[i] = Layer(string.Format(CultureInfo.InvariantCulture, _names.LayerPrefix, i), _spec.Layers[i]);
        }

        Layers = layers;
        FinalNorm = _spec.FinalNorm ? Norm(_names.FinalNorm, _spec.HiddenSize) : null;
        if (_spec.EmbeddingSize is { } size)
        {
            ProjectIn = Linear("", [_names.ProjectIn], [_spec.HiddenSize], size, false, false, outside: true);
            ProjectOut = Linear("", [_names.ProjectOut], [size], _spec.HiddenSize, false, false, outside: true);
        }

        Head = _spec.TiedEmbeddings ? null : Linear("", [_names.Head], [_spec.VocabularySize], _spec.EmbeddingColumns, false, false, outside: true);
    }

    /// <summary>The same tensors in the same order, under the names by which LoRA adapters know them.</summary>
    public DecoderSlots NamedByAdapters { get; }

    public TensorSlot Embedding { get; }

    public TensorSlot? PositionEmbedding { get; }

    public IReadOnlyList<LayerSlots> Layers { get; }

    public NormSlot? FinalNorm { get; }

    /// <summary>From the embedding to the stream; null where both have the same size.</summary>
    public LinearSlot? ProjectIn { get; }

    /// <summary>From the stream to what the head reads; null where both have the same size.</summary>
    public LinearSlot? ProjectOut { get; }

    /// <summary>The output head, or null when it is the embedding.</summary>
    public LinearSlot? Head { get; }

    /// <summary>The tensor of that name in a source, or under one of the names that other checkpoints of the family give it, or null.</summary>
    public WeightTensor? Find(IWeightSource source, string name)
    {
        if (source.Find(name) is { } tensor)
        {
            return tensor;
        }

        foreach ((string ours, string theirs) in _names.OtherBeginnings)
        {
            if (name.StartsWith(ours, StringComparison.Ordinal) && source.Find(theirs + name[ours.Length..]) is { } other)
            {
                return other;
            }
        }

        return null;
    }

    /// <summary>As <see cref="DecoderNames.OtherBeginnings"/>.</summary>
    public IReadOnlyList<(string Ours, string Theirs)> OtherBeginnings => _names.OtherBeginnings;

    /// <summary>Every tensor once, in the order of computation.</summary>
    public IEnumerable<TensorSlot> All()
    {
        yield return Embedding;
        if (PositionEmbedding is not null)
        {
            yield return PositionEmbedding;
        }

        foreach (TensorSlot slot in (TensorSlot[])[.. Of(ProjectIn), .. Of(ProjectOut)])
        {
            yield return slot;
        }

        foreach (LayerSlots layer in Layers)
        {
            foreach (TensorSlot slot in OfLayer(layer))
            {
                yield return slot;
            }
        }

        foreach (TensorSlot slot in Of(FinalNorm))
        {
            yield return slot;
        }

        foreach (TensorSlot slot in Of(Head))
        {
            yield return slot;
        }
    }

    /// <summary>True for a tensor that a checkpoint may carry although this model does not read it.</summary>
    public bool Ignores(string name)
    {
        if (_spec.TiedEmbeddings && name.EndsWith(_names.Head + ".weight", StringComparison.Ordinal))
        {
            return true;
        }

        foreach (string beginning in _names.IgnoredBeginnings)
        {
            if (name.StartsWith(beginning, StringComparison.Ordinal))
            {
                return true;
            }
        }

        foreach (string ending in (IEnumerable<string>)[.. _names.IgnoredEndings, .. KvScaleReader.Endings])
        {
            if (name.EndsWith(ending, StringComparison.Ordinal))
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>The tensor of a layer, named without the layer's prefix, or null.</summary>
    internal WeightTensor? FindInLayer(IWeightSource source, int layer, string name) =>
        Find(source, string.Format(CultureInfo.InvariantCulture, _names.LayerPrefix, layer) + name);

    private LayerSlots Layer(string prefix, LayerSpec layer)
    {
        SelfAttentionSpec attention = _spec.Attention;
        FeedForwardSpec feedForward = layer.FeedForward;
        bool before = _spec.NormPlacement is NormPlacement.Before or NormPlacement.BeforeAndAfter;
        bool after = !before || _spec.NormPlacement == NormPlacement.BeforeAndAfter;
        bool queryKeyNorm = attention.QueryKeyNorm != QueryKeyNorm.None;
        bool transposed = _names.TransposedLayers;
        bool wholeRow = attention.QueryKeyNorm == QueryKeyNorm.AllHeads;
        IReadOnlyList<int> qkvRows = _names.Qkv.Count == 1 ? [attention.QkvSize] : [attention.QuerySize, attention.KvSize, attention.KvSize];
        bool dense = feedForward.Experts is null;
        return new LayerSlots
        {
            AttentionNorm = before ? Norm(prefix + _names.AttentionNorm, _spec.HiddenSize) : null,
            Qkv = Linear(prefix, _names.Qkv, qkvRows, _spec.HiddenSize, attention.QkvBias, transposed),
            QueryNorm = queryKeyNorm ? Norm(prefix + _names.QueryNorm, wholeRow ? attention.QuerySize : attention.HeadDim) : null,
            KeyNorm = queryKeyNorm ? Norm(prefix + _names.KeyNorm, wholeRow ? attention.KvSize : attention.HeadDim) : null,
            AttentionOutput = Linear(prefix, [_names.AttentionOutput], [_spec.HiddenSize], attention.QuerySize, attention.OutputBias, transposed),
            AfterAttentionNorm = after ? Norm(prefix + _names.AfterAttentionNorm, _spec.HiddenSize) : null,
            FeedForwardNorm = before ? Norm(prefix + _names.FeedForwardNorm, _spec.HiddenSize) : null,
            FeedForwardInput = dense ? FeedForwardInput(prefix, _names.FeedForwardInput, feedForward) : null,
            FeedForwardOutput = dense ? FeedForwardOutput(prefix, _names.FeedForwardOutput, feedForward) : null,
            Experts = feedForward.Experts is { } experts ? Experts(prefix, experts, feedForward) : null,
            AfterFeedForwardNorm = after ? Norm(prefix + _names.AfterFeedForwardNorm, _spec.HiddenSize) : null,
        };
    }

    private LinearSlot FeedForwardInput(string prefix, IReadOnlyList<string> modules, FeedForwardSpec spec)
    {
        IReadOnlyList<int> rows = modules.Count == 1 ? [spec.InputSize] : [spec.InnerSize, spec.InnerSize];
        return Linear(prefix, modules, rows, _spec.HiddenSize, spec.Bias, _names.TransposedLayers);
    }

    private LinearSlot FeedForwardOutput(string prefix, string module, FeedForwardSpec spec) =>
        Linear(prefix, [module], [_spec.HiddenSize], spec.InnerSize, spec.Bias, _names.TransposedLayers);

    private ExpertSlots Experts(string prefix, ExpertSpec experts, FeedForwardSpec spec)
    {
        var inputs = new LinearSlot[experts.Count];
        var outputs = new LinearSlot[experts.Count];
        for (int i = 0; i < inputs.Length; i++)
        {
            string expert = prefix + string.Format(CultureInfo.InvariantCulture, _names.ExpertPrefix, i);
            inputs[i] = FeedForwardInput(expert, _names.ExpertInput, spec);
            outputs[i] = FeedForwardOutput(expert, _names.ExpertOutput, spec);
        }

        return new ExpertSlots(Linear(prefix, [_names.Router], [experts.Count], _spec.HiddenSize, false, false, isRouter: true), inputs, outputs);
    }

    private NormSlot Norm(string module, int size) => new(
        new TensorSlot(module + ".weight", 1, size, WeightRole.NormWeight),
        _spec.Norm.Bias ? new TensorSlot(module + ".bias", 1, size, WeightRole.NormBias) : null);

    private static LinearSlot Linear(
        string prefix, IReadOnlyList<string> modules, IReadOnlyList<int> rows, int columns, bool bias, bool transposed,
        bool outside = false, bool isRouter = false)
    {
        var parts = new TensorSlot[modules.Count];
        var biases = bias ? new TensorSlot[modules.Count] : null;
        for (int i = 0; i < parts.Length; i++)
        {
            parts[i] = new TensorSlot(prefix + modules[i] + ".weight", rows[i], columns, WeightRole.Linear, transposed)
            {
                IsOutsideLayers = outside,
                IsRouter = isRouter,
            };
            if (biases is not null)
            {
                biases[i] = new TensorSlot(prefix + modules[i] + ".bias", 1, rows[i], WeightRole.Bias);
            }
        }

        return new LinearSlot(prefix + string.Join('|', modules), parts, biases);
    }

    private static IEnumerable<TensorSlot> OfLayer(LayerSlots layer)
    {
        IEnumerable<TensorSlot>[] groups =
        [
            Of(layer.AttentionNorm), Of(layer.Qkv), Of(layer.QueryNorm), Of(layer.KeyNorm), Of(layer.AttentionOutput),
            Of(layer.AfterAttentionNorm), Of(layer.FeedForwardNorm), Of(layer.FeedForwardInput), Of(layer.FeedForwardOutput),
            Of(layer.Experts), Of(layer.AfterFeedForwardNorm),
        ];
        foreach (IEnumerable<TensorSlot> group in groups)
        {
            foreach (TensorSlot slot in group)
            {
                yield return slot;
            }
        }
    }

    private static IEnumerable<TensorSlot> Of(NormSlot? norm) => norm switch
    {
        null => [],
        { Bias: null } => [norm.Weight],
        _ => [norm.Weight, norm.Bias],
    };

    private static IEnumerable<TensorSlot> Of(ExpertSlots? experts)
    {
        if (experts is null)
        {
            yield break;
        }

        foreach (TensorSlot slot in Of(experts.Router))
        {
            yield return slot;
        }

        for (int i = 0; i < experts.Inputs.Count; i++)
        {
            foreach (TensorSlot slot in (TensorSlot[])[.. Of(experts.Inputs[i]), .. Of(experts.Outputs[i])])
            {
                yield return slot;
            }
        }
    }

    private static IEnumerable<TensorSlot> Of(LinearSlot? linear) =>
        linear is null ? [] : [.. linear.Parts, .. linear.Biases ?? []];
}
