using System;
using Quire.Core.Foundation;

namespace Quire.Core.KvCache;

/// <summary>
/// The blocks of one request in sequence order, and the chain of hashes of its full blocks as far as it was needed.
/// Token t lies in block t / blockSize at offset t % blockSize.
/// </summary>
internal sealed class BlockTable
{
    private int[] _blocks = [];
    private BlockHash[] _hashes = [];

    public int Count { get; private set; }

    /// <summary>Leading entries that are the null block, because no later token reads them.</summary>
    public int SkippedCount { get; private set; }

    /// <summary>Leading blocks that are registered in the prefix index (or were hits, and so are registered).</summary>
    public int RegisteredCount { get; set; }

    /// <summary>Hashes known so far. They depend on tokens only, so they survive preemption.</summary>
    public int HashCount { get; private set; }

    /// <summary>The start of the hash chain; set when the request is admitted.</summary>
    public BlockHash Start { get; set; }

    public ReadOnlySpan<int> Blocks => _blocks.AsSpan(0, Count);

    /// <summary>The blocks that the request holds: all but the skipped ones.</summary>
    public ReadOnlySpan<int> Held => _blocks.AsSpan(SkippedCount, Count - SkippedCount);

    public ref readonly BlockHash Hash(int i) => ref _hashes[i];

    /// <summary>Makes room, so that a running request does not allocate while it decodes.</summary>
    public void Reserve(int blocks, bool withHashes)
    {
        if (_blocks.Length < blocks)
            Array.Resize(ref _blocks, blocks);
        if (withHashes && _hashes.Length < blocks)
            Array.Resize(ref _hashes, blocks);
    }

    public void Append(int block)
    {
        if (Count == _blocks.Length)
            Array.Resize(ref _blocks, Math.Max(4, Count * 2));
        _blocks[Count++] = block;
    }

    /// <summary>Makes the first <paramref name="count"/> entries the null block; the pool must have been told.</summary>
    public void Skip(int count)
    {
        Invariant.Check(count >= SkippedCount && count <= Count, "blocks are skipped from the front, within the table");
        _blocks.AsSpan(0, count).Clear();
        SkippedCount = count;
    }

    /// <summary>Extends the hash chain to at least <paramref name="count"/> full blocks.</summary>
    public void ExtendHashes(int count, BlockHasher hasher, ReadOnlySpan<int> tokens, int blockSize)
    {
        if (count > _hashes.Length)
            Array.Resize(ref _hashes, Math.Max(count, Math.Max(4, _hashes.Length * 2)));
        while (HashCount < count)
        {
            BlockHash parent = HashCount == 0 ? Start : _hashes[HashCount - 1];
            _hashes[HashCount] = hasher.Next(parent, tokens.Slice(HashCount * blockSize, blockSize));
            HashCount++;
        }
    }

    /// <summary>Takes over the hash chain of a request with the same tokens.</summary>
    public void CopyHashesFrom(BlockTable other)
    {
        Invariant.Check(HashCount == 0, "a hash chain is copied only into a new request");
        _hashes = other._hashes.AsSpan(0, other.HashCount).ToArray();
        HashCount = other.HashCount;
        Start = other.Start;
    }

    /// <summary>Forgets the blocks; the pool must have been told.</summary>
    public void Clear()
    {
        Count = 0;
        SkippedCount = 0;
        RegisteredCount = 0;
    }

    /// <summary>Gives the memory back when the request has finished.</summary>
    public void Release()
    {
        Clear();
        HashCount = 0;
        _blocks = [];
        _hashes = [];
    }
}
