using System;
using Quire.Core.Requests;
using Quire.Core.Scheduling;

namespace Quire.Core.Tests.Scheduling;

/// <summary>Draft tokens: proposed for a request, computed in one row, kept as far as the model agrees.</summary>
public class DraftTests
{
    [Fact]
    public void Accepted_drafts_and_one_more_token_come_out_of_one_row()
    {
        Scheduler scheduler = Start(out RequestState request);
        scheduler.SetDrafts(request.Id, [11, 12, 13]);
        StepPlan plan = scheduler.Plan()!;
        Assert.Equal("step 2: 1 run 3+4 drafts 3*", plan.ToString());
        scheduler.Commit(plan, new SampledTokens([11, 12, 20], [3]));
        Assert.Equal(new RowOutcome(3, null, Ignored: false), plan.Outcomes[0]);
        Assert.Equal([10, 11, 12, 20], request.OutputTokens.ToArray());

        // One draft was refused: its slot is computed again.
        Assert.Equal(6, request.ComputedTokens);
        Assert.Equal("step 3: 1 run 6+1*", scheduler.Plan()!.ToString());
        scheduler.Audit();
    }

    [Fact]
    public void Tokens_behind_a_stop_are_dropped()
    {
        Scheduler scheduler = Start(out RequestState request);
        scheduler.SetDrafts(request.Id, [11, 50, 13]);
        StepPlan plan = scheduler.Plan()!;
        scheduler.Commit(plan, new SampledTokens([11, 50, 13, 14], [4]));
        Assert.Equal(new RowOutcome(2, FinishReason.Stop, Ignored: false), plan.Outcomes[0]);
        Assert.Equal([10, 11, 50], request.OutputTokens.ToArray());
        Assert.Equal(0, scheduler.RunningCount);
    }

    [Fact]
    public void Drafts_do_not_reach_over_the_end_of_the_context()
    {
        Scheduler scheduler = Start(out RequestState request, maxLength: 6);
        scheduler.SetDrafts(request.Id, [11, 12, 13]);

        // Position 5 is the last; the token sampled from position 4 fills it.
        Assert.Equal("step 2: 1 run 3+2 drafts 1*", scheduler.Plan()!.ToString());
    }

    [Fact]
    public void Drafts_are_forgotten_when_the_request_gives_way_or_has_gone()
    {
        Scheduler scheduler = Start(out RequestState request);
        scheduler.SetDrafts(request.Id, [11]);
        Assert.True(scheduler.ResetPrefixCache(resetRunning: true));
        Assert.Equal("step 2: 1 resumed 0+4*", scheduler.Plan()!.ToString());
        scheduler.Abort(request.Id);
        scheduler.SetDrafts(request.Id, [11]);
        Assert.Equal(0, request.DraftCount);
    }

    [Fact]
    public void Blocks_of_refused_drafts_are_not_shared()
    {
        Scheduler scheduler = Start(out RequestState request, blockSize: 4);
        scheduler.SetDrafts(request.Id, [11, 12, 13, 14, 15]);
        StepPlan plan = scheduler.Plan()!;
        scheduler.Commit(plan, new SampledTokens([99], [1]));
        scheduler.Abort(request.Id);
        Assert.Null(scheduler.Admit(new RequestSpec { Id = new RequestId(2), PromptTokenIds = [1, 2, 3, 10, 11, 12, 13, 14, 15], MaxTokens = 1 }));
        Assert.Equal("step 3: 2 new 4+5*", scheduler.Plan()!.ToString());
    }

    private static Scheduler Start(out RequestState request, int maxLength = 100, int blockSize = 16)
    {
        var scheduler = new Scheduler(World.Options(blockSize: blockSize, maxLength: maxLength) with { NumLookaheadTokens = 3 });
        Assert.Null(scheduler.Admit(new RequestSpec { Id = new RequestId(1), PromptTokenIds = [1, 2, 3], MaxTokens = 40, EosTokenId = 50 }));
        request = scheduler.Find(new RequestId(1)) ?? throw new InvalidOperationException();
        scheduler.Commit(scheduler.Plan()!, new SampledTokens([10], [1]));
        return scheduler;
    }
}
