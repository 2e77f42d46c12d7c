using System;
using Quire.Core.Foundation;

namespace Quire.Core.KvCache;

/// <summary>
/// The blocks of the cache: reference counts and the queue of free blocks. Every method is O(1) per block.
/// <para>
/// The queue is a doubly linked list through the blocks. Its head is reused first: blocks without a hash go to the head, blocks with a hash to the
/// tail, so what may still be hit lives longest and the least recently freed is evicted first. Block 0 is the null block: never handed out.
/// </para>
/// </summary>
internal sealed class BlockPool
{
    private readonly int[] _next;
    private readonly int[] _previous;
    private readonly int[] _references;
    private readonly PrefixIndex? _index;
    private readonly int _sentinel;

    /// <param name="geometry">How many blocks.</param>
    /// <param name="index">Where hashes are registered; null when nothing is shared.</param>
    public BlockPool(KvGeometry geometry, PrefixIndex? index)
    {
        Geometry = geometry;
        _index = index;
        _sentinel = geometry.BlockCount;
        _next = new int[geometry.BlockCount + 1];
        _previous = new int[geometry.BlockCount + 1];
        _references = new int[geometry.BlockCount];
        _references[0] = 1;
        _next[_sentinel] = _sentinel;
        _previous[_sentinel] = _sentinel;
        for (int block = 1; block < geometry.BlockCount; block++)
            InsertBetween(block, _previous[_sentinel], _sentinel);
    }

    public KvGeometry Geometry { get; }

    /// <summary>Blocks that nobody holds, cached or not.</summary>
    public int FreeCount { get; private set; }

    public int References(int block) => _references[block];

    /// <summary>Takes the block at the head of the queue; a hash that it carries is forgotten.</summary>
    public int Take()
    {
        Invariant.Check(FreeCount > 0, "a block was taken from an empty pool");
        int block = _next[_sentinel];
        Unlink(block);
        if (_index is not null && _index.IsRegistered(block))
            _index.Evict(block);
        _references[block] = 1;
        return block;
    }

    /// <summary>One more holder of a block; a free one leaves the queue.</summary>
    public void Touch(int block)
    {
        Invariant.Check(block > 0, "the null block has no holders");
        if (_references[block]++ == 0)
            Unlink(block);
    }

    /// <summary>
    /// One holder less for each block of a request, the last block of the sequence first, so that the end of a sequence is evicted before its start.
    /// </summary>
    /// <param name="blocks">In sequence order.</param>
    public void Free(ReadOnlySpan<int> blocks)
    {
        for (int i = blocks.Length - 1; i >= 0; i--)
            Free(blocks[i]);
    }

    /// <summary>One holder less.</summary>
    public void Free(int block)
    {
        Invariant.Check(block > 0 && _references[block] > 0, "a block was freed twice");
        if (--_references[block] != 0)
            return;
        if (_index is not null && _index.IsRegistered(block))
            InsertBetween(block, _previous[_sentinel], _sentinel);
        else
            InsertBetween(block, _sentinel, _next[_sentinel]);
    }

    /// <summary>The free blocks, head first; for audits and tests.</summary>
    public int[] FreeQueue()
    {
        int[] queue = new int[FreeCount];
        int block = _next[_sentinel];
        for (int i = 0; i < queue.Length; i++, block = _next[block])
            queue[i] = block;
        Invariant.Check(block == _sentinel, "the free queue is longer than its count");
        return queue;
    }

    private void InsertBetween(int block, int before, int after)
    {
        _next[before] = block;
        _previous[block] = before;
        _next[block] = after;
        _previous[after] = block;
        FreeCount++;
    }

    private void Unlink(int block)
    {
        _next[_previous[block]] = _next[block];
        _previous[_next[block]] = _previous[block];
        FreeCount--;
    }
}
