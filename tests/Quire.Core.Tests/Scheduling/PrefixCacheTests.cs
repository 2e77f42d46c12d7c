using System;
using System.Linq;
using Quire.Core.Requests;
using Quire.Core.Scheduling;

namespace Quire.Core.Tests.Scheduling;

public class PrefixCacheTests
{
    [Theory]
    [InlineData(32, 16)]
    [InlineData(33, 32)]
    [InlineData(16, 0)]
    [InlineData(17, 16)]
    [InlineData(15, 0)]
    public void The_second_request_finds_all_full_blocks_but_leaves_a_token_to_compute(int prompt, int cached)
    {
        var world = new World(World.Options(blockSize: 16));
        Assert.Equal(0, CachedOf(world, 1, World.Prompt(0, prompt)));
        Assert.Equal(cached, CachedOf(world, 2, World.Prompt(0, prompt)));
    }

    [Fact]
    public void Other_salts_and_adapters_share_nothing()
    {
        var world = new World(World.Options(blockSize: 4));
        int[] prompt = World.Prompt(0, 13);
        Assert.Equal(0, CachedOf(world, 1, prompt));
        Assert.Equal(0, CachedOf(world, 2, prompt, salt: "a"));
        Assert.Equal(0, CachedOf(world, 3, prompt, salt: "b"));
        Assert.Equal(0, CachedOf(world, 4, prompt, lora: "a"));
        Assert.Equal(0, CachedOf(world, 5, prompt, lora: "a", salt: "a"));
        Assert.Equal(12, CachedOf(world, 6, prompt));
        Assert.Equal(12, CachedOf(world, 7, prompt, salt: "a"));
        Assert.Equal(12, CachedOf(world, 8, prompt, lora: "a"));
        Assert.Equal(12, CachedOf(world, 9, prompt, lora: "a", salt: "a"));
    }

    [Fact]
    public void A_request_that_skips_reading_still_writes()
    {
        var world = new World(World.Options(blockSize: 4));
        var spec = new RequestSpec { Id = new RequestId(1), PromptTokenIds = World.Prompt(0, 9), MaxTokens = 1, SkipReadingPrefixCache = true };
        world.Admit(spec);
        world.RunToEnd();
        Assert.Equal(8, CachedOf(world, 2, spec.PromptTokenIds));
        world.Admit(spec with { Id = new RequestId(3) });
        world.RunToEnd();
        Assert.Equal(0, world[3].CachedTokens);
        Assert.Equal(new PrefixCounts(9, 8), world.Scheduler.Statistics.Prefix);
    }

    [Fact]
    public void Generated_blocks_are_found_by_the_next_turn_of_a_chat()
    {
        var world = new World(World.Options(blockSize: 4));
        world.Admit(1, prompt: 5, maxTokens: 8);
        world.RunToEnd();
        int[] next = [.. World.Prompt(1, 5), .. world.Output(1), 1, 2, 3];

        // Of 13 tokens the last was sampled and never computed, so three blocks are full.
        Assert.Equal(12, CachedOf(world, 2, next));
    }

    [Fact]
    public void A_later_request_of_the_same_step_shares_blocks_that_this_step_computes()
    {
        var world = new World(World.Options(blockSize: 4));
        foreach (long id in new long[] { 1, 2 })
            world.Admit(new RequestSpec { Id = new RequestId(id), PromptTokenIds = World.Prompt(0, 10), MaxTokens = 1 });
        world.RunToEnd();
        SchedulerTests.Expect(world, "step 1: 1 new 0+10* | 2 new 8+2*");
    }

    [Fact]
    public void Requests_that_compute_the_same_block_at_the_same_time_get_two_blocks()
    {
        var world = new World(World.Options(blocks: 20, blockSize: 4, budget: 4, seqs: 2) with { LongPrefillTokenThreshold = 2 });
        foreach (long id in new long[] { 1, 2 })
            world.Admit(new RequestSpec { Id = new RequestId(id), PromptTokenIds = World.Prompt(0, 6), MaxTokens = 2 });
        world.Step();
        world.Step();
        Assert.NotEqual(world[1].BlockTable(0)[0], world[2].BlockTable(0)[0]);
        world.RunToEnd();
        Assert.Equal(4, CachedOf(world, 3, World.Prompt(0, 6)));
    }

    [Fact]
    public void A_request_that_gave_way_finds_its_own_blocks_again()
    {
        var world = new World(World.Options(blocks: 7, blockSize: 2));
        world.Admit(1, prompt: 4, maxTokens: 5);
        world.Admit(2, prompt: 6, maxTokens: 3);
        world.RunToEnd();
        SchedulerTests.Expect(world, """
            step 1: 1 new 0+4* | 2 new 0+6*
            step 2: 1 run 4+1* | 2 preempted
            step 3: 1 run 5+1*
            step 4: 1 run 6+1*
            step 5: 1 run 7+1*
            step 6: 2 resumed 4+3*
            step 7: 2 run 7+1*
            """);
        Assert.Equal(0, world[2].CachedTokens);
        Assert.Equal(new PrefixCounts(10, 0), world.Scheduler.Statistics.Prefix);
        Assert.Equal(new PrefixCounts(7, 4), world.Scheduler.Statistics.ResumedPrefix);
    }

    [Fact]
    public void Old_prefixes_are_evicted_when_blocks_run_out()
    {
        var world = new World(World.Options(blocks: 6, blockSize: 4));
        int[] first = World.Prompt(1, 9);
        CachedOf(world, 1, first);
        CachedOf(world, 2, World.Prompt(2, 9));
        Assert.Equal(8, CachedOf(world, 3, first));
        CachedOf(world, 4, World.Prompt(4, 17));
        Assert.Equal(0, CachedOf(world, 5, first));
    }

    [Fact]
    public void Resetting_waits_for_the_running_requests_or_takes_their_blocks()
    {
        var world = new World(World.Options(blockSize: 4));
        CachedOf(world, 1, World.Prompt(0, 9));
        world.Admit(new RequestSpec { Id = new RequestId(2), PromptTokenIds = World.Prompt(0, 9), MaxTokens = 5 });
        world.Admit(new RequestSpec { Id = new RequestId(3), PromptTokenIds = World.Prompt(0, 9), MaxTokens = 5 });
        world.Step();
        Assert.False(world.Scheduler.ResetPrefixCache());
        Assert.Equal(8, CachedOf(world, 4, World.Prompt(0, 9), toEnd: false));
        Assert.True(world.Scheduler.ResetPrefixCache(resetRunning: true));
        world.Step();
        Assert.Contains("2 resumed 0+", world.Trace[^1], StringComparison.Ordinal);
        Assert.True(world.Trace[^1].IndexOf("2 resumed", StringComparison.Ordinal) < world.Trace[^1].IndexOf("3 resumed", StringComparison.Ordinal));
        world.RunToEnd();
        Assert.Equal(world.Output(2), world.Output(3));
        Assert.True(world.Scheduler.ResetPrefixCache());
        Assert.Equal(0, CachedOf(world, 5, World.Prompt(0, 9)));
    }

    [Fact]
    public void Looking_a_prefix_up_changes_nothing()
    {
        // The head does not fit, so it is looked up in every step; the plans must be those of a world in which it never came.
        SchedulerOptions options = World.Options(blocks: 10, blockSize: 2);
        var with = new World(options);
        var without = new World(options);
        foreach (World world in new[] { with, without })
        {
            CachedOf(world, 1, World.Prompt(0, 5));
            world.Admit(2, prompt: 10, maxTokens: 6);
            world.Step();
        }

        with.Admit(new RequestSpec { Id = new RequestId(3), PromptTokenIds = [.. World.Prompt(0, 5), .. World.Prompt(9, 9)], MaxTokens = 1 });
        for (int i = 0; i < 5; i++)
        {
            with.Step();
            without.Step();
        }

        Assert.Equal(without.Fingerprints, with.Fingerprints.Take(without.Fingerprints.Count));
        Assert.Equal(without.Scheduler.FreeBlocks, with.Scheduler.FreeBlocks);
    }

    [Fact]
    public void A_fork_shares_full_blocks_and_copies_the_one_that_both_write_to()
    {
        var world = new World(World.Options(blockSize: 4));
        world.Admit(1, prompt: 6, maxTokens: 6);
        world.Step();
        RequestSpec child = world[1].Spec with { Id = new RequestId(2), MaxTokens = 4 };
        int free = world.Scheduler.FreeBlocks;
        Assert.True(world.Scheduler.TryFork(new RequestId(1), child));
        world.Track(2);
        Assert.Equal(free - 1, world.Scheduler.FreeBlocks);
        Assert.Equal(world[1].BlockTable(0)[0], world[2].BlockTable(0)[0]);
        Assert.NotEqual(world[1].BlockTable(0)[1], world[2].BlockTable(0)[1]);
        world.Step();
        Assert.Equal("step 2: 1 run 6+1* | 2 new 6+1* | copy 2 to 3", world.Trace[^1]);
        world.RunToEnd();
        Assert.Equal(world.ExpectedOutput(child, 512), world.Output(2));
        Assert.Equal(world.Output(1)[..4], world.Output(2));
        Assert.Equal(world.Scheduler.Geometry.UsableBlocks, world.Scheduler.FreeBlocks);
    }

    [Fact]
    public void A_fork_at_a_block_border_copies_nothing()
    {
        var world = new World(World.Options(blockSize: 4));
        world.Admit(1, prompt: 8, maxTokens: 6);
        world.Step();
        int free = world.Scheduler.FreeBlocks;
        Assert.True(world.Scheduler.TryFork(new RequestId(1), world[1].Spec with { Id = new RequestId(2) }));
        world.Track(2);
        Assert.Equal(free, world.Scheduler.FreeBlocks);
        world.RunToEnd();
        Assert.Equal(world.Output(1), world.Output(2));
    }

    [Fact]
    public void A_fork_needs_a_running_parent_without_results_in_flight()
    {
        var world = new World(World.Options());
        world.Admit(1, prompt: 6, maxTokens: 6);
        RequestSpec child = world[1].Spec with { Id = new RequestId(2) };
        Assert.False(world.Scheduler.TryFork(new RequestId(1), child));
        Assert.False(world.Scheduler.TryFork(new RequestId(9), child));
        StepPlan plan = world.Scheduler.Plan()!;
        Assert.False(world.Scheduler.TryFork(new RequestId(1), child));
        world.Scheduler.Commit(plan, new SampledTokens([5], [1]));
        Assert.Throws<ArgumentException>(() => world.Scheduler.TryFork(new RequestId(1), child with { LoraName = "x" }));
        Assert.Throws<ArgumentException>(() => world.Scheduler.TryFork(new RequestId(1), child with { Id = new RequestId(1) }));
        Assert.True(world.Scheduler.TryFork(new RequestId(1), child));
    }

    private static int? CachedOf(World world, long id, int[] prompt, string? salt = null, string? lora = null, bool toEnd = true)
    {
        world.Admit(new RequestSpec { Id = new RequestId(id), PromptTokenIds = prompt, MaxTokens = 1, CacheSalt = salt, LoraName = lora });
        world.Step();
        if (toEnd)
            world.RunToEnd();
        return world[id].CachedTokens;
    }
}
