using System;
using System.Collections.Generic;

namespace Quire.Engine.Streaming;

/// <summary>
/// The stop strings of a request, as an automaton that reads a text once, whatever the number of stops (A. V. Aho, M. J. Corasick,
/// "Efficient string matching", CACM 18, 1975). It does not change and is shared by all outputs of the request.
/// </summary>
public sealed class StopTexts
{
    private const int Root = 0;

    private readonly string[] _stops;
    private readonly Dictionary<(int Node, char Letter), int> _children = [];
    private readonly List<int> _fallbacks = [Root];
    private readonly List<int?> _completed = [null];

    /// <param name="stops">None of them empty.</param>
    /// <param name="includeInOutput">Whether a text that stopped keeps its stop string at the end.</param>
    public StopTexts(IReadOnlyList<string> stops, bool includeInOutput)
    {
        ArgumentNullException.ThrowIfNull(stops);
        _stops = [.. stops];
        IncludeInOutput = includeInOutput;
        int longest = 0;
        for (int i = 0; i < _stops.Length; i++)
        {
            ArgumentException.ThrowIfNullOrEmpty(_stops[i], nameof(stops));
            longest = Math.Max(longest, _stops[i].Length);
            Insert(i);
        }

        HoldBack = includeInOutput ? 0 : Math.Max(0, longest - 1);
        LinkFallbacks();
    }

    public bool IncludeInOutput { get; }

    /// <summary>How many UTF-16 units at the end of a growing text may be the beginning of a stop.</summary>
    public int HoldBack { get; }

    public bool IsEmpty => _stops.Length == 0;

    internal string this[int index] => _stops[index];

    /// <summary>The state after one more letter; a text starts in state 0.</summary>
    internal int Next(int state, char letter)
    {
        while (true)
        {
            if (_children.TryGetValue((state, letter), out int next))
                return next;
            if (state == Root)
                return Root;
            state = _fallbacks[state];
        }
    }

    /// <summary>The first stop, in the order of the list, that ends where the state is.</summary>
    internal bool TryGetCompleted(int state, out int stop)
    {
        stop = _completed[state] ?? 0;
        return _completed[state] is not null;
    }

    private void Insert(int index)
    {
        int node = Root;
        foreach (char letter in _stops[index])
        {
            if (!_children.TryGetValue((node, letter), out int child))
            {
                child = _fallbacks.Count;
                _children.Add((node, letter), child);
                _fallbacks.Add(Root);
                _completed.Add(null);
            }

            node = child;
        }

        _completed[node] ??= index;
    }

    /// <summary>Walks the tree level by level: a node falls back to the longest proper suffix of its text that is a node too.</summary>
    private void LinkFallbacks()
    {
        var edges = new List<(int Node, char Letter, int Child)>[_fallbacks.Count];
        foreach (((int node, char letter), int child) in _children)
            (edges[node] ??= []).Add((node, letter, child));
        var level = new Queue<int>([Root]);
        while (level.TryDequeue(out int node))
        {
            foreach ((_, char letter, int child) in edges[node] ?? [])
            {
                if (node != Root)
                    _fallbacks[child] = Next(_fallbacks[node], letter);
                if (_completed[_fallbacks[child]] is { } shorter && !(_completed[child] < shorter))
                    _completed[child] = shorter;
                level.Enqueue(child);
            }
        }
    }
}
