using System.Collections.Generic;
using Quire.Models.Lora;

namespace Quire.Engine.Lora;

/// <summary>Adapters in host memory, at most max_cpu_loras; the one that was used longest ago makes room. Not safe for several threads.</summary>
internal sealed class LoraCache(int capacity)
{
    private readonly Dictionary<LoraEntry, LinkedListNode<(LoraEntry Entry, LoraAdapter Adapter)>> _nodes = [];
    private readonly LinkedList<(LoraEntry Entry, LoraAdapter Adapter)> _byUse = new();

    public int Count => _nodes.Count;

    /// <summary>The adapter, which counts as used now; null when it is not here.</summary>
    public LoraAdapter? Use(LoraEntry entry)
    {
        if (!_nodes.TryGetValue(entry, out LinkedListNode<(LoraEntry Entry, LoraAdapter Adapter)>? node))
        {
            return null;
        }

        _byUse.Remove(node);
        _byUse.AddFirst(node);
        return node.Value.Adapter;
    }

    public void Add(LoraEntry entry, LoraAdapter adapter)
    {
        if (_nodes.ContainsKey(entry))
        {
            return;
        }

        while (_nodes.Count >= capacity)
        {
            Remove(_byUse.Last!.Value.Entry);
        }

        _nodes.Add(entry, _byUse.AddFirst((entry, adapter)));
    }

    public void Remove(LoraEntry entry)
    {
        if (_nodes.Remove(entry, out LinkedListNode<(LoraEntry Entry, LoraAdapter Adapter)>? node))
        {
            _byUse.Remove(node);
        }
    }
}
