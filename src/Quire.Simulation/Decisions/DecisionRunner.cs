using System;
using System.Collections.Generic;
using Quire.Core.Requests;
using Quire.Core.Scheduling;

namespace Quire.Simulation.Decisions;

/// <summary>
/// Runs a decision case on the real scheduler: arrivals before the step of their number, aborts after them, then a plan, then its tokens.
/// It ends when every request has arrived and none is left.
/// </summary>
public sealed class DecisionRunner
{
    private readonly DecisionCase _case;
    private readonly bool _audit;
    private readonly Scheduler _scheduler;
    private readonly List<RequestState> _waiting = [];
    private readonly List<int> _tokens = [];
    private readonly List<int> _counts = [];
    private readonly List<ulong> _fingerprints = [];

    private DecisionRunner(DecisionCase item, bool audit)
    {
        _case = item;
        _audit = audit;
        SchedulerOptions options = Options(item.Config);
        if (options.Validate() is { } refusal)
            throw new ArgumentException($"case \"{item.Name}\": {refusal.Message}");
        _scheduler = new Scheduler(options);
    }

    /// <summary>The same case with the steps that the scheduler decided.</summary>
    /// <param name="item">A case; its own steps, if any, are not looked at.</param>
    /// <param name="audit">Recount the cache after every step.</param>
    /// <exception cref="ArgumentException">The configuration or a request is refused, or the case does not end.</exception>
    public static DecisionCase Run(DecisionCase item, bool audit = false)
    {
        ArgumentNullException.ThrowIfNull(item);
        return item with { Steps = new DecisionRunner(item, audit).Steps() };
    }

    /// <summary>The fingerprints of all plans of a case, in order.</summary>
    /// <exception cref="ArgumentException">The configuration or a request is refused, or the case does not end.</exception>
    public static IReadOnlyList<ulong> Fingerprints(DecisionCase item)
    {
        ArgumentNullException.ThrowIfNull(item);
        var runner = new DecisionRunner(item, audit: false);
        runner.Steps();
        return runner._fingerprints;
    }

    private List<DecisionStep> Steps()
    {
        var steps = new List<DecisionStep>();
        (int lastEvent, long mostSteps) = Bounds();
        for (int step = 0; step <= lastEvent || _scheduler.RunningCount + _scheduler.WaitingCount > 0; step++)
        {
            if (step > mostSteps)
                throw new ArgumentException($"case \"{_case.Name}\": requests are left after {step} steps and cannot go on.");
            Arrive(step);
            Abort(step);
            steps.Add(Step(step));
            if (_audit)
                _scheduler.Audit();
        }

        return steps;
    }

    private DecisionStep Step(int step)
    {
        StepPlan? plan = _scheduler.Plan(mayBeEmpty: true);
        var result = new DecisionStep { Step = step };
        if (plan is not null)
        {
            _fingerprints.Add(plan.Fingerprint());
            result = Describe(plan, result);
            Sample(plan);
            result = result with { Finished = Finished(plan) };
        }

        _waiting.Clear();
        _scheduler.CopyWaitingTo(_waiting);
        return result with
        {
            Running = Names(_scheduler.Running),
            Waiting = Names(_waiting.ToArray()),
            FreeBlocks = _scheduler.FreeBlocks,
        };
    }

    private void Arrive(int step)
    {
        for (int i = 0; i < _case.Requests.Count; i++)
        {
            DecisionRequest request = _case.Requests[i];
            if (request.ArrivalStep != step)
                continue;
            Refusal? refusal = _scheduler.Admit(Spec(request, i), request);
            if (refusal is not null)
                throw new ArgumentException($"case \"{_case.Name}\", request \"{request.Id}\": {refusal.Message}");
        }
    }

    private void Abort(int step)
    {
        for (int i = 0; i < _case.Requests.Count; i++)
        {
            if (_case.Requests[i].AbortStep == step)
                _scheduler.Abort(new RequestId(i));
        }
    }

    private void Sample(StepPlan plan)
    {
        _tokens.Clear();
        _counts.Clear();
        foreach (ref readonly ScheduledRow row in plan.Rows)
        {
            _counts.Add(row.Samples ? 1 : 0);
            if (!row.Samples)
                continue;
            int[] outputs = ((DecisionRequest)row.Request.Attachment!).OutputTokenIds;
            int next = row.Request.OutputLength;
            if (next >= outputs.Length)
                throw new ArgumentException($"case \"{_case.Name}\", request \"{Name(row.Request)}\": output_token_ids has only {outputs.Length} tokens.");
            _tokens.Add(outputs[next]);
        }

        _scheduler.Commit(plan, new SampledTokens(_tokens.ToArray(), _counts.ToArray()));
    }

    private static DecisionStep Describe(StepPlan plan, DecisionStep result)
    {
        var scheduled = new List<KeyValuePair<string, int>>();
        var fresh = new List<KeyValuePair<string, int>>();
        var resumed = new List<KeyValuePair<string, int>>();
        foreach (ref readonly ScheduledRow row in plan.Rows)
        {
            string name = Name(row.Request);
            scheduled.Add(new KeyValuePair<string, int>(name, row.TokenCount));
            if (row.Kind == RowKind.New)
                fresh.Add(new KeyValuePair<string, int>(name, row.FirstPosition));
            else if (row.Kind == RowKind.Resumed)
                resumed.Add(new KeyValuePair<string, int>(name, row.FirstPosition));
        }

        string[] preempted = Names(plan.Preempted);
        Array.Sort(preempted, StringComparer.Ordinal);
        return result with
        {
            Scheduled = new OrderedCounts(scheduled),
            New = fresh.Count > 0 ? new OrderedCounts(fresh) : null,
            Resumed = resumed.Count > 0 ? new OrderedCounts(resumed) : null,
            Preempted = preempted.Length > 0 ? preempted : null,
        };
    }

    private static List<string>? Finished(StepPlan plan)
    {
        List<string>? names = null;
        for (int i = 0; i < plan.Rows.Length; i++)
        {
            if (plan.Outcomes[i].FinishReason is not null)
                (names ??= []).Add(Name(plan.Rows[i].Request));
        }

        return names;
    }

    private (int LastEvent, long MostSteps) Bounds()
    {
        int last = -1;
        long tokens = 0;
        foreach (DecisionRequest request in _case.Requests)
        {
            last = Math.Max(last, request.ArrivalStep);
            tokens += request.PromptTokenIds.Length + request.OutputTokenIds.Length;
        }

        // A request may be computed again after each preemption, and each preemption lets another request sample at least one token.
        return (last, last + 16 + (tokens * (2 + _case.Requests.Count)));
    }

    private static RequestSpec Spec(DecisionRequest request, int id) => new()
    {
        Id = new RequestId(id),
        PromptTokenIds = request.PromptTokenIds,
        MaxTokens = request.MaxTokens,
        MinTokens = request.MinTokens ?? 0,
        EosTokenId = request.EosTokenId,
        StopTokenIds = request.StopTokenIds ?? [],
        Priority = request.Priority ?? 0,
        CacheSalt = request.CacheSalt,
    };

    private static SchedulerOptions Options(DecisionConfig config) => new()
    {
        MaxNumSeqs = config.MaxNumSeqs,
        MaxNumBatchedTokens = config.MaxNumBatchedTokens,
        MaxNumScheduledTokens = config.MaxNumScheduledTokens,
        MaxModelLen = config.MaxModelLen,
        BlockSize = config.BlockSize ?? 16,
        NumBlocks = config.NumBlocks,
        Policy = config.Policy switch
        {
            null or "fcfs" => SchedulingPolicy.Fcfs,
            "priority" => SchedulingPolicy.Priority,
            _ => throw new ArgumentException($"policy must be fcfs or priority, got {config.Policy}."),
        },
        EnablePrefixCaching = config.EnablePrefixCaching ?? true,
        EnableChunkedPrefill = config.EnableChunkedPrefill ?? true,
        LongPrefillTokenThreshold = config.LongPrefillTokenThreshold ?? 0,
        Watermark = config.Watermark ?? 0.0,
        SchedulerReserveFullIsl = config.SchedulerReserveFullIsl ?? true,
    };

    private static string Name(RequestState request) => ((DecisionRequest)request.Attachment!).Id;

    private static string[] Names(ReadOnlySpan<RequestState> requests)
    {
        string[] names = new string[requests.Length];
        for (int i = 0; i < names.Length; i++)
            names[i] = Name(requests[i]);
        return names;
    }
}
