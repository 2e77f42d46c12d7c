using System;
using System.Collections.Generic;
using System.Globalization;
using Quire.Core.KvCache;
using Quire.Core.Requests;
using Quire.Core.Scheduling;

namespace Quire.Core.Tests.Scheduling;

/// <summary>Not samples but all worlds of a small size: three requests, few lengths, four usable blocks, a budget of five tokens.</summary>
public class ExhaustiveTests
{
    private static readonly int[] Prompts = [1, 3, 4, 7];
    private static readonly int[] Outputs = [1, 5];

    public static TheoryData<SchedulingPolicy, bool, bool, bool> Kinds()
    {
        var kinds = new TheoryData<SchedulingPolicy, bool, bool, bool>();
        foreach (SchedulingPolicy policy in Enum.GetValues<SchedulingPolicy>())
        {
            foreach (bool caching in new[] { false, true })
            {
                foreach (bool ahead in new[] { false, true })
                {
                    foreach (bool reserve in new[] { false, true })
                        kinds.Add(policy, caching, ahead, reserve);
                }
            }
        }

        return kinds;
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Every_request_of_every_small_world_ends_with_its_own_tokens(SchedulingPolicy policy, bool caching, bool ahead, bool reserve)
    {
        SchedulerOptions options = World.Options(blocks: 5, blockSize: 2, budget: 5, seqs: 3, maxLength: 64, caching) with
        {
            Policy = policy,
            SchedulerReserveFullIsl = reserve,
        };
        int shapes = Prompts.Length * Outputs.Length;
        int preemptions = 0;
        for (int a = 0; a < shapes; a++)
        {
            for (int b = 0; b < shapes; b++)
            {
                for (int c = 0; c < shapes; c++)
                    preemptions += RunOne(options, ahead, [a, b, c], (a + b + c) % 3);
            }
        }

        Assert.True(preemptions > 100, $"{preemptions} preemptions");
    }

    /// <summary>The window lets sequences of twelve tokens live in a cache of eight.</summary>
    [Theory]
    [MemberData(nameof(Kinds))]
    public void Every_request_ends_with_its_own_tokens_when_blocks_leave_the_window(SchedulingPolicy policy, bool caching, bool ahead, bool reserve)
    {
        for (int window = 1; window <= 4; window++)
        {
            SchedulerOptions options = World.Options(blocks: 5, blockSize: 2, budget: 3, seqs: 3, maxLength: 12, caching) with
            {
                Policy = policy,
                SchedulerReserveFullIsl = reserve,
                KvCacheGroups = KvCacheGroups.Of(window),
            };
            Assert.Equal(window <= 3 ? 12 : 9, new Scheduler(options).MaxSequenceLength);
            int shapes = Prompts.Length * Outputs.Length;
            for (int a = 0; a < shapes; a++)
            {
                for (int b = 0; b < shapes; b++)
                    RunOne(options, ahead, [a, b, (a + b) % shapes], (a + b) % 3);
            }
        }
    }

    /// <summary>One group that sees everything and two that slide, in eleven blocks together.</summary>
    [Theory]
    [MemberData(nameof(Kinds))]
    public void Every_request_ends_with_its_own_tokens_when_groups_of_layers_keep_different_blocks(
        SchedulingPolicy policy, bool caching, bool ahead, bool reserve)
    {
        int preemptions = 0;
        for (int window = 1; window <= 3; window++)
        {
            SchedulerOptions options = World.Options(blocks: 12, blockSize: 2, budget: 3, seqs: 3, maxLength: 12, caching) with
            {
                Policy = policy,
                SchedulerReserveFullIsl = reserve,
                KvCacheGroups = new KvCacheGroups([window, null, 1]),
            };
            Assert.Equal(window == 1 ? 11 : 9, new Scheduler(options).MaxSequenceLength);
            int shapes = Prompts.Length * Outputs.Length;
            for (int a = 0; a < shapes; a++)
            {
                for (int b = 0; b < shapes; b++)
                    preemptions += RunOne(options, ahead, [a, b, (a + b) % shapes], (a + b) % 3);
            }
        }

        Assert.True(preemptions > 30, $"{preemptions} preemptions");
    }

    private static int RunOne(SchedulerOptions options, bool ahead, int[] shapes, int arrivals)
    {
        var world = new World(options, ahead);
        var specs = new List<RequestSpec>();
        for (int i = 0; i < shapes.Length; i++)
        {
            var spec = new RequestSpec
            {
                Id = new RequestId(i),

                // Same beginnings, so that the cache has something to share.
                PromptTokenIds = World.Prompt(0, Prompts[shapes[i] % Prompts.Length]),
                MaxTokens = Outputs[shapes[i] / Prompts.Length],
                Priority = (shapes[i] + i) % 2,
            };
            specs.Add(spec);
            world.Admit(spec);
            for (int step = 0; step < arrivals; step++)
                world.Step();
        }

        world.RunToEnd(mostSteps: 200);
        foreach (RequestSpec spec in specs)
        {
            string where = string.Create(CultureInfo.InvariantCulture, $"shapes {string.Join(",", shapes)}, arrivals {arrivals}, request {spec.Id}");
            Assert.True(world.ExpectedOutput(spec, world.Scheduler.MaxSequenceLength).AsSpan().SequenceEqual(world.Output(spec.Id.Value)), where);
            Assert.Equal(FinishReason.Length, world[spec.Id.Value].FinishReason);
        }

        Assert.Equal(world.Scheduler.Geometry.UsableBlocks, world.Scheduler.FreeBlocks);
        return (int)world.Scheduler.Statistics.Preemptions;
    }
}
