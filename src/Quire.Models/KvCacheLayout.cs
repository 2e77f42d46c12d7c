using System;
using System.Collections.Generic;

namespace Quire.Models;

/// <summary>
/// Which layers share a block table, and where in a block each keeps its keys and values. Layers with the same window form groups of
/// <see cref="LayersPerGroup"/> layers, the last group of a window with fewer where they do not divide evenly. A block belongs to one group at a time and has
/// room for the layers of one, so layer j of every group lies in the same memory. This is the layout of vLLM's hybrid KV cache manager.
/// </summary>
public sealed class KvCacheLayout
{
    /// <summary>More groups would cost a step more than the padding that they save.</summary>
    private const int MaxGroups = 8;

    private readonly int[] _groupOf;
    private readonly int[] _placeOf;

    private KvCacheLayout(int[] groupOf, int[] placeOf, int?[] windows, int layersPerGroup)
    {
        _groupOf = groupOf;
        _placeOf = placeOf;
        Windows = windows;
        LayersPerGroup = layersPerGroup;
    }

    /// <summary>The window of each group; null where its layers see everything.</summary>
    public IReadOnlyList<int?> Windows { get; }

    /// <summary>Layers that a block has room for.</summary>
    public int LayersPerGroup { get; }

    /// <summary>The group of each layer.</summary>
    public IReadOnlyList<int> GroupOf => _groupOf;

    /// <summary>The same, for every layer of every step.</summary>
    internal int[] Groups => _groupOf;

    /// <summary>The place of each layer among those of its group: which layer of the cache it keeps its keys and values in.</summary>
    public IReadOnlyList<int> PlaceOf => _placeOf;

    /// <summary>All layers in one group.</summary>
    /// <param name="layers">How many.</param>
    /// <param name="window">What is certain never to be read again is behind the largest window; null keeps everything.</param>
    public static KvCacheLayout OneGroup(int layers, int? window)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(layers, 1);
        int[] places = new int[layers];
        for (int i = 0; i < layers; i++)
        {
            places[i] = i;
        }

        return new KvCacheLayout(new int[layers], places, [window], layers);
    }

    /// <summary>
    /// Layers by their windows, in groups of the size that pads least among those that give at most eight groups, the larger of two equal ones. Null
    /// where all windows are equal, or too many differ.
    /// </summary>
    /// <param name="windows">The window of each layer; 0 where it sees everything.</param>
    public static KvCacheLayout? Grouped(IReadOnlyList<int> windows)
    {
        ArgumentNullException.ThrowIfNull(windows);
        var kinds = new SortedDictionary<int, int>();
        foreach (int window in windows)
        {
            kinds[window] = kinds.GetValueOrDefault(window) + 1;
        }

        if (kinds.Count is < 2 or > MaxGroups)
        {
            return null;
        }

        int size = BestSize(kinds.Values);
        var firstGroup = new Dictionary<int, int>();
        var groups = new List<int?>();
        foreach ((int window, int layers) in kinds)
        {
            firstGroup[window] = groups.Count;
            for (int i = 0; i < layers; i += size)
            {
                groups.Add(window == 0 ? null : window);
            }
        }

        int[] groupOf = new int[windows.Count];
        int[] placeOf = new int[windows.Count];
        var seen = new Dictionary<int, int>();
        for (int i = 0; i < windows.Count; i++)
        {
            int number = seen.GetValueOrDefault(windows[i]);
            seen[windows[i]] = number + 1;
            groupOf[i] = firstGroup[windows[i]] + number / size;
            placeOf[i] = number % size;
        }

        return new KvCacheLayout(groupOf, placeOf, [.. groups], size);
    }

    /// <summary>Some size always gives at most eight groups: that of the most frequent window gives one a window.</summary>
    private static int BestSize(IReadOnlyCollection<int> layersOfKinds)
    {
        int best = 0;
        long leastPadding = long.MaxValue;
        int largest = 0;
        foreach (int layers in layersOfKinds)
        {
            largest = Math.Max(largest, layers);
        }

        for (int size = 1; size <= largest; size++)
        {
            long groups = 0;
            long padding = 0;
            foreach (int layers in layersOfKinds)
            {
                long ofKind = ((long)layers + size - 1) / size;
                groups += ofKind;
                padding += ofKind * size - layers;
            }

            if (groups <= MaxGroups && padding <= leastPadding)
            {
                (best, leastPadding) = (size, padding);
            }
        }

        return best;
    }
}
