using System;
using System.Collections.Generic;
using Quire.Core.KvCache;

namespace Quire.Core.Tests.KvCache;

public class BlockHasherTests
{
    private static readonly int[] Tokens = [1, 2, 3, 4];

    [Fact]
    public void The_same_inputs_give_the_same_hash_in_every_instance()
    {
        var one = new BlockHasher(4, "key"u8);
        var two = new BlockHasher(4, "key"u8);
        two.Next(two.Start("other", "other"), [9, 9, 9, 9]);
        Assert.Equal(one.Next(one.Start("a", "b"), Tokens), two.Next(two.Start("a", "b"), Tokens));
    }

    [Fact]
    public void Key_parent_adapter_salt_and_tokens_each_change_the_hash()
    {
        var hasher = new BlockHasher(4, "key"u8);
        var seen = new HashSet<BlockHash>();
        foreach ((string? lora, string? salt) in new (string?, string?)[]
            { (null, null), ("", null), (null, ""), ("a", null), (null, "a"), ("a", "b"), ("ab", ""), ("b", "a"), ("", "ab") })
        {
            Assert.True(seen.Add(hasher.Next(hasher.Start(lora, salt), Tokens)), $"{lora ?? "null"}, {salt ?? "null"}");
        }

        var otherKey = new BlockHasher(4, "yek"u8);
        Assert.True(seen.Add(otherKey.Next(otherKey.Start(null, null), Tokens)));
        BlockHash first = hasher.Next(hasher.Start(null, null), Tokens);
        Assert.True(seen.Add(hasher.Next(first, Tokens)));
        Assert.True(seen.Add(hasher.Next(first, [1, 2, 4, 3])));
    }

    [Fact]
    public void Hashing_a_block_allocates_nothing()
    {
        var hasher = new BlockHasher(4, []);
        BlockHash hash = hasher.Next(hasher.Start(null, null), Tokens);
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 100; i++)
            hash = hasher.Next(hash, Tokens);
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
        Assert.NotEqual(default, hash);
    }
}
