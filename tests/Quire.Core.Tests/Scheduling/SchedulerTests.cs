using System;
using System.Collections.Generic;
using System.Linq;
using Quire.Core.Requests;
using Quire.Core.Scheduling;

namespace Quire.Core.Tests.Scheduling;

/// <summary>Small worlds whose every step is written out. A line reads: request, kind, first position + tokens, * where it samples, ? where its input is in flight.</summary>
public class SchedulerTests
{
    [Fact]
    public void The_budget_goes_to_running_requests_first_and_cuts_prompts_into_chunks()
    {
        var world = new World(World.Options(budget: 10, seqs: 3));
        world.Admit(1, prompt: 6, maxTokens: 3);
        world.Admit(2, prompt: 8, maxTokens: 2);
        world.Admit(3, prompt: 5, maxTokens: 2);
        world.RunToEnd();
        Expect(world, """
            step 1: 1 new 0+6* | 2 new 0+4
            step 2: 1 run 6+1* | 2 run 4+4* | 3 new 0+5*
            step 3: 1 run 7+1* | 2 run 8+1* | 3 run 5+1*
            """);
    }

    [Fact]
    public void First_come_first_served_lets_the_last_taken_give_way()
    {
        var world = new World(World.Options(blocks: 6, blockSize: 2, caching: false));
        world.Admit(1, prompt: 4, maxTokens: 4);
        world.Admit(2, prompt: 4, maxTokens: 4);
        world.RunToEnd();
        Expect(world, """
            step 1: 1 new 0+4* | 2 new 0+4*
            step 2: 1 run 4+1* | 2 preempted
            step 3: 1 run 5+1*
            step 4: 1 run 6+1*
            step 5: 2 resumed 0+5*
            step 6: 2 run 5+1*
            step 7: 2 run 6+1*
            """);
        Assert.Equal(1, world[2].Preemptions);
    }

    [Fact]
    public void Nobody_is_taken_in_a_step_in_which_somebody_gave_way()
    {
        var world = new World(World.Options(blocks: 6, blockSize: 2, caching: false));
        world.Admit(1, prompt: 4, maxTokens: 2);
        world.Admit(2, prompt: 4, maxTokens: 4);
        world.Step();
        world.Admit(3, prompt: 1, maxTokens: 1);
        world.RunToEnd();
        Expect(world, """
            step 1: 1 new 0+4* | 2 new 0+4*
            step 2: 1 run 4+1* | 2 preempted
            step 3: 2 resumed 0+5* | 3 new 0+1*
            step 4: 2 run 5+1*
            step 5: 2 run 6+1*
            """);
    }

    [Fact]
    public void The_priority_victim_is_the_largest_priority_then_the_latest_arrival_even_if_it_was_scheduled_in_this_step()
    {
        // In step 3, request 3 stands first in the list and has its row already when request 1 needs a block.
        var world = new World(World.Options(blocks: 7, blockSize: 2, caching: false) with { Policy = SchedulingPolicy.Priority });
        world.Admit(new RequestSpec { Id = new RequestId(3), PromptTokenIds = World.Prompt(3, 2), MaxTokens = 4, Priority = 9 });
        world.Step();
        world.Admit(1, prompt: 4, maxTokens: 3);
        world.Admit(2, prompt: 4, maxTokens: 3);
        world.RunToEnd();
        Expect(world, """
            step 1: 3 new 0+2*
            step 2: 3 run 2+1* | 1 new 0+4* | 2 new 0+4*
            step 3: 1 run 4+1* | 2 run 4+1* | 3 preempted
            step 4: 1 run 5+1* | 2 run 5+1*
            step 5: 3 resumed 0+4*
            step 6: 3 run 4+1*
            """);
    }

    [Fact]
    public void The_tokens_of_a_victim_that_was_scheduled_in_this_step_go_to_others()
    {
        SchedulerOptions options = World.Options(blocks: 6, blockSize: 4, budget: 8, caching: false) with
        {
            Policy = SchedulingPolicy.Priority,
            SchedulerReserveFullIsl = false,
        };
        var world = new World(options);
        world.Admit(new RequestSpec { Id = new RequestId(3), PromptTokenIds = World.Prompt(3, 10), MaxTokens = 4, Priority = 9 });
        world.Step();
        world.Admit(1, prompt: 4, maxTokens: 2);
        world.Admit(2, prompt: 20, maxTokens: 1);
        world.Step();
        world.Step();
        Expect(world, """
            step 1: 3 new 0+8
            step 2: 3 run 8+2* | 1 new 0+4* | 2 new 0+2
            step 3: 1 run 4+1* | 2 run 2+7 | 3 preempted
            """);
        world.RunToEnd();
    }

    [Fact]
    public void Blocks_that_a_victim_was_to_fill_in_this_step_are_not_found_in_the_cache()
    {
        // In step 3, request 3 stands first and was given two blocks for positions 8 to 11, which are then never computed.
        SchedulerOptions options = World.Options(blocks: 9, blockSize: 2) with
        {
            Policy = SchedulingPolicy.Priority,
            SchedulerReserveFullIsl = false,
            LongPrefillTokenThreshold = 4,
        };
        var world = new World(options);
        world.Admit(new RequestSpec { Id = new RequestId(3), PromptTokenIds = World.Prompt(3, 13), MaxTokens = 1, Priority = 9 });
        world.Step();
        world.Admit(1, prompt: 4, maxTokens: 3);
        world.RunToEnd();
        Expect(world, """
            step 1: 3 new 0+4
            step 2: 3 run 4+4 | 1 new 0+4*
            step 3: 1 run 4+1* | 3 preempted
            step 4: 1 run 5+1*
            step 5: 3 resumed 8+4
            step 6: 3 run 12+1*
            """);
    }

    [Fact]
    public void A_request_that_gives_way_to_nobody_but_itself_stops_the_step_and_the_next_one_is_planned_at_once()
    {
        // In step 3, request 3 stands first, has the largest priority and needs a block.
        SchedulerOptions options = World.Options(blocks: 7, blockSize: 2, caching: false) with { Policy = SchedulingPolicy.Priority };
        foreach (bool mayBeEmpty in new[] { false, true })
        {
            var world = new World(options) { MayBeEmpty = mayBeEmpty };
            world.Admit(new RequestSpec { Id = new RequestId(3), PromptTokenIds = World.Prompt(3, 3), MaxTokens = 4, Priority = 9 });
            world.Step();
            world.Admit(1, prompt: 4, maxTokens: 2);
            world.Admit(2, prompt: 4, maxTokens: 2);
            world.RunToEnd();
            Expect(world, mayBeEmpty
                ? """
                  step 1: 3 new 0+3*
                  step 2: 3 run 3+1* | 1 new 0+4* | 2 new 0+4*
                  step 3: | 3 preempted
                  step 4: 1 run 4+1* | 2 run 4+1*
                  step 5: 3 resumed 0+5*
                  step 6: 3 run 5+1*
                  """
                : """
                  step 1: 3 new 0+3*
                  step 2: 3 run 3+1* | 1 new 0+4* | 2 new 0+4*
                  step 3: 1 run 4+1* | 2 run 4+1* | 3 preempted
                  step 4: 3 resumed 0+5*
                  step 5: 3 run 5+1*
                  """);
        }
    }

    [Fact]
    public void The_smallest_priority_is_taken_first_and_ties_go_by_arrival()
    {
        var world = new World(World.Options(seqs: 1) with { Policy = SchedulingPolicy.Priority });
        foreach ((long id, int priority) in new (long, int)[] { (1, 2), (2, 0), (3, 2), (4, -1), (5, 0) })
            world.Admit(new RequestSpec { Id = new RequestId(id), PromptTokenIds = World.Prompt(id, 2), MaxTokens = 1, Priority = priority });
        world.RunToEnd();
        Expect(world, """
            step 1: 4 new 0+2*
            step 2: 2 new 0+2*
            step 3: 5 new 0+2*
            step 4: 1 new 0+2*
            step 5: 3 new 0+2*
            """);
    }

    [Fact]
    public void The_head_of_the_queue_waits_for_its_blocks_and_nobody_overtakes_it()
    {
        var world = new World(World.Options(blocks: 5, blockSize: 4, caching: false));
        world.Admit(1, prompt: 8, maxTokens: 2);
        world.Admit(2, prompt: 9, maxTokens: 1);
        world.Admit(3, prompt: 1, maxTokens: 1);
        world.RunToEnd();
        Expect(world, """
            step 1: 1 new 0+8*
            step 2: 1 run 8+1*
            step 3: 2 new 0+9* | 3 new 0+1*
            """);
    }

    [Fact]
    public void Without_the_reserve_a_long_prompt_starts_with_the_blocks_of_its_first_chunk()
    {
        SchedulerOptions options = World.Options(blocks: 7, blockSize: 2, budget: 4, seqs: 4, caching: false);
        foreach ((bool reserve, string second) in new[] { (true, "step 2: 1 run 4+1*"), (false, "step 2: 1 run 4+1* | 2 new 0+3") })
        {
            var world = new World(options with { SchedulerReserveFullIsl = reserve });
            world.Admit(1, prompt: 4, maxTokens: 3);
            world.Admit(2, prompt: 8, maxTokens: 1);
            world.RunToEnd();
            Assert.Equal(second, world.Trace[1]);
        }
    }

    [Fact]
    public void The_watermark_keeps_blocks_free_only_while_something_runs()
    {
        SchedulerOptions options = World.Options(blocks: 11, blockSize: 4, caching: false) with { Watermark = 0.2 };
        var world = new World(options);
        world.Admit(1, prompt: 36, maxTokens: 2);
        world.Step();
        Assert.Equal("step 1: 1 new 0+36*", world.Trace[0]);

        world = new World(options);
        world.Admit(1, prompt: 4, maxTokens: 4);
        world.Admit(2, prompt: 28, maxTokens: 1);
        world.Step();

        // Ten usable blocks: 1 and 7 leave two, which is int(0.2 × 11).
        Assert.Equal("step 1: 1 new 0+4* | 2 new 0+28*", world.Trace[0]);

        world = new World(options);
        world.Admit(1, prompt: 4, maxTokens: 4);
        world.Admit(2, prompt: 29, maxTokens: 1);
        world.Step();
        Assert.Equal("step 1: 1 new 0+4*", world.Trace[0]);
    }

    [Fact]
    public void Without_chunked_prefill_a_prompt_waits_for_a_step_that_takes_it_whole()
    {
        var world = new World(World.Options(budget: 20, maxLength: 20) with { EnableChunkedPrefill = false });
        world.Admit(1, prompt: 12, maxTokens: 2);
        world.Admit(2, prompt: 12, maxTokens: 1);
        world.Admit(3, prompt: 2, maxTokens: 1);
        world.RunToEnd();
        Expect(world, """
            step 1: 1 new 0+12*
            step 2: 1 run 12+1* | 2 new 0+12* | 3 new 0+2*
            """);
    }

    [Fact]
    public void The_long_prompt_threshold_caps_every_request_also_after_it_gave_way()
    {
        var world = new World(World.Options(blocks: 9, blockSize: 2, budget: 20, caching: false) with { LongPrefillTokenThreshold = 3 });
        world.Admit(1, prompt: 7, maxTokens: 5);
        world.Admit(2, prompt: 4, maxTokens: 5);
        world.RunToEnd();
        Expect(world, """
            step 1: 1 new 0+3 | 2 new 0+3
            step 2: 1 run 3+3 | 2 run 3+1*
            step 3: 1 run 6+1* | 2 run 4+1*
            step 4: 1 run 7+1* | 2 run 5+1*
            step 5: 1 run 8+1* | 2 preempted
            step 6: 1 run 9+1*
            step 7: 1 run 10+1*
            step 8: 2 resumed 0+3
            step 9: 2 run 3+3
            step 10: 2 run 6+1*
            step 11: 2 run 7+1*
            """);
    }

    [Fact]
    public void A_scheduled_token_limit_below_the_input_buffer_is_kept()
    {
        var world = new World(World.Options(budget: 10) with { MaxNumScheduledTokens = 4 });
        world.Admit(1, prompt: 9, maxTokens: 1);
        world.RunToEnd();
        Expect(world, """
            step 1: 1 new 0+4
            step 2: 1 run 4+4
            step 3: 1 run 8+1*
            """);
    }

    [Fact]
    public void A_step_has_at_most_max_loras_adapters_and_those_passed_over_come_first_next_time()
    {
        var world = new World(World.Options() with { MaxLoras = 1 });
        foreach ((long id, string? adapter) in new (long, string?)[] { (1, "x"), (2, "y"), (3, "x"), (4, null), (5, "y") })
            world.Admit(new RequestSpec { Id = new RequestId(id), PromptTokenIds = World.Prompt(id, 2), MaxTokens = 1, LoraName = adapter });
        world.Step();
        world.Admit(6, prompt: 1, maxTokens: 1);
        world.RunToEnd();
        Expect(world, """
            step 1: 1 new 0+2* | 3 new 0+2* | 4 new 0+2*
            step 2: 2 new 0+2* | 5 new 0+2* | 6 new 0+1*
            """);
    }

    [Fact]
    public void Aborted_requests_leave_their_queue_or_the_running_list_and_free_their_blocks()
    {
        var world = new World(World.Options(blocks: 6, blockSize: 2, caching: false));
        world.Admit(1, prompt: 4, maxTokens: 4);
        world.Admit(2, prompt: 4, maxTokens: 4);
        world.Admit(3, prompt: 4, maxTokens: 4);
        world.Step();
        world.Step();
        Assert.Equal(RequestStatus.Preempted, world[2].Status);
        world.Abort(3);
        world.Abort(2);
        world.Abort(1);
        world.Abort(1);
        world.Abort(77);
        Assert.True(world.IsIdle);
        Assert.Equal(5, world.Scheduler.FreeBlocks);
        Assert.All(new long[] { 1, 2, 3 }, id => Assert.Equal(FinishReason.Abort, world[id].FinishReason));
        Assert.Null(world.Scheduler.Plan());
        Assert.Null(world.Scheduler.Find(new RequestId(1)));
        world.Scheduler.Audit();
    }

    [Fact]
    public void An_id_can_be_used_again_when_its_request_has_finished()
    {
        var world = new World(World.Options());
        world.Admit(1, prompt: 3, maxTokens: 1);
        Refusal? refusal = world.Scheduler.Admit(new RequestSpec { Id = new RequestId(1), PromptTokenIds = [1], MaxTokens = 1 });
        Assert.Equal(RefusalCode.DuplicateRequest, refusal?.Code);
        world.RunToEnd();
        world.Admit(1, prompt: 3, maxTokens: 1);
        world.RunToEnd();
        Assert.Equal(FinishReason.Length, world[1].FinishReason);
    }

    [Fact]
    public void A_request_that_can_never_run_is_refused_at_once()
    {
        var scheduler = new Scheduler(World.Options(blocks: 4, blockSize: 4, maxLength: 64));
        Assert.Equal(RefusalCode.EmptyPrompt, Admit(scheduler, [], 1)?.Code);
        Assert.Equal("max_tokens", Admit(scheduler, [1], 0)?.Field);
        Assert.Equal(RefusalCode.ContextLengthExceeded, Admit(scheduler, new int[64], 1)?.Code);
        Assert.Equal(RefusalCode.InsufficientMemory, Admit(scheduler, new int[13], 1)?.Code);
        Assert.Equal(RefusalCode.TokenOutOfVocabulary, Admit(scheduler, [4, -1], 1)?.Code);
        Assert.Null(Admit(scheduler, new int[12], 1));

        static Refusal? Admit(Scheduler scheduler, int[] prompt, int maxTokens) =>
            scheduler.Admit(new RequestSpec { Id = new RequestId(1), PromptTokenIds = prompt, MaxTokens = maxTokens });
    }

    [Fact]
    public void A_request_that_fills_the_whole_cache_ends_by_length()
    {
        var world = new World(World.Options(blocks: 4, blockSize: 4, maxLength: 64));
        world.Admit(1, prompt: 10, maxTokens: 50);
        world.RunToEnd();
        Assert.Equal(FinishReason.Length, world[1].FinishReason);
        Assert.Equal(3, world[1].OutputLength);
    }

    [Fact]
    public void The_context_length_ends_a_request()
    {
        var world = new World(World.Options(maxLength: 12));
        world.Admit(1, prompt: 10, maxTokens: 50);
        world.RunToEnd();
        Assert.Equal(FinishReason.Length, world[1].FinishReason);
        Assert.Equal(12, world[1].TokenCount);
    }

    [Fact]
    public void Finishing_for_a_reason_of_the_caller_is_kept()
    {
        var world = new World(World.Options());
        world.Admit(1, prompt: 3, maxTokens: 9);
        world.Step();
        Assert.True(world.Scheduler.Finish(new RequestId(1), FinishReason.Stop));
        Assert.False(world.Scheduler.Finish(new RequestId(1), FinishReason.Error));
        Assert.Equal(FinishReason.Stop, world[1].FinishReason);
        Assert.True(world.IsIdle);
    }

    [Fact]
    public void Memory_of_finished_requests_is_given_back()
    {
        var world = new World(World.Options(), audit: false);
        for (int i = 0; i < 300; i++)
        {
            world.Admit(i, prompt: 3, maxTokens: 2);
            world.Step();
        }

        world.RunToEnd();
        Assert.Empty(world[5].BlockTable(0).ToArray());
        Assert.Equal(0, world.Scheduler.WaitingCount + world.Scheduler.RunningCount);
        var left = new List<RequestState>();
        world.Scheduler.CopyWaitingTo(left);
        Assert.Empty(left);
    }

    [Fact]
    public void Options_that_cannot_be_are_refused_with_the_name_of_the_field()
    {
        SchedulerOptions good = World.Options();
        Assert.Null(good.Validate());
        Assert.Equal("max_num_seqs", (good with { MaxNumSeqs = 0 }).Validate()?.Field);
        Assert.Equal("max_num_batched_tokens", (good with { MaxNumBatchedTokens = 7 }).Validate()?.Field);
        Assert.Equal("max_num_batched_tokens", (good with { EnableChunkedPrefill = false }).Validate()?.Field);
        Assert.Equal("max_num_scheduled_tokens", (good with { MaxNumScheduledTokens = 65 }).Validate()?.Field);
        Assert.Equal("max_model_len", (good with { MaxModelLen = 1 }).Validate()?.Field);
        Assert.Equal("block_size", (good with { BlockSize = 0 }).Validate()?.Field);
        Assert.Equal("num_gpu_blocks_override", (good with { NumBlocks = 1 }).Validate()?.Field);
        Assert.Equal("long_prefill_token_threshold", (good with { LongPrefillTokenThreshold = 513 }).Validate()?.Field);
        Assert.Equal("watermark", (good with { Watermark = double.NaN }).Validate()?.Field);
        Assert.Equal("max_loras", (good with { MaxLoras = -1 }).Validate()?.Field);
        Assert.Throws<ArgumentException>(() => new Scheduler(good with { MaxNumSeqs = 0 }));
    }

    internal static void Expect(World world, string trace) =>
        Assert.Equal(trace.ReplaceLineEndings("\n").Trim().Split('\n').Select(line => line.Trim()), world.Trace);
}
