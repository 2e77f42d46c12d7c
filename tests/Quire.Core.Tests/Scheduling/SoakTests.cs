using System;
using System.Collections.Generic;
using System.Linq;
using Quire.Core.Foundation;
using Quire.Core.KvCache;
using Quire.Core.Requests;
using Quire.Core.Scheduling;

namespace Quire.Core.Tests.Scheduling;

/// <summary>Long random runs. Every choice is a function of the seed, so a failing seed is the whole report.</summary>
public class SoakTests
{
    public static TheoryData<int> Seeds()
    {
        var seeds = new TheoryData<int>();
        for (int seed = 0; seed < 32; seed++)
            seeds.Add(seed);
        return seeds;
    }

    [Theory]
    [MemberData(nameof(Seeds))]
    public void Every_request_gets_the_tokens_it_would_get_alone(int seed)
    {
        World first = Run(seed, ahead: false);
        World again = Run(seed, ahead: false);
        Assert.Equal(first.Fingerprints, again.Fingerprints);
        Run(seed, ahead: true);
    }

    [Fact]
    public void The_random_worlds_reach_what_they_are_meant_to_test()
    {
        long preemptions = 0, hits = 0, resumedHits = 0, drafts = 0, pending = 0, copies = 0;
        for (int seed = 100; seed < 108; seed++)
        {
            foreach (bool ahead in new[] { false, true })
            {
                World world = Run(seed, ahead);
                SchedulerStatistics statistics = world.Scheduler.Statistics;
                preemptions += statistics.Preemptions;
                hits += statistics.Prefix.Hits;
                resumedHits += statistics.ResumedPrefix.Hits;
                drafts += world.Trace.Count(line => line.Contains("drafts", StringComparison.Ordinal));
                copies += world.Trace.Count(line => line.Contains("copy", StringComparison.Ordinal));
                pending += world.Trace.Count(line => line.Contains('?', StringComparison.Ordinal));
            }
        }

        Assert.True(preemptions > 50, $"{preemptions} preemptions");
        Assert.True(hits > 500, $"{hits} tokens hit");
        Assert.True(resumedHits > 50, $"{resumedHits} tokens hit after a preemption");
        Assert.True(drafts > 100, $"{drafts} steps with drafts");
        Assert.True(copies > 20, $"{copies} steps with copies");
        Assert.True(pending > 500, $"{pending} steps ahead of their input");
    }

    private static World Run(int seed, bool ahead)
    {
        var chance = new Chance(seed);
        SchedulerOptions options = WithGroups(RandomOptions(chance), chance);
        bool draft = !ahead && chance.Below(3) == 0;
        if (draft)
            options = options with { NumLookaheadTokens = 3 };
        var world = new World(options, ahead);
        if (draft)
            world.AfterCommit = (w, plan) => ProposeDrafts(w, plan, new Chance(seed + (int)plan.StepNumber));

        var specs = new List<RequestSpec>();
        long next = 0;
        for (int step = 0; step < 120 || !world.IsIdle; step++)
        {
            Assert.True(step < 5_000, $"seed {seed}: requests are left that do not go on; the last steps:\n{string.Join('\n', world.Trace.TakeLast(8))}\n{options}");
            if (step < 120)
                Arrive(world, chance, specs, ref next);
            if (chance.Below(12) == 0 && specs.Count > 0)
                world.Abort(specs[chance.Below(specs.Count)].Id.Value);
            world.Step();
            if (!ahead && step < 120 && chance.Below(4) == 0)
                Fork(world, chance, specs, ref next);
            if (chance.Below(200) == 0)
                world.Scheduler.ResetPrefixCache(resetRunning: chance.Below(2) == 0);
        }

        Compare(seed, world, specs);
        return world;
    }

    private static void Compare(int seed, World world, List<RequestSpec> specs)
    {
        int length = world.Scheduler.MaxSequenceLength;
        foreach (RequestSpec spec in specs)
        {
            RequestState state = world[spec.Id.Value];
            Assert.Equal(RequestStatus.Finished, state.Status);
            Assert.NotNull(state.FinishReason);
            int[] expected = world.ExpectedOutput(spec, length);
            int[] output = world.Output(spec.Id.Value);
            string where = $"seed {seed}, request {spec.Id}";
            if (state.FinishReason == FinishReason.Abort)
                Assert.True(expected.AsSpan().StartsWith(output), where);
            else
                Assert.True(expected.AsSpan().SequenceEqual(output), where);
        }

        Assert.Equal(world.Scheduler.Geometry.UsableBlocks, world.Scheduler.FreeBlocks);
    }

    private static void Arrive(World world, Chance chance, List<RequestSpec> specs, ref long next)
    {
        for (int count = chance.Below(3); count > 0; count--)
        {
            int length = 1 + chance.Below(chance.Below(4) == 0 ? 60 : 14);
            var spec = new RequestSpec
            {
                Id = new RequestId(next++),
                PromptTokenIds = SharedPrompt(chance, length),
                MaxTokens = 1 + chance.Below(20),
                MinTokens = chance.Below(2),
                EosTokenId = chance.Below(2) == 0 ? 3 : null,
                StopTokenIds = chance.Below(3) == 0 ? [5, 8] : [],
                Priority = chance.Below(3),
                LoraName = chance.Below(3) == 0 ? $"lora{chance.Below(3)}" : null,
                CacheSalt = chance.Below(4) == 0 ? "tenant" : null,
                SkipReadingPrefixCache = chance.Below(8) == 0,
            };
            Refusal? refusal = world.Scheduler.Admit(spec);
            if (spec.PromptTokenIds.Length >= world.Scheduler.MaxSequenceLength)
            {
                Assert.NotNull(refusal);
                continue;
            }

            Assert.Null(refusal);
            world.Track(spec.Id.Value);
            specs.Add(spec);
        }
    }

    private static void Fork(World world, Chance chance, List<RequestSpec> specs, ref long next)
    {
        ReadOnlySpan<RequestState> running = world.Scheduler.Running;
        if (running.Length == 0)
            return;
        RequestState parent = running[chance.Below(running.Length)];
        RequestSpec spec = parent.Spec with { Id = new RequestId(next), MaxTokens = parent.OutputLength + 1 + chance.Below(10) };
        if (!world.Scheduler.TryFork(parent.Id, spec))
            return;
        next++;
        world.Track(spec.Id.Value);
        specs.Add(spec);
    }

    /// <summary>Prompts that often share their beginning: one of a few texts, cut or continued.</summary>
    private static int[] SharedPrompt(Chance chance, int length)
    {
        int text = chance.Below(3);
        int branch = chance.Below(2) == 0 ? length : chance.Below(length + 1);
        int[] prompt = new int[length];
        for (int i = 0; i < length; i++)
            prompt[i] = i < branch ? ((text * 29) + (i * 7)) % World.Vocabulary : chance.Below(World.Vocabulary);
        return prompt;
    }

    private static void ProposeDrafts(World world, StepPlan plan, Chance chance)
    {
        foreach (ref readonly ScheduledRow row in plan.Rows)
        {
            if (!row.Samples || row.Request.Status != RequestStatus.Running || chance.Below(3) == 0)
                continue;
            var sequence = new List<int>(row.Request.Tokens.ToArray());
            int[] drafts = new int[1 + chance.Below(3)];
            for (int i = 0; i < drafts.Length; i++)
            {
                drafts[i] = chance.Below(4) == 0 ? chance.Below(World.Vocabulary)
                    : world.Device.NextToken(sequence.ToArray(), row.Request.Spec.LoraName);
                sequence.Add(drafts[i]);
            }

            world.Scheduler.SetDrafts(row.Request.Id, drafts);
        }
    }

    private static SchedulerOptions RandomOptions(Chance chance)
    {
        int seqs = 1 + chance.Below(8);
        int blockSize = new[] { 1, 2, 4, 8, 32 }[chance.Below(5)];
        bool chunked = chance.Below(5) != 0;
        int maxLength = chance.Below(2) == 0 ? 128 : 40;
        int budget = seqs + chance.Below(40);
        return new SchedulerOptions
        {
            MaxNumSeqs = seqs,
            MaxNumBatchedTokens = chunked ? budget : Math.Max(budget, maxLength),
            MaxNumScheduledTokens = chunked && chance.Below(4) == 0 ? Math.Max(1, budget - 3) : null,
            MaxModelLen = maxLength,
            BlockSize = blockSize,
            NumBlocks = 2 + Math.Max(1, (20 + chance.Below(160)) / blockSize),
            EnableChunkedPrefill = chunked,
            LongPrefillTokenThreshold = chance.Below(3) == 0 ? 1 + chance.Below(10) : 0,
            Policy = chance.Below(2) == 0 ? SchedulingPolicy.Fcfs : SchedulingPolicy.Priority,
            Watermark = chance.Below(4) == 0 ? 0.1 : 0.0,
            SchedulerReserveFullIsl = chance.Below(3) != 0,
            EnablePrefixCaching = chance.Below(4) != 0,
            MaxLoras = chance.Below(3) == 0 ? 1 + chance.Below(2) : 0,
        };
    }

    /// <summary>One group without a window, one with, or several of both, with as many blocks for each as one alone had.</summary>
    private static SchedulerOptions WithGroups(SchedulerOptions options, Chance chance)
    {
        int kind = chance.Below(3);
        if (kind == 0)
            return options;
        int?[] windows = new int?[kind == 1 ? 1 : 2 + chance.Below(6)];
        for (int group = 0; group < windows.Length; group++)
            windows[group] = kind == 1 || chance.Below(3) != 0 ? 1 + chance.Below(chance.Below(2) == 0 ? 8 : 40) : null;
        return options with { KvCacheGroups = new KvCacheGroups(windows), NumBlocks = ((options.NumBlocks - 1) * windows.Length) + 1 };
    }

    private sealed class Chance(int seed)
    {
        private ulong _position;

        public int Below(int limit) => (int)(Philox.Generate((ulong)seed, 0, _position++).X0 % (uint)limit);
    }
}
