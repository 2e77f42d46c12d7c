using System;
using System.Collections.Generic;
using System.Linq;
using CsCheck;
using Quire.Core.KvCache;
using Quire.Core.Requests;
using Quire.Core.Scheduling;

namespace Quire.Core.Tests.Scheduling;

public class KvCacheGroupTests
{
    /// <summary>As Gemma 3: five groups that slide to one that sees everything.</summary>
    private static readonly KvCacheGroups Gemma = new([1024, 1024, 1024, 1024, 1024, null]);

    [Fact]
    public void A_request_of_eight_windows_holds_837_blocks_instead_of_3072()
    {
        SchedulerOptions options = World.Options(blocks: 6 * 512 + 6, blockSize: 16, budget: 512, maxLength: 8200);
        int grouped = HeldAtTheEnd(options with { KvCacheGroups = Gemma });
        int ungrouped = HeldAtTheEnd(options with { KvCacheGroups = new KvCacheGroups([null, null, null, null, null, null]) });

        // 8,192 tokens are 512 blocks a group; a window of 1,024 tokens is 64 and one, since it does not begin at a border.
        Assert.Equal(6 * 512, ungrouped);
        Assert.Equal(512 + 5 * 65, grouped);
    }

    [Fact]
    public void Requests_fit_that_would_not_if_every_layer_kept_everything()
    {
        SchedulerOptions options = World.Options(blocks: 1 + 40 + 2 * 10, blockSize: 4, budget: 16, maxLength: 160) with
        {
            KvCacheGroups = new KvCacheGroups([12, null, 12]),
        };
        var world = new World(options);
        Assert.Equal(160, world.Scheduler.MaxSequenceLength);
        Assert.Equal(80, new World(options with { KvCacheGroups = new KvCacheGroups([null, null, null]) }).Scheduler.MaxSequenceLength - 1);
        world.Admit(1, prompt: 100, maxTokens: 60);
        world.Admit(2, prompt: 120, maxTokens: 40);
        world.RunToEnd();
        Assert.Equal(world.ExpectedOutput(world[1].Spec, 160), world.Output(1));
        Assert.Equal(world.ExpectedOutput(world[2].Spec, 160), world.Output(2));
    }

    [Fact]
    public void A_hit_needs_all_blocks_of_full_groups_and_the_last_window_of_the_others()
    {
        // 25 tokens are 6 full blocks; the window of 6 needs the last two of them.
        var world = new World(World.Options(blocks: 30, blockSize: 4, budget: 64) with { KvCacheGroups = new KvCacheGroups([6, null]) });
        int[] prompt = World.Prompt(1, 25);
        Assert.Equal(0, Cached(world, 1, prompt));
        Assert.Equal(24, Cached(world, 2, prompt));

        // A prompt that leaves the other one after three blocks shares these three, and its window is there too.
        Assert.Equal(12, Cached(world, 3, [.. prompt[..13], .. World.Prompt(60, 12)]));
    }

    [Fact]
    public void Blocks_that_are_evicted_are_the_end_of_a_sequence_in_all_groups()
    {
        var world = new World(World.Options(blocks: 1 + 3 * 6, blockSize: 4, budget: 64) with { KvCacheGroups = new KvCacheGroups([null, 40, null]) });
        int[] prompt = World.Prompt(1, 24);
        Cached(world, 1, prompt);

        // Two blocks a group are taken from the six that are cached: four are left, not four of one group and none of another.
        Cached(world, 2, World.Prompt(50, 7));
        Assert.Equal(16, Cached(world, 3, prompt));
    }

    [Fact]
    public void A_fork_copies_one_block_a_group()
    {
        var world = new World(World.Options(blockSize: 4) with { KvCacheGroups = new KvCacheGroups([4, null, 9]) });
        world.Admit(1, prompt: 10, maxTokens: 20);
        world.Step();
        Assert.True(world.Scheduler.TryFork(new RequestId(1), world[1].Spec with { Id = new RequestId(2) }));
        world.Track(2);

        // Three blocks in each of three groups, and the last one of each twice.
        Assert.Equal(3 * 3 + 3, world.Scheduler.Geometry.UsableBlocks - world.Scheduler.FreeBlocks);
        world.Step();
        Assert.Equal(3, world.Trace[^1].Split("copy").Length - 1);
        world.RunToEnd();
        Assert.Equal(world.Output(1), world.Output(2));
        Assert.Equal(world.ExpectedOutput(world[1].Spec, 512), world.Output(1));
    }

    [Fact]
    public void A_fork_without_room_for_all_its_copies_changes_nothing()
    {
        var world = new World(World.Options(blocks: 1 + 3 * 3 + 2, blockSize: 4) with { KvCacheGroups = new KvCacheGroups([40, null, 90]) });
        world.Admit(1, prompt: 10, maxTokens: 2);
        world.Step();
        Assert.False(world.Scheduler.TryFork(new RequestId(1), world[1].Spec with { Id = new RequestId(2) }));
        Assert.Equal(2, world.Scheduler.FreeBlocks);
        world.Scheduler.Audit();
    }

    [Fact]
    public void The_longest_request_fits_and_a_longer_one_does_not() =>
        Gen.Select(Gen.Int[1, 40].Nullable().Array[1, 8], Gen.Int[1, 16], Gen.Int[2, 200], Gen.Int[1, 300], Gen.Int[1, 30]).Sample(
            (windows, blockSize, blocks, most, step) =>
            {
                var groups = new KvCacheGroups(windows);
                var geometry = new KvGeometry(blockSize, blocks);
                int longest = groups.LongestFit(geometry, most, step);
                Assert.InRange(longest, 0, most);
                Assert.True(longest == 0 || groups.MostBlocks(geometry, longest, step) <= geometry.UsableBlocks);
                Assert.True(longest == most || groups.MostBlocks(geometry, longest + 1, step) > geometry.UsableBlocks);
            }, iter: 2000);

    /// <summary>The lookup against its definition, over every set of cached blocks.</summary>
    [Fact]
    public void A_cached_prefix_is_the_longest_that_the_definition_allows() =>
        Gen.Select(Gen.Int[1, 14].Nullable().Array[1, 4], Gen.Int[1, 4], Gen.Bool.Array[60], Gen.Int[1, 50]).Sample(
            (windows, blockSize, cached, tokens) =>
            {
                var index = new PrefixIndex(64);
                var hasher = new BlockHasher(blockSize, []);
                SlidingWindow?[] slides = [.. windows.Select(window => window is { } w ? new SlidingWindow(w) : (SlidingWindow?)null)];
                var request = new RequestState(
                    new RequestSpec { Id = new RequestId(1), PromptTokenIds = World.Prompt(3, tokens), MaxTokens = 1 }, 0, null, windows.Length);
                request.Blocks.Hashes.Start = hasher.Start(null, null);
                int limit = (tokens - 1) / blockSize;
                request.Blocks.Hashes.Extend(limit, hasher, request.Tokens, blockSize);
                int[][] block = [.. windows.Select(_ => new int[limit])];
                for (int i = 0, free = 1; i < limit * windows.Length && free < 60; i++)
                {
                    if (!cached[i % 60])
                        continue;
                    block[i / limit][i % limit] = free;
                    index.Insert(request.Blocks.Hashes[i % limit], i / limit, free++);
                }

                int expected = Enumerable.Range(0, limit + 1).Last(length => Enumerable.Range(0, windows.Length).All(group =>
                    block[group].AsSpan(First(slides[group], length, blockSize), length - First(slides[group], length, blockSize)).IndexOf(0) < 0));
                var lookup = new PrefixLookup(index, hasher, blockSize, slides);
                Assert.Equal(expected, lookup.Find(request));
                for (int group = 0; group < windows.Length; group++)
                {
                    int first = First(slides[group], expected, blockSize);
                    Assert.All(lookup.Hits(group)[..first].ToArray(), hit => Assert.Equal(0, hit));
                    Assert.Equal(block[group][first..expected], lookup.Hits(group)[first..expected].ToArray());
                }
            }, iter: 3000);

    /// <summary>Requests of any shape over groups of any kind: the audit runs after each step, and all get the tokens that they would get alone.</summary>
    [Fact]
    public void Nothing_leaks_and_nobody_reads_what_is_not_theirs() =>
        Gen.Select(
            Gen.Int[1, 24].Nullable().Array[2, 7], Gen.Int[1, 6], Gen.Int[2, 20], Gen.Int[8, 60], Gen.Bool, Gen.Bool,
            Gen.Select(Gen.Int[0, 3], Gen.Int[1, 50], Gen.Int[1, 30]).Array[1, 8]).Sample(
            (windows, blockSize, budget, perGroup, caching, ahead, requests) =>
            {
                SchedulerOptions options = World.Options(
                    blocks: 1 + windows.Length * (1 + (perGroup / blockSize)), blockSize, Math.Max(budget, 4), seqs: 4, maxLength: 90, caching) with
                {
                    KvCacheGroups = new KvCacheGroups(windows),
                };
                var world = new World(options, ahead);
                int length = world.Scheduler.MaxSequenceLength;
                var specs = new List<RequestSpec>();
                foreach ((int text, int prompt, int output) in requests)
                {
                    var spec = new RequestSpec { Id = new RequestId(specs.Count), PromptTokenIds = World.Prompt(text, prompt), MaxTokens = output };
                    if (prompt >= length)
                    {
                        Assert.NotNull(world.Scheduler.Admit(spec));
                        continue;
                    }

                    world.Admit(spec);
                    specs.Add(spec);
                    world.Step();
                }

                world.RunToEnd(mostSteps: 5000);
                Assert.All(specs, spec => Assert.Equal(world.ExpectedOutput(spec, length), world.Output(spec.Id.Value)));
                Assert.Equal(world.Scheduler.Geometry.UsableBlocks, world.Scheduler.FreeBlocks);
            }, iter: 300);

    [Fact]
    public void A_window_of_no_tokens_in_any_group_is_refused() =>
        Assert.Equal("sliding_window", (World.Options() with { KvCacheGroups = new KvCacheGroups([4, 0]) }).Validate()!.Field);

    [Fact]
    public void A_steady_step_over_groups_allocates_nothing()
    {
        var scheduler = new Scheduler(World.Options(blocks: 2000, blockSize: 16, budget: 64, maxLength: 4000, caching: false) with
        {
            KvCacheGroups = new KvCacheGroups([100, null, 50]),
        });
        Assert.Null(scheduler.Admit(new RequestSpec { Id = new RequestId(1), PromptTokenIds = World.Prompt(1, 40), MaxTokens = 3000 }));
        int[] token = [5];
        int[] count = [1];
        for (int step = 0; step < 300; step++)
            scheduler.Commit(scheduler.Plan()!, new SampledTokens(token, count));
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int step = 0; step < 300; step++)
            scheduler.Commit(scheduler.Plan()!, new SampledTokens(token, count));
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    private static int First(SlidingWindow? window, int length, int blockSize) =>
        window is { } slides ? Math.Max(0, length - Math.Max(1, slides.BlocksForHit(blockSize))) : 0;

    /// <summary>Blocks that a request of 8,000 tokens of prompt and 192 of output holds in its last step.</summary>
    private static int HeldAtTheEnd(SchedulerOptions options)
    {
        var world = new World(options, audit: false);
        world.Admit(1, prompt: 8000, maxTokens: 193);
        int held = 0;
        while (!world.IsIdle)
        {
            world.Step();
            held = world.IsIdle ? held : world.Scheduler.Geometry.UsableBlocks - world.Scheduler.FreeBlocks;
        }

        Assert.Equal(193, world.Output(1).Length);
        return held;
    }

    private static int? Cached(World world, long id, int[] prompt)
    {
        world.Admit(new RequestSpec { Id = new RequestId(id), PromptTokenIds = prompt, MaxTokens = 1 });
        world.RunToEnd();
        return world[id].CachedTokens;
    }
}
