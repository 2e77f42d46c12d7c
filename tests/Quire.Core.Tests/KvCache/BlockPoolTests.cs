using System.Collections.Generic;
using Quire.Core.Foundation;
using Quire.Core.KvCache;

namespace Quire.Core.Tests.KvCache;

public class BlockPoolTests
{
    [Fact]
    public void The_null_block_is_never_handed_out()
    {
        var pool = new BlockPool(new KvGeometry(4, 5), null);
        Assert.Equal([1, 2, 3, 4], pool.FreeQueue());
        for (int i = 0; i < 4; i++)
            Assert.Equal(i + 1, pool.Take());
        Assert.Equal(0, pool.FreeCount);
        Assert.Throws<InvariantException>(() => pool.Take());
    }

    [Fact]
    public void A_freed_block_without_hash_is_reused_first_and_one_with_hash_last()
    {
        // Five blocks of four tokens; a request of six tokens takes 1 and 2, block 1 is full and hashed.
        var index = new PrefixIndex(5);
        var pool = new BlockPool(new KvGeometry(4, 5), index);
        int first = pool.Take();
        int second = pool.Take();
        index.Insert(new BlockHash(1, 0, 0, 0), 0, first);
        pool.Free([first, second]);
        Assert.Equal([2, 3, 4, 1], pool.FreeQueue());
    }

    [Fact]
    public void The_end_of_a_sequence_is_evicted_before_its_start()
    {
        var index = new PrefixIndex(5);
        var pool = new BlockPool(new KvGeometry(4, 5), index);
        int[] blocks = [pool.Take(), pool.Take(), pool.Take()];
        for (int i = 0; i < 3; i++)
            index.Insert(new BlockHash((ulong)i, 0, 0, 0), 0, blocks[i]);
        pool.Free(blocks);
        Assert.Equal([4, 3, 2, 1], pool.FreeQueue());
        pool.Take();
        Assert.Equal(3, pool.Take());
        Assert.False(index.Find(new BlockHash(2, 0, 0, 0), 0, out _));
        Assert.True(index.Find(new BlockHash(0, 0, 0, 0), 0, out _));
    }

    [Fact]
    public void A_touched_block_leaves_the_queue_until_its_last_holder_frees_it()
    {
        var pool = new BlockPool(new KvGeometry(4, 4), null);
        int block = pool.Take();
        pool.Touch(block);
        pool.Free([block]);
        Assert.Equal([2, 3], pool.FreeQueue());
        pool.Free([block]);
        Assert.Equal([1, 2, 3], pool.FreeQueue());
        pool.Touch(2);
        Assert.Equal([1, 3], pool.FreeQueue());
        Assert.Equal(1, pool.References(2));
    }

    [Fact]
    public void Freeing_twice_is_noticed()
    {
        var pool = new BlockPool(new KvGeometry(4, 4), null);
        int block = pool.Take();
        pool.Free([block]);
        Assert.Throws<InvariantException>(() => pool.Free([block]));
    }
}

public class PrefixIndexTests
{
    private static BlockHash Hash(ulong value) => new(value, value + 1, 0, 0);

    [Fact]
    public void Of_two_blocks_with_one_hash_the_first_registered_is_found()
    {
        var index = new PrefixIndex(10);
        index.Insert(Hash(5), 0, 7);
        index.Insert(Hash(5), 0, 3);
        index.Insert(Hash(5), 0, 9);
        AssertFinds(index, 5, 7);
        index.Evict(3);
        AssertFinds(index, 5, 7);
        index.Evict(7);
        AssertFinds(index, 5, 9);
        index.Evict(9);
        Assert.False(index.Find(Hash(5), 0, out _));
        Assert.Equal(0, index.Count);
    }

    [Fact]
    public void A_block_has_one_hash_at_a_time()
    {
        var index = new PrefixIndex(10);
        index.Insert(Hash(1), 0, 4);
        Assert.Throws<InvariantException>(() => index.Insert(Hash(2), 0, 4));
        index.Evict(4);
        Assert.Throws<InvariantException>(() => index.Evict(4));
        index.Insert(Hash(2), 0, 4);
        AssertFinds(index, 2, 4);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void It_behaves_like_a_dictionary_of_lists(ulong seed)
    {
        const int Blocks = 200;
        var index = new PrefixIndex(Blocks);
        var model = new SortedDictionary<ulong, List<int>>();
        var hashOf = new SortedDictionary<int, ulong>();
        for (ulong i = 0; i < 5000; i++)
        {
            Philox.Block draw = Philox.Generate(seed, 0, i);
            int block = (int)(draw.X0 % Blocks);

            // Few buckets, so that chains are long: hashes differ by multiples of the bucket count.
            ulong hash = (draw.X1 % 40) << 8;
            if (hashOf.Remove(block, out ulong old))
            {
                index.Evict(block);
                model[old].Remove(block);
            }
            else
            {
                index.Insert(Hash(hash), 0, block);
                if (!model.TryGetValue(hash, out List<int>? blocks))
                    model[hash] = blocks = [];
                blocks.Add(block);
                hashOf[block] = hash;
            }

            Assert.Equal(hashOf.Count, index.Count);
            foreach ((ulong known, List<int> blocks) in model)
            {
                Assert.True(index.Find(Hash(known), 0, out int found) == blocks.Count > 0, $"seed {seed}, change {i}");
                if (blocks.Count > 0)
                    Assert.Equal(blocks[0], found);
            }
        }
    }

    private static void AssertFinds(PrefixIndex index, ulong hash, int block)
    {
        Assert.True(index.Find(Hash(hash), 0, out int found));
        Assert.Equal(block, found);
    }
}
