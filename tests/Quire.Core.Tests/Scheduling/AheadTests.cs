using System;
using System.Linq;
using Quire.Core.Foundation;
using Quire.Core.Requests;
using Quire.Core.Scheduling;

namespace Quire.Core.Tests.Scheduling;

/// <summary>One plan ahead of the results.</summary>
public class AheadTests
{
    [Fact]
    public void The_next_step_is_planned_for_tokens_that_are_not_known_yet()
    {
        var world = new World(World.Options(), ahead: true);
        world.Admit(1, prompt: 5, maxTokens: 3);
        world.RunToEnd();

        // No fourth step: that the third token is the last was certain before it was known.
        SchedulerTests.Expect(world, """
            step 1: 1 new 0+5*
            step 2: 1 run 5+1?*
            step 3: 1 run 6+1?*
            """);
    }

    [Fact]
    public void A_step_planned_behind_a_stop_is_ignored()
    {
        var spec = new RequestSpec { Id = new RequestId(1), PromptTokenIds = [1, 2, 3], MaxTokens = 9, EosTokenId = 50 };
        var scheduler = new Scheduler(World.Options());
        Assert.Null(scheduler.Admit(spec));
        RequestState state = scheduler.Find(spec.Id)!;
        StepPlan first = scheduler.Plan()!;
        StepPlan second = scheduler.Plan()!;
        Assert.Equal(2, scheduler.PlansInFlight);
        scheduler.Commit(first, new SampledTokens([50], [1]));
        Assert.Equal(new RowOutcome(1, FinishReason.Stop, Ignored: false), first.Outcomes[0]);
        Assert.Null(scheduler.Plan());
        scheduler.Commit(second, new SampledTokens([7], [1]));
        Assert.Equal(new RowOutcome(0, null, Ignored: true), second.Outcomes[0]);
        Assert.Equal([50], state.OutputTokens.ToArray());
        Assert.Equal(0, scheduler.PlansInFlight);
        scheduler.Audit();
    }

    [Fact]
    public void A_chunk_in_the_middle_of_a_prompt_needs_no_result()
    {
        var world = new World(World.Options(budget: 8, seqs: 4), ahead: true);
        world.Admit(1, prompt: 18, maxTokens: 2);
        world.RunToEnd();
        SchedulerTests.Expect(world, """
            step 1: 1 new 0+8
            step 2: 1 run 8+8
            step 3: 1 run 16+2*
            step 4: 1 run 18+1?*
            """);
    }

    [Fact]
    public void A_request_that_gave_way_still_gets_the_token_in_flight()
    {
        var world = new World(World.Options(blocks: 6, blockSize: 2, caching: false), ahead: true);
        world.Admit(1, prompt: 4, maxTokens: 4);
        world.Admit(2, prompt: 4, maxTokens: 4);
        world.RunToEnd();

        // Step 2 takes the blocks of request 2 while its first token is in flight; step 5 computes prompt and that token.
        SchedulerTests.Expect(world, """
            step 1: 1 new 0+4* | 2 new 0+4*
            step 2: 1 run 4+1?* | 2 preempted
            step 3: 1 run 5+1?*
            step 4: 1 run 6+1?*
            step 5: 2 resumed 0+5*
            step 6: 2 run 5+1?*
            step 7: 2 run 6+1?*
            """);
        Assert.Equal(world.ExpectedOutput(world[2].Spec, 512), world.Output(2));
    }

    [Fact]
    public void A_token_in_flight_can_end_a_request_that_gave_way()
    {
        var scheduler = new Scheduler(World.Options(blocks: 6, blockSize: 2, caching: false));
        foreach (int id in new[] { 1, 2 })
            Assert.Null(scheduler.Admit(new RequestSpec { Id = new RequestId(id), PromptTokenIds = [1, 2, 3, 4], MaxTokens = 4, EosTokenId = 50 }));
        RequestState victim = scheduler.Find(new RequestId(2))!;
        StepPlan first = scheduler.Plan()!;
        StepPlan second = scheduler.Plan()!;
        Assert.Equal(RequestStatus.Preempted, victim.Status);
        scheduler.Commit(first, new SampledTokens([7, 50], [1, 1]));
        Assert.Equal(FinishReason.Stop, victim.FinishReason);
        Assert.Equal(0, scheduler.WaitingCount);
        scheduler.Commit(second, new SampledTokens([7], [1]));
        scheduler.Audit();
    }

    [Fact]
    public void Plans_are_committed_in_order_and_at_most_two_are_out()
    {
        var scheduler = new Scheduler(World.Options());
        Assert.Null(scheduler.Admit(new RequestSpec { Id = new RequestId(1), PromptTokenIds = [1], MaxTokens = 9 }));
        StepPlan first = scheduler.Plan()!;
        StepPlan second = scheduler.Plan()!;
        Assert.Throws<InvariantException>(() => scheduler.Plan());
        Assert.Throws<InvariantException>(() => scheduler.Commit(second, new SampledTokens([1], [1])));
        scheduler.Commit(first, new SampledTokens([1], [1]));
        Assert.Throws<InvariantException>(() => scheduler.Commit(first, new SampledTokens([1], [1])));
    }

    [Fact]
    public void Wrong_results_are_noticed()
    {
        Assert.Throws<InvariantException>(() => Commit([], []));
        Assert.Throws<InvariantException>(() => Commit([], [0]));
        Assert.Throws<InvariantException>(() => Commit([1, 2], [2]));
        Assert.Throws<InvariantException>(() => Commit([1, 2], [1]));

        static void Commit(int[] tokens, int[] counts)
        {
            var scheduler = new Scheduler(World.Options());
            scheduler.Admit(new RequestSpec { Id = new RequestId(1), PromptTokenIds = [1], MaxTokens = 9 });
            scheduler.Commit(scheduler.Plan()!, new SampledTokens(tokens, counts));
        }
    }

    [Fact]
    public void Steady_decode_allocates_nothing()
    {
        foreach (bool ahead in new[] { false, true })
        {
            var scheduler = new Scheduler(World.Options(blocks: 4000, blockSize: 16, budget: 4096, seqs: 64, maxLength: 4096));
            for (int id = 0; id < 64; id++)
                Assert.Null(scheduler.Admit(new RequestSpec { Id = new RequestId(id), PromptTokenIds = World.Prompt(id, 20), MaxTokens = 900 }));
            int[] ones = [.. Enumerable.Repeat(1, 64)];
            StepPlan? plan = scheduler.Plan();
            for (int step = 0; step < 40; step++)
                plan = Next(scheduler, plan!, ones, ahead);

            long before = GC.GetAllocatedBytesForCurrentThread();
            for (int step = 0; step < 200; step++)
                plan = Next(scheduler, plan!, ones, ahead);
            Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
            Assert.Equal(64, plan!.Rows.Length);
        }
    }

    private static StepPlan? Next(Scheduler scheduler, StepPlan plan, int[] ones, bool ahead)
    {
        StepPlan? following = ahead ? scheduler.Plan() : null;
        scheduler.Commit(plan, new SampledTokens(ones, ones));
        return following ?? scheduler.Plan();
    }
}
