using System;
using Quire.Core.Requests;

namespace Quire.Core.KvCache;

/// <summary>
/// Finds how much of a request is cached: the longest prefix whose blocks are there in every group with full attention, and whose last window of
/// blocks is there in every group with a sliding window (earlier ones are never read, so they may have been evicted). vLLM lets the groups agree in
/// turns; here each block of each group is looked up at most once.
/// </summary>
internal sealed class PrefixLookup
{
    private readonly PrefixIndex _index;
    private readonly BlockHasher _hasher;
    private readonly int _blockSize;

    /// <summary>Adjacent cached blocks that the token behind them needs, in each group; null needs them all.</summary>
    private readonly int?[] _windowBlocks;
    private readonly bool _someSlide;
    private readonly int[][] _hits;
    private readonly int[] _known;

    public PrefixLookup(PrefixIndex index, BlockHasher hasher, int blockSize, ReadOnlySpan<SlidingWindow?> windows)
    {
        _index = index;
        _hasher = hasher;
        _blockSize = blockSize;
        _windowBlocks = new int?[windows.Length];
        _hits = new int[windows.Length][];
        _known = new int[windows.Length];
        for (int group = 0; group < windows.Length; group++)
        {
            // A window of one token needs nothing of the past; a hit still is something that was found.
            _windowBlocks[group] = windows[group] is { } window ? Math.Max(1, window.BlocksForHit(blockSize)) : null;
            _someSlide |= windows[group] is not null;
            _hits[group] = new int[16];
        }
    }

    /// <summary>The blocks of the last answer in one group, null blocks in front of a window; as many as <see cref="Find"/> said.</summary>
    public ReadOnlySpan<int> Hits(int group) => _hits[group];

    /// <summary>Blocks at the start of the request that need not be computed; its last token is never among them.</summary>
    public int Find(RequestState request)
    {
        int length = (request.TokenCount - 1) / _blockSize;
        for (int group = 0; group < _windowBlocks.Length; group++)
        {
            if (_windowBlocks[group] is null)
                length = FromTheStart(request, group, length);
        }

        return _someSlide ? LastWindows(request, length) : length;
    }

    private int FromTheStart(RequestState request, int group, int limit)
    {
        int found = 0;
        while (found < limit)
        {
            // Hashes are made as the walk needs them: a request that misses at once hashes one block.
            request.Blocks.Hashes.Extend(found + 1, _hasher, request.Tokens, _blockSize);
            if (!_index.Find(request.Blocks.Hashes[found], group, out int block))
                break;
            if (found == _hits[group].Length)
                Array.Resize(ref _hits[group], found * 2);
            _hits[group][found++] = block;
        }

        return found;
    }

    /// <summary>Shortens a prefix until every group with a window has the last one of it, or all of it where it is shorter than the window.</summary>
    private int LastWindows(RequestState request, int length)
    {
        request.Blocks.Hashes.Extend(length, _hasher, request.Tokens, _blockSize);
        Array.Fill(_known, length);
        int before;
        do
        {
            before = length;
            for (int group = 0; group < _windowBlocks.Length; group++)
            {
                if (_windowBlocks[group] is { } wanted)
                    length = LastWindow(request, group, length, wanted);
            }
        }
        while (length < before);

        for (int group = 0; group < _windowBlocks.Length; group++)
        {
            if (_windowBlocks[group] is { } wanted)
                _hits[group].AsSpan(0, Math.Max(0, length - wanted)).Clear();
        }

        return length;
    }

    /// <summary>The longest prefix up to a length whose last window is there in one group; the blocks from _known on are known to be.</summary>
    private int LastWindow(RequestState request, int group, int length, int wanted)
    {
        if (_hits[group].Length < length)
            Array.Resize(ref _hits[group], Math.Max(length, _hits[group].Length * 2));
        int known = Math.Min(_known[group], length);
        while (known > 0 && length - known < wanted)
        {
            known--;
            if (_index.Find(request.Blocks.Hashes[known], group, out int block))
                _hits[group][known] = block;
            else
                length = known;
        }

        _known[group] = known;
        return length;
    }
}
