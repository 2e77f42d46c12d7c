using System;
using System.Collections.Generic;

namespace Quire.Core.KvCache;

/// <summary>
/// The groups of layers that share a block table, by their windows. All groups have the same number of layers and take their blocks from one pool, so
/// that a request holds the blocks of each. Most models are one group.
/// </summary>
public sealed class KvCacheGroups
{
    private readonly int?[] _windows;

    /// <param name="windows">sliding_window of each group; null where its layers see everything.</param>
    public KvCacheGroups(IReadOnlyList<int?> windows)
    {
        ArgumentNullException.ThrowIfNull(windows);
        ArgumentOutOfRangeException.ThrowIfZero(windows.Count);
        _windows = [.. windows];
    }

    /// <summary>One group that sees everything.</summary>
    public static KvCacheGroups Full { get; } = new([null]);

    /// <summary>sliding_window of each group; null where its layers see everything.</summary>
    public IReadOnlyList<int?> Windows => _windows;

    public int Count => _windows.Length;

    /// <summary>One group in which every layer has a window; null is <see cref="Full"/>.</summary>
    public static KvCacheGroups Of(int? window) => window is null ? Full : new([window]);

    /// <summary>The most blocks that one request of so many tokens ever holds in a group.</summary>
    /// <param name="group">Which.</param>
    /// <param name="geometry">The size of a block.</param>
    /// <param name="length">Tokens of the request.</param>
    /// <param name="stepTokens">max_num_batched_tokens: the most tokens of a step.</param>
    /// <param name="lookahead">Slots for drafts of the next step.</param>
    public int MostBlocks(int group, KvGeometry geometry, int length, int stepTokens, int lookahead = 0) =>
        _windows[group] is { } window ? new SlidingWindow(window).MostBlocks(geometry, length, stepTokens, lookahead) : geometry.BlocksFor(length);

    /// <summary>The most blocks that one request of so many tokens ever holds in all groups.</summary>
    public long MostBlocks(KvGeometry geometry, int length, int stepTokens, int lookahead = 0)
    {
        long most = 0;
        for (int group = 0; group < _windows.Length; group++)
            most += MostBlocks(group, geometry, length, stepTokens, lookahead);
        return most;
    }

    /// <summary>Blocks that a request of so many tokens holds while it decodes one token a step.</summary>
    public long SteadyBlocks(KvGeometry geometry, int length) => MostBlocks(geometry, length, stepTokens: 0);

    /// <summary>The most tokens, up to <paramref name="length"/>, for which the usable blocks suffice in all groups together.</summary>
    public int LongestFit(KvGeometry geometry, int length, int stepTokens, int lookahead = 0)
    {
        int fits = 0;
        int tooLong = length;
        if (MostBlocks(geometry, length, stepTokens, lookahead) <= geometry.UsableBlocks)
            return length;
        while (tooLong - fits > 1)
        {
            int middle = fits + (tooLong - fits) / 2;
            if (MostBlocks(geometry, middle, stepTokens, lookahead) <= geometry.UsableBlocks)
                fits = middle;
            else
                tooLong = middle;
        }

        return fits;
    }
}
