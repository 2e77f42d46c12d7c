using System;
using System.Collections.Generic;
using Quire.Models.Weights;
using Quire.Tensors;

namespace Quire.Models.Lora;

/// <summary>A part of a linear layer that an adapter may change.</summary>
/// <param name="Target">Number of the layer in <see cref="LoraTargets.Layers"/>.</param>
/// <param name="Part">Number of the part in the layer.</param>
/// <param name="Slot">Its weight: out and in features.</param>
public readonly record struct LoraTarget(int Target, int Part, TensorSlot Slot);

/// <summary>Every linear layer of a decoder that adapters may change, and where a module of an adapter belongs.</summary>
public sealed class LoraTargets
{
    private const string WeightEnding = ".weight";

    private readonly List<LinearSlot> _layers = [];
    private readonly Dictionary<string, LoraTarget> _byModule = new(StringComparer.Ordinal);
    private readonly List<string> _moduleNames = [];
    private readonly IReadOnlyList<(string Ours, string Theirs)> _otherBeginnings;

    /// <param name="slots">The model's tensors.</param>
    /// <param name="only">Last names of the modules to take, or null for all.</param>
    public LoraTargets(DecoderSlots slots, IReadOnlyList<string>? only = null)
    {
        ArgumentNullException.ThrowIfNull(slots);
        _otherBeginnings = slots.NamedByAdapters.OtherBeginnings;
        for (int i = 0; i < slots.Layers.Count; i++)
        {
            LayerSlots layer = slots.Layers[i];
            LayerSlots named = slots.NamedByAdapters.Layers[i];
            Add(layer.Qkv, named.Qkv, only);
            Add(layer.AttentionOutput, named.AttentionOutput, only);
            Add(layer.FeedForwardInput, named.FeedForwardInput, only);
            Add(layer.FeedForwardOutput, named.FeedForwardOutput, only);
        }
    }

    /// <summary>The layers, in the order of computation.</summary>
    public IReadOnlyList<LinearSlot> Layers => _layers;

    /// <summary>Last names of the modules, such as q_proj, each once.</summary>
    public IReadOnlyList<string> ModuleNames => _moduleNames;

    /// <summary>The number of a layer, or null when adapters do not change it.</summary>
    public int? IndexOf(LinearSlot layer)
    {
        int index = _layers.IndexOf(layer);
        return index < 0 ? null : index;
    }

    /// <summary>The place of a module by its full name in the model, or null.</summary>
    public LoraTarget? Find(string module)
    {
        if (_byModule.TryGetValue(module, out LoraTarget target))
        {
            return target;
        }

        foreach ((string ours, string theirs) in _otherBeginnings)
        {
            if (module.StartsWith(theirs, StringComparison.Ordinal) && _byModule.TryGetValue(ours + module[theirs.Length..], out target))
            {
                return target;
            }
        }

        return null;
    }

    /// <summary>Bytes of the stacked factors of all layers.</summary>
    public long SizeInBytes(int slots, int rank, DType type)
    {
        long elements = 0;
        foreach (LinearSlot layer in _layers)
        {
            elements += (long)layer.Parts.Count * layer.Parts[0].Columns;
            foreach (TensorSlot part in layer.Parts)
            {
                elements += part.Rows;
            }
        }

        return checked(elements * slots * rank * type.SizeInBytes());
    }

    /// <summary>Layers that are experts of a mixture are left out: their rows are not those of the step.</summary>
    private void Add(LinearSlot? layer, LinearSlot? named, IReadOnlyList<string>? only)
    {
        if (layer is null || named is null)
        {
            return;
        }

        bool any = false;
        for (int i = 0; i < layer.Parts.Count; i++)
        {
            string module = named.Parts[i].Name[..^WeightEnding.Length];
            string last = module[(module.LastIndexOf('.') + 1)..];
            if (only is not null && !Contains(only, last))
            {
                continue;
            }

            any = true;
            _byModule.Add(module, new LoraTarget(_layers.Count, i, layer.Parts[i]));
            if (!_moduleNames.Contains(last))
            {
                _moduleNames.Add(last);
            }
        }

        if (any)
        {
            _layers.Add(layer);
        }
    }

    private static bool Contains(IReadOnlyList<string> names, string name)
    {
        foreach (string each in names)
        {
            if (each == name)
            {
                return true;
            }
        }

        return false;
    }
}
