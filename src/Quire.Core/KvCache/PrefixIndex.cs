using System;
using System.Numerics;
using Quire.Core.Foundation;

namespace Quire.Core.KvCache;

/// <summary>
/// From the hash of a full block to the blocks that hold it. Two requests that compute the same tokens at the same time give two blocks
/// of one hash; the index keeps both, and <see cref="Find"/> names the one that was registered first.
/// <para>
/// With several groups of layers the key is hash and group: the same tokens give each group keys and values of its own.
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
    private readonly int[] _groups;
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
        _groups = new int[blockCount];
        _registered = new bool[blockCount];
    }

    /// <summary>Registered blocks.</summary>
    public int Count { get; private set; }

    public bool IsRegistered(int block) => _registered[block];

    public BlockHash HashOf(int block) => _hashes[block];

    /// <summary>The group of layers that a registered block belongs to.</summary>
    public int GroupOf(int block) => _groups[block];

    /// <summary>The first registered block of this hash in a group, or false. Changes nothing.</summary>
    public bool Find(in BlockHash hash, int group, out int block)
    {
        block = _buckets[Bucket(hash, group)];
        while (block != None)
        {
            if (_hashes[block] == hash && _groups[block] == group)
                return true;
            block = _nextInBucket[block];
        }

        return false;
    }

    public void Insert(in BlockHash hash, int group, int block)
    {
        Invariant.Check(!_registered[block], "a block has one hash at a time");
        _registered[block] = true;
        _hashes[block] = hash;
        _groups[block] = group;
        Count++;
        if (Find(hash, group, out int first))
        {
            int last = _ringPrevious[first];
            Link(last, block);
            Link(block, first);
            return;
        }

        ref int bucket = ref _buckets[Bucket(hash, group)];
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
        ref int at = ref _buckets[Bucket(_hashes[block], _groups[block])];
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

    private uint Bucket(in BlockHash hash, int group) => (hash.Bucket + (uint)group * 0x9E3779B9u) & _mask;

    private void Link(int before, int after)
    {
        _ringNext[before] = after;
        _ringPrevious[after] = before;
    }
}
