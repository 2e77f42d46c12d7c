using System;
using Quire.Core.Foundation;

namespace Quire.Core.KvCache;

/// <summary>
/// The blocks of one request in one group of layers, in sequence order. Token t lies in block t / blockSize at offset t % blockSize. The tables of all
/// groups of a request have the same length; they differ in what they have given back.
/// </summary>
internal sealed class BlockTable
{
    private int[] _blocks = [];

    public int Count { get; private set; }

    /// <summary>Leading entries that are the null block, because no later token reads them.</summary>
    public int SkippedCount { get; private set; }

    public ReadOnlySpan<int> Blocks => _blocks.AsSpan(0, Count);

    /// <summary>Makes room, so that a running request does not allocate while it decodes.</summary>
    public void Reserve(int blocks)
    {
        if (_blocks.Length < blocks)
            Array.Resize(ref _blocks, blocks);
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

    /// <summary>Forgets the blocks; the pool must have been told.</summary>
    public void Clear()
    {
        Count = 0;
        SkippedCount = 0;
    }

    /// <summary>Gives the memory back when the request has finished.</summary>
    public void Release()
    {
        Clear();
        _blocks = [];
    }
}
