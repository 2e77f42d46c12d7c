using System;
using System.Numerics;
using Quire.Core.Foundation;

namespace Quire.Core.KvCache;

/// <summary>
/// From the hash of a full block to the blocks that hold it. Two requests that compute the same tokens at the same time give two blocks
/// of one hash; the index keeps both, and <see cref="Find"/> names the one that was registered first.
/// <para>
/// Buckets hold one representative per hash (singly linked); the other blocks of that hash form a ring with it, in order of registration.
/// All arrays have one entry per block, so nothing is allocated after construction.
/// </para>
/// </summary>
internal sealed class PrefixIndex
{
    private const int None = -1;
    private readonly int[] _buckets;
    private readonly uint _mask;
    private readonly int[] _nextInBucket;
    private readonly int[] _ringNext;
    private readonly int[] _ringPrevious;
    private readonly BlockHash[] _hashes;
    private readonly bool[] _registered;

    public PrefixIndex(int blockCount)
    {
        uint size = BitOperations.RoundUpToPowerOf2((uint)Math.Max(16, blockCount));
        _buckets = new int[size];
        Array.Fill(_buckets, None);
        _mask = size - 1;
        _nextInBucket = new int[blockCount];
        _ringNext = new int[blockCount];
        _ringPrevious = new int[blockCount];
        _hashes = new BlockHash[blockCount];
        _registered = new bool[blockCount];
    }

    /// <summary>Registered blocks.</summary>
    public int Count { get; private set; }

    public bool IsRegistered(int block) => _registered[block];

    public BlockHash HashOf(int block) => _hashes[block];

    /// <summary>The first registered block of this hash, or false. Changes nothing.</summary>
    public bool Find(in BlockHash hash, out int block)
    {
        block = _buckets[hash.Bucket & _mask];
        while (block != None)
        {
            if (_hashes[block] == hash)
                return true;
            block = _nextInBucket[block];
        }

        return false;
    }

    public void Insert(in BlockHash hash, int block)
    {
        Invariant.Check(!_registered[block], "a block has one hash at a time");
        _registered[block] = true;
        _hashes[block] = hash;
        Count++;
        if (Find(hash, out int first))
        {
            int last = _ringPrevious[first];
            Link(last, block);
            Link(block, first);
            return;
        }

        ref int bucket = ref _buckets[hash.Bucket & _mask];
        _nextInBucket[block] = bucket;
        bucket = block;
        Link(block, block);
    }

    public void Evict(int block)
    {
        Invariant.Check(_registered[block], "only a registered block can be evicted");
        _registered[block] = false;
        Count--;
        int heir = _ringNext[block] == block ? None : _ringNext[block];
        if (heir != None)
            Link(_ringPrevious[block], heir);

        // Only the representative of a hash stands in a bucket.
        ref int at = ref _buckets[_hashes[block].Bucket & _mask];
        while (at != None && at != block)
            at = ref _nextInBucket[at];
        if (at == None)
            return;
        if (heir == None)
        {
            at = _nextInBucket[block];
        }
        else
        {
            _nextInBucket[heir] = _nextInBucket[block];
            at = heir;
        }
    }

    private void Link(int before, int after)
    {
        _ringNext[before] = after;
        _ringPrevious[after] = before;
    }
}
