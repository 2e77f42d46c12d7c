using System;
using Quire.Core.Foundation;
using Quire.Core.Requests;

namespace Quire.Core.KvCache;

/// <summary>
/// Gives blocks to requests and takes them back: allocation for the tokens of a step, lookup of cached prefixes, registration of full blocks.
/// Following vLLM's KVCacheManager (v1) for one group of layers: all with full attention, or all with a sliding window.
/// </summary>
internal sealed class KvCacheManager
{
    private readonly BlockHasher? _hasher;
    private readonly int _watermarkBlocks;
    private readonly int _maxLength;
    private readonly SlidingWindow? _window;
    private readonly int _mostBlocks;
    private readonly int _longestTable;
    private int[] _hits = new int[16];

    /// <param name="geometry">Blocks and their size.</param>
    /// <param name="enablePrefixCaching">Whether full blocks are registered and looked up.</param>
    /// <param name="key">The secret that block hashes start from.</param>
    /// <param name="watermark">Part of the blocks that an admission leaves free while something runs.</param>
    /// <param name="maxLength">The longest sequence; no request ever gets blocks for more.</param>
    /// <param name="window">The window, when all layers have one; then sequences may be longer than the cache.</param>
    /// <param name="mostBlocks">The most blocks that one request holds at a time.</param>
    public KvCacheManager(
        KvGeometry geometry, bool enablePrefixCaching, ReadOnlySpan<byte> key, double watermark, int maxLength, SlidingWindow? window, int mostBlocks)
    {
        _window = window;
        _mostBlocks = mostBlocks;
        _longestTable = window is not null && mostBlocks <= geometry.UsableBlocks ? int.MaxValue : geometry.UsableBlocks;
        Geometry = geometry;
        _watermarkBlocks = (int)(watermark * geometry.BlockCount);
        _maxLength = maxLength;
        if (enablePrefixCaching)
        {
            _hasher = new BlockHasher(geometry.BlockSize, key);
            Index = new PrefixIndex(geometry.BlockCount);
        }

        Pool = new BlockPool(geometry, Index);
    }

    public KvGeometry Geometry { get; }

    public BlockPool Pool { get; }

    /// <summary>The window of all layers; null with full attention.</summary>
    public SlidingWindow? Window => _window;

    /// <summary>Null when prefix caching is off.</summary>
    public PrefixIndex? Index { get; }

    /// <summary>The part of the usable blocks that requests hold, 0 to 1.</summary>
    public double Usage => 1.0 - ((double)Pool.FreeCount / Geometry.UsableBlocks);

    /// <summary>Prepares a new request.</summary>
    public void Open(RequestState request)
    {
        if (_hasher is not null)
            request.Table.Start = _hasher.Start(request.Spec.LoraName, request.Spec.CacheSalt);
    }

    /// <summary>
    /// The cached blocks that the request's tokens start with. At least one token is left to compute, since its logits are needed.
    /// The answer is valid until the next call; nothing is reserved by asking.
    /// </summary>
    public ReadOnlySpan<int> FindCachedPrefix(RequestState request)
    {
        if (Index is null || request.Spec.SkipReadingPrefixCache)
            return [];

        int limit = (request.TokenCount - 1) / Geometry.BlockSize;
        if (_window is { } window)
            return FindCachedWindow(request, limit, window.BlocksForHit(Geometry.BlockSize));
        int found = 0;
        while (found < limit)
        {
            // Hashes are made as the walk needs them: a request that misses at once hashes one block.
            request.Table.ExtendHashes(found + 1, _hasher!, request.Tokens, Geometry.BlockSize);
            if (!Index.Find(request.Table.Hash(found), out int block))
                break;
            if (found == _hits.Length)
                Array.Resize(ref _hits, found * 2);
            _hits[found++] = block;
        }

        return _hits.AsSpan(0, found);
    }

    /// <summary>
    /// Blocks for more tokens of a running request, after those that fell behind its window were given back. False changes nothing else.
    /// </summary>
    /// <param name="request">It runs.</param>
    /// <param name="newTokens">Tokens of this step.</param>
    /// <param name="lookahead">Further slots for drafts of the next step.</param>
    public bool TryGrow(RequestState request, int newTokens, int lookahead)
    {
        FreeBehindWindow(request);
        int needed = BlocksNeeded(request.ComputedTokens + newTokens + lookahead) - request.Table.Count;
        if (needed > Pool.FreeCount)
            return false;
        Take(request, needed);
        RegisterFullBlocks(request, Math.Min(request.ComputedTokens + newTokens, request.TokenCount));
        return true;
    }

    /// <summary>
    /// Blocks for a request that comes from a queue, with the cached blocks it starts with. False changes nothing.
    /// </summary>
    /// <param name="request">It holds no blocks.</param>
    /// <param name="hits">The answer of <see cref="FindCachedPrefix"/>.</param>
    /// <param name="newTokens">Tokens of its first step, after the hits.</param>
    /// <param name="fullMustFit">Whether the blocks of the whole present sequence must be free, not only those of the first step.</param>
    /// <param name="othersRun">Whether something is running already; only then the watermark is kept.</param>
    public bool TryAdmit(RequestState request, ReadOnlySpan<int> hits, int newTokens, bool fullMustFit, bool othersRun)
    {
        Invariant.Check(request.Table.Count == 0, "a request in a queue holds no blocks");
        int hitTokens = hits.Length * Geometry.BlockSize;
        int skipped = hits.Length - hits.TrimStart(0).Length;
        int hitsInQueue = 0;
        foreach (int block in hits[skipped..])
        {
            if (Pool.References(block) == 0)
                hitsInQueue++;
        }

        int needed = BlocksNeeded(hitTokens + newTokens) - hits.Length;
        int reserved = fullMustFit ? Math.Max(needed, BlocksOfWhole(request) - hits.Length) : needed;
        int watermark = othersRun ? _watermarkBlocks : 0;
        if (reserved + hitsInQueue + watermark > Pool.FreeCount)
            return false;

        foreach (int block in hits)
        {
            if (block != 0)
                Pool.Touch(block);
            request.Table.Append(block);
        }

        request.Table.Skip(skipped);
        request.Table.RegisteredCount = hits.Length;
        Take(request, needed);
        RegisterFullBlocks(request, Math.Min(hitTokens + newTokens, request.TokenCount));
        return true;
    }

    /// <summary>
    /// Registers the full blocks among the first <paramref name="tokens"/> tokens. These tokens must be known, and be computed by a step that was planned.
    /// </summary>
    public void RegisterFullBlocks(RequestState request, int tokens)
    {
        if (Index is null)
            return;
        BlockTable table = request.Table;
        int full = tokens / Geometry.BlockSize;
        if (full <= table.RegisteredCount)
            return;
        table.ExtendHashes(full, _hasher!, request.Tokens, Geometry.BlockSize);
        while (table.RegisteredCount < full)
        {
            // A block shared with a fork may have been registered by the other request; one behind the window is gone.
            int block = table.Blocks[table.RegisteredCount];
            if (block != 0 && !Index.IsRegistered(block))
                Index.Insert(table.Hash(table.RegisteredCount), block);
            table.RegisteredCount++;
        }
    }

    /// <summary>Takes all blocks of a request back. Their hashes stay: that is the prefix cache.</summary>
    public void Free(RequestState request)
    {
        Pool.Free(request.Table.Held);
        request.Table.Clear();
    }

    /// <summary>
    /// Takes all blocks of a request that gives way. Full blocks that only the plan in the making would have filled lose their hash: that plan
    /// computes nothing of the request any more, and who found them would read what nobody wrote.
    /// </summary>
    public void FreePreempted(RequestState request)
    {
        BlockTable table = request.Table;
        for (int i = request.ComputedTokens / Geometry.BlockSize; i < table.RegisteredCount; i++)
        {
            int block = table.Blocks[i];
            if (block != 0 && Index!.IsRegistered(block))
                Index.Evict(block);
        }

        Free(request);
    }

    /// <summary>
    /// Lets a new request share the blocks of one with the same tokens. Full blocks are shared; a block that both would write to is copied.
    /// False, and nothing changed, when no block is free for the copy.
    /// </summary>
    public bool TryFork(RequestState parent, RequestState child, out BlockCopy? copy)
    {
        Invariant.Check(child.Table.Count == 0, "a fork starts without blocks");
        copy = null;
        int shared = parent.ComputedTokens / Geometry.BlockSize;
        bool partial = parent.ComputedTokens % Geometry.BlockSize != 0;
        if (partial && Pool.FreeCount == 0)
            return false;

        child.Table.CopyHashesFrom(parent.Table);
        for (int i = 0; i < shared; i++)
        {
            int block = parent.Table.Blocks[i];
            if (block != 0)
                Pool.Touch(block);
            child.Table.Append(block);
        }

        child.Table.Skip(Math.Min(shared, parent.Table.SkippedCount));

        child.Table.RegisteredCount = Math.Min(shared, parent.Table.RegisteredCount);
        if (partial)
        {
            int block = Pool.Take();
            child.Table.Append(block);
            copy = new BlockCopy(parent.Table.Blocks[shared], block);
        }

        return true;
    }

    /// <summary>Forgets all hashes. False, and nothing changed, while a request holds blocks.</summary>
    public bool ResetPrefixCache()
    {
        if (Pool.FreeCount != Geometry.UsableBlocks)
            return false;
        if (Index is null)
            return true;
        for (int block = 1; block < Geometry.BlockCount; block++)
        {
            if (Index.IsRegistered(block))
                Index.Evict(block);
        }

        return true;
    }

    /// <summary>
    /// With a window, earlier blocks need not be cached: from the right, the first run of cached blocks that is as long as the window, with null blocks
    /// before it; or else the run that the sequence starts with.
    /// </summary>
    private ReadOnlySpan<int> FindCachedWindow(RequestState request, int limit, int wanted)
    {
        if (_hits.Length < limit)
            Array.Resize(ref _hits, Math.Max(limit, _hits.Length * 2));
        request.Table.ExtendHashes(limit, _hasher!, request.Tokens, Geometry.BlockSize);
        int run = 0;
        for (int i = limit - 1; i >= 0; i--)
        {
            if (!Index!.Find(request.Table.Hash(i), out int block))
            {
                run = 0;
                continue;
            }

            _hits[i] = block;
            if (++run >= wanted)
            {
                _hits.AsSpan(0, i).Clear();
                return _hits.AsSpan(0, i + run);
            }
        }

        return _hits.AsSpan(0, run);
    }

    /// <summary>Gives back what no token from the next one on reads. Results in flight may take computed tokens back, so only what is certain counts.</summary>
    private void FreeBehindWindow(RequestState request)
    {
        if (_window is not { } window)
            return;
        BlockTable table = request.Table;
        int behind = Math.Min(window.BlocksBehind(request.ComputedTokens - request.UnknownTokens, Geometry.BlockSize), table.Count);
        if (behind <= table.SkippedCount)
            return;
        Pool.Free(table.Blocks[table.SkippedCount..behind]);
        table.Skip(behind);
    }

    /// <summary>Blocks for so many tokens; slots behind the last position that can ever be computed are not asked for.</summary>
    private int BlocksNeeded(int tokens) => Math.Min(Geometry.BlocksFor(Math.Min(tokens, _maxLength)), _longestTable);

    /// <summary>Blocks that the present tokens of a request will need at a time.</summary>
    private int BlocksOfWhole(RequestState request) => _window is null ? BlocksNeeded(request.TokenCount) : Math.Min(BlocksNeeded(request.TokenCount), _mostBlocks);

    private void Take(RequestState request, int blocks)
    {
        for (int i = 0; i < blocks; i++)
            request.Table.Append(Pool.Take());
    }
}
