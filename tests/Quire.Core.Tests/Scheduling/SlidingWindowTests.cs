using System;
using Quire.Core.KvCache;
using Quire.Core.Requests;

namespace Quire.Core.Tests.Scheduling;

public class SlidingWindowTests
{
    [Fact]
    public void Blocks_behind_the_window_are_given_back_while_the_request_runs()
    {
        var world = new World(World.Options(blocks: 100, blockSize: 4, budget: 8, caching: false) with { KvCacheGroups = KvCacheGroups.Of(6) });
        world.Admit(1, prompt: 30, maxTokens: 20);
        int fewestFree = int.MaxValue;
        while (!world.IsIdle)
        {
            world.Step();
            fewestFree = Math.Min(fewestFree, world.Scheduler.FreeBlocks);
        }

        // 5 tokens behind, 8 of the step: never more than 5 blocks, although 49 tokens have 13.
        Assert.InRange(fewestFree, 99 - 5, 99 - 3);
        Assert.Equal(99, world.Scheduler.FreeBlocks);
        Assert.Equal(world.ExpectedOutput(world[1].Spec, 512), world.Output(1));
    }

    [Fact]
    public void The_table_keeps_its_length_with_null_blocks_in_front()
    {
        var world = new World(World.Options(blocks: 100, blockSize: 4, budget: 8) with { KvCacheGroups = KvCacheGroups.Of(6) });
        world.Admit(1, prompt: 24, maxTokens: 20);
        for (int step = 0; step < 4; step++)
            world.Step();

        // 25 tokens, of which 24 are computed before the last step: positions up to 18 are not read any more.
        Assert.Equal([0, 0, 0, 0], world[1].BlockTable(0)[..4].ToArray());
        Assert.Equal(7, world[1].BlockTable(0).Length);
        Assert.DoesNotContain(0, world[1].BlockTable(0)[4..].ToArray());
    }

    [Fact]
    public void A_sequence_may_be_longer_than_the_whole_cache()
    {
        var world = new World(World.Options(blocks: 6, blockSize: 4, budget: 8, maxLength: 400) with { KvCacheGroups = KvCacheGroups.Of(6) });
        Assert.Equal(400, world.Scheduler.MaxSequenceLength);
        world.Admit(1, prompt: 150, maxTokens: 100);
        world.Admit(2, prompt: 90, maxTokens: 100);
        world.RunToEnd();
        Assert.Equal(world.ExpectedOutput(world[1].Spec, 400), world.Output(1));
        Assert.Equal(world.ExpectedOutput(world[2].Spec, 400), world.Output(2));
    }

    [Fact]
    public void A_hit_needs_only_the_cached_blocks_of_the_window()
    {
        // 9 usable blocks: the third request takes the oldest ones, which are the beginning of the first.
        var world = new World(World.Options(blocks: 10, blockSize: 4, budget: 64) with { KvCacheGroups = KvCacheGroups.Of(6) });
        int[] prompt = World.Prompt(1, 25);
        Assert.Equal(0, Cached(world, 1, prompt));
        Assert.Equal(24, Cached(world, 2, prompt));
        Assert.Equal(0, Cached(world, 3, World.Prompt(50, 20)));
        Assert.Equal(24, Cached(world, 4, prompt));
        Assert.Equal(world.ExpectedOutput(world[4].Spec, 512), world.Output(4));
    }

    [Fact]
    public void A_run_that_is_shorter_than_the_window_counts_only_at_the_start()
    {
        var world = new World(World.Options(blockSize: 4) with { KvCacheGroups = KvCacheGroups.Of(40) });
        Cached(world, 1, World.Prompt(1, 9));
        Assert.Equal(8, Cached(world, 2, World.Prompt(1, 30)));
        Assert.Equal(28, Cached(world, 3, World.Prompt(1, 31)));
    }

    [Fact]
    public void A_window_of_no_tokens_is_refused() =>
        Assert.Equal("sliding_window", (World.Options() with { KvCacheGroups = KvCacheGroups.Of(0) }).Validate()!.Field);

    private static int? Cached(World world, long id, int[] prompt)
    {
        world.Admit(new RequestSpec { Id = new RequestId(id), PromptTokenIds = prompt, MaxTokens = 1 });
        world.RunToEnd();
        return world[id].CachedTokens;
    }
}
