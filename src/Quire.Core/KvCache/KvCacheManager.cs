using System;
using System.Collections.Generic;
using Quire.Core.Foundation;
using Quire.Core.Requests;

namespace Quire.Core.KvCache;

/// <summary>
/// Gives blocks to requests and takes them back: allocation for the tokens of a step, lookup of cached prefixes, registration of full blocks.
/// Following vLLM's KVCacheManager (v1) with its groups of layers: a request has a table in each group, and all blocks come from one pool.
/// </summary>
internal sealed class KvCacheManager
{
    private readonly BlockHasher? _hasher;
    private readonly PrefixLookup? _lookup;
    private readonly int _watermarkBlocks;
    private readonly int _maxLength;
    private readonly SlidingWindow?[] _windows;
    private readonly bool _someSlide;
    private readonly int[] _mostBlocks;
    private readonly int _longestTable;

    /// <param name="geometry">Blocks and their size.</param>
    /// <param name="groups">The groups of layers.</param>
    /// <param name="enablePrefixCaching">Whether full blocks are registered and looked up.</param>
    /// <param name="key">The secret that block hashes start from.</param>
    /// <param name="watermark">Part of the blocks that an admission leaves free while something runs.</param>
    /// <param name="maxLength">The longest sequence; no request ever gets blocks for more.</param>
    /// <param name="longestTable">The most entries of a table: no sequence has blocks for more tokens, whatever its length.</param>
    /// <param name="mostBlocks">The most blocks that one request holds at a time, in each group.</param>
    public KvCacheManager(
        KvGeometry geometry, KvCacheGroups groups, bool enablePrefixCaching, ReadOnlySpan<byte> key, double watermark, int maxLength, int longestTable,
        int[] mostBlocks)
    {
        _windows = new SlidingWindow?[groups.Count];
        for (int group = 0; group < _windows.Length; group++)
        {
            _windows[group] = groups.Windows[group] is { } tokens ? new SlidingWindow(tokens) : null;
            _someSlide |= _windows[group] is not null;
        }

        _mostBlocks = mostBlocks;
        _longestTable = longestTable;
        Geometry = geometry;
        _watermarkBlocks = (int)(watermark * geometry.BlockCount);
        _maxLength = maxLength;
        if (enablePrefixCaching)
        {
            _hasher = new BlockHasher(geometry.BlockSize, key);
            Index = new PrefixIndex(geometry.BlockCount);
            _lookup = new PrefixLookup(Index, _hasher, geometry.BlockSize, _windows);
        }

        Pool = new BlockPool(geometry, Index);
    }

    public KvGeometry Geometry { get; }

    public BlockPool Pool { get; }

    /// <summary>The window of each group; null with full attention.</summary>
    public ReadOnlySpan<SlidingWindow?> Windows => _windows;

    /// <summary>Null when prefix caching is off.</summary>
    public PrefixIndex? Index { get; }

    /// <summary>The part of the usable blocks that requests hold, 0 to 1.</summary>
    public double Usage => 1.0 - ((double)Pool.FreeCount / Geometry.UsableBlocks);

    /// <summary>Prepares a new request.</summary>
    public void Open(RequestState request)
    {
        if (_hasher is not null)
            request.Blocks.Hashes.Start = _hasher.Start(request.Spec.LoraName, request.Spec.CacheSalt);
    }

    /// <summary>
    /// How many blocks at the start of the request's tokens are cached, in all groups. At least one token is left to compute, since its logits are
    /// needed. The blocks themselves are kept for <see cref="TryAdmit"/> until the next call; nothing is reserved by asking.
    /// </summary>
    public int FindCachedPrefix(RequestState request) =>
        _lookup is null || request.Spec.SkipReadingPrefixCache ? 0 : _lookup.Find(request);

    /// <summary>
    /// Blocks for more tokens of a running request, after those that fell behind a window were given back. False changes nothing else.
    /// </summary>
    /// <param name="request">It runs.</param>
    /// <param name="newTokens">Tokens of this step.</param>
    /// <param name="lookahead">Further slots for drafts of the next step.</param>
    public bool TryGrow(RequestState request, int newTokens, int lookahead)
    {
        if (_someSlide)
            FreeBehindWindows(request);
        int tokens = request.ComputedTokens + newTokens + lookahead;
        if (tokens > (long)request.Blocks.Count * Geometry.BlockSize)
        {
            int needed = BlocksNeeded(tokens) - request.Blocks.Count;
            if ((long)needed * _windows.Length > Pool.FreeCount)
                return false;
            Take(request, needed);
        }

        RegisterFullBlocks(request, Math.Min(request.ComputedTokens + newTokens, request.TokenCount));
        return true;
    }

    /// <summary>
    /// Blocks for a request that comes from a queue, with the cached blocks it starts with. False changes nothing.
    /// </summary>
    /// <param name="request">It holds no blocks.</param>
    /// <param name="hits">The answer of <see cref="FindCachedPrefix"/> for this request, the last that was asked for.</param>
    /// <param name="newTokens">Tokens of its first step, after the hits.</param>
    /// <param name="fullMustFit">Whether the blocks of the whole present sequence must be free, not only those of the first step.</param>
    /// <param name="othersRun">Whether something is running already; only then the watermark is kept.</param>
    public bool TryAdmit(RequestState request, int hits, int newTokens, bool fullMustFit, bool othersRun)
    {
        Invariant.Check(request.Blocks.Count == 0, "a request in a queue holds no blocks");
        int hitTokens = hits * Geometry.BlockSize;
        int needed = BlocksNeeded(hitTokens + newTokens) - hits;
        long wanted = othersRun ? _watermarkBlocks : 0;
        for (int group = 0; group < _windows.Length; group++)
        {
            wanted += fullMustFit ? Math.Max(needed, BlocksOfWhole(request, group) - hits) : needed;
            foreach (int block in Hits(group, hits))
                wanted += block != 0 && Pool.References(block) == 0 ? 1 : 0;
        }

        if (wanted > Pool.FreeCount)
            return false;

        for (int group = 0; group < _windows.Length; group++)
        {
            BlockTable table = request.Blocks.Tables[group];
            int skipped = 0;
            foreach (int block in Hits(group, hits))
            {
                if (block == 0)
                    skipped++;
                else
                    Pool.Touch(block);
                table.Append(block);
            }

            table.Skip(skipped);
        }

        request.Blocks.RegisteredCount = hits;
        Take(request, needed);
        RegisterFullBlocks(request, Math.Min(hitTokens + newTokens, request.TokenCount));
        return true;
    }

    /// <summary>
    /// Registers the full blocks among the first <paramref name="tokens"/> tokens. These tokens must be known, and be computed by a step that was planned.
    /// </summary>
    public void RegisterFullBlocks(RequestState request, int tokens)
    {
        if (Index is null || tokens < (request.Blocks.RegisteredCount + 1L) * Geometry.BlockSize)
            return;
        RequestBlocks blocks = request.Blocks;
        int full = tokens / Geometry.BlockSize;
        blocks.Hashes.Extend(full, _hasher!, request.Tokens, Geometry.BlockSize);
        for (; blocks.RegisteredCount < full; blocks.RegisteredCount++)
        {
            for (int group = 0; group < blocks.Tables.Length; group++)
            {
                // A block shared with a fork may have been registered by the other request; one behind the window is gone.
                int block = blocks.Tables[group].Blocks[blocks.RegisteredCount];
                if (block != 0 && !Index.IsRegistered(block))
                    Index.Insert(blocks.Hashes[blocks.RegisteredCount], group, block);
            }
        }
    }

    /// <summary>
    /// Takes all blocks of a request back, the end of the sequence first in all groups, so that it is evicted first in all of them. Their hashes stay:
    /// that is the prefix cache.
    /// </summary>
    public void Free(RequestState request)
    {
        ReadOnlySpan<BlockTable> tables = request.Blocks.Tables;
        for (int i = request.Blocks.Count - 1; i >= 0; i--)
        {
            for (int group = tables.Length - 1; group >= 0; group--)
            {
                if (i >= tables[group].SkippedCount)
                    Pool.Free(tables[group].Blocks[i]);
            }
        }

        request.Blocks.Clear();
    }

    /// <summary>
    /// Takes all blocks of a request that gives way. Full blocks that only the plan in the making would have filled lose their hash: that plan
    /// computes nothing of the request any more, and who found them would read what nobody wrote.
    /// </summary>
    public void FreePreempted(RequestState request)
    {
        foreach (BlockTable table in request.Blocks.Tables)
        {
            for (int i = request.ComputedTokens / Geometry.BlockSize; i < request.Blocks.RegisteredCount; i++)
            {
                int block = table.Blocks[i];
                if (block != 0 && Index!.IsRegistered(block))
                    Index.Evict(block);
            }
        }

        Free(request);
    }

    /// <summary>
    /// Lets a new request share the blocks of one with the same tokens. Full blocks are shared; blocks that both would write to, one a group, are copied.
    /// False, and nothing changed, when no blocks are free for the copies.
    /// </summary>
    /// <param name="parent">It runs.</param>
    /// <param name="child">It holds no blocks.</param>
    /// <param name="copies">Where the copies to make are added.</param>
    public bool TryFork(RequestState parent, RequestState child, List<BlockCopy> copies)
    {
        Invariant.Check(child.Blocks.Count == 0, "a fork starts without blocks");
        int shared = parent.ComputedTokens / Geometry.BlockSize;
        bool partial = parent.ComputedTokens % Geometry.BlockSize != 0;
        if (partial && Pool.FreeCount < _windows.Length)
            return false;

        child.Blocks.Hashes.CopyFrom(parent.Blocks.Hashes);
        for (int group = 0; group < _windows.Length; group++)
        {
            BlockTable from = parent.Blocks.Tables[group];
            BlockTable table = child.Blocks.Tables[group];
            foreach (int block in from.Blocks[..shared])
            {
                if (block != 0)
                    Pool.Touch(block);
                table.Append(block);
            }

            table.Skip(Math.Min(shared, from.SkippedCount));
            if (partial)
            {
                int block = Pool.Take();
                table.Append(block);
                copies.Add(new BlockCopy(from.Blocks[shared], block));
            }
        }

        child.Blocks.RegisteredCount = Math.Min(shared, parent.Blocks.RegisteredCount);
        child.Blocks.Appended();
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

    /// <summary>Gives back what no token from the next one on reads. Results in flight may take computed tokens back, so only what is certain counts.</summary>
    private void FreeBehindWindows(RequestState request)
    {
        for (int group = 0; group < _windows.Length; group++)
        {
            if (_windows[group] is not { } window)
                continue;
            BlockTable table = request.Blocks.Tables[group];
            int behind = Math.Min(window.BlocksBehind(request.ComputedTokens - request.UnknownTokens, Geometry.BlockSize), table.Count);
            if (behind <= table.SkippedCount)
                continue;
            Pool.Free(table.Blocks[table.SkippedCount..behind]);
            table.Skip(behind);
        }
    }

    /// <summary>Blocks of one group for so many tokens; slots behind the last position that can ever be computed are not asked for.</summary>
    private int BlocksNeeded(int tokens) => Math.Min(Geometry.BlocksFor(Math.Min(tokens, _maxLength)), _longestTable);

    /// <summary>Blocks of a group that the present tokens of a request will need at a time.</summary>
    private int BlocksOfWhole(RequestState request, int group) =>
        _windows[group] is null ? BlocksNeeded(request.TokenCount) : Math.Min(BlocksNeeded(request.TokenCount), _mostBlocks[group]);

    private ReadOnlySpan<int> Hits(int group, int count) => count == 0 ? [] : _lookup!.Hits(group)[..count];

    private void Take(RequestState request, int blocks)
    {
        for (int i = 0; i < blocks; i++)
        {
            foreach (BlockTable table in request.Blocks.Tables)
                table.Append(Pool.Take());
        }

        request.Blocks.Appended();
    }
}
