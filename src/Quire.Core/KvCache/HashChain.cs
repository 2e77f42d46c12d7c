using System;
using Quire.Core.Foundation;

namespace Quire.Core.KvCache;

/// <summary>
/// The hashes of the full blocks of one request, as far as they were needed. They depend on its tokens only, so all groups of layers share them, and
/// they survive preemption.
/// </summary>
internal sealed class HashChain
{
    private BlockHash[] _hashes = [];

    /// <summary>Hashes known so far.</summary>
    public int Count { get; private set; }

    /// <summary>The start of the chain; set when the request is admitted.</summary>
    public BlockHash Start { get; set; }

    public ref readonly BlockHash this[int i] => ref _hashes[i];

    /// <summary>Makes room, so that a running request does not allocate while it decodes.</summary>
    public void Reserve(int blocks)
    {
        if (_hashes.Length < blocks)
            Array.Resize(ref _hashes, blocks);
    }

    /// <summary>Extends the chain to at least <paramref name="count"/> full blocks.</summary>
    public void Extend(int count, BlockHasher hasher, ReadOnlySpan<int> tokens, int blockSize)
    {
        if (count > _hashes.Length)
            Array.Resize(ref _hashes, Math.Max(count, Math.Max(4, _hashes.Length * 2)));
        while (Count < count)
        {
            BlockHash parent = Count == 0 ? Start : _hashes[Count - 1];
            _hashes[Count] = hasher.Next(parent, tokens.Slice(Count * blockSize, blockSize));
            Count++;
        }
    }

    /// <summary>Takes over the chain of a request with the same tokens.</summary>
    public void CopyFrom(HashChain other)
    {
        Invariant.Check(Count == 0, "a hash chain is copied only into a new request");
        _hashes = other._hashes.AsSpan(0, other.Count).ToArray();
        Count = other.Count;
        Start = other.Start;
    }

    /// <summary>Gives the memory back when the request has finished.</summary>
    public void Release()
    {
        Count = 0;
        _hashes = [];
    }
}
