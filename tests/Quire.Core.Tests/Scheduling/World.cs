using System;
using System.Collections.Generic;
using System.Linq;
using Quire.Core.Requests;
using Quire.Core.Scheduling;

namespace Quire.Core.Tests.Scheduling;

/// <summary>A scheduler and a fake device. With one plan ahead, each step is planned before the result of the one before is known.</summary>
internal sealed class World
{
    public const int Vocabulary = 97;

    private readonly bool _ahead;
    private readonly bool _audit;
    private readonly Dictionary<long, RequestState> _states = [];
    private FakeDevice.Launch? _inFlight;

    public World(SchedulerOptions options, bool ahead = false, bool audit = true)
    {
        Scheduler = new Scheduler(options);
        Device = new FakeDevice(Scheduler.Geometry, Vocabulary, options.KvCacheGroups);
        _ahead = ahead;
        _audit = audit;
    }

    public Scheduler Scheduler { get; }

    public FakeDevice Device { get; }

    /// <summary>The text of every plan.</summary>
    public List<string> Trace { get; } = [];

    public List<ulong> Fingerprints { get; } = [];

    /// <summary>Called after each commit, for drafts and forks.</summary>
    public Action<World, StepPlan>? AfterCommit { get; set; }

    /// <summary>Whether plans without rows are given.</summary>
    public bool MayBeEmpty { get; init; }

    public bool IsIdle => Scheduler.RunningCount + Scheduler.WaitingCount == 0 && _inFlight is null;

    public RequestState this[long id] => _states[id];

    public static SchedulerOptions Options(
        int blocks = 1000, int blockSize = 4, int budget = 64, int seqs = 8, int maxLength = 512, bool caching = true) => new()
        {
            NumBlocks = blocks,
            BlockSize = blockSize,
            MaxNumBatchedTokens = budget,
            MaxNumSeqs = seqs,
            MaxModelLen = maxLength,
            EnablePrefixCaching = caching,
        };

    /// <summary>A prompt of so many tokens that differs from those of other ids.</summary>
    public static int[] Prompt(long id, int length) => [.. Enumerable.Range(0, length).Select(i => (int)(((id * 31) + i) % Vocabulary))];

    public void Admit(long id, int prompt, int maxTokens) =>
        Admit(new RequestSpec { Id = new RequestId(id), PromptTokenIds = Prompt(id, prompt), MaxTokens = maxTokens });

    public void Admit(RequestSpec spec)
    {
        Assert.Null(Scheduler.Admit(spec));
        Track(spec.Id.Value);
    }

    public void Track(long id) => _states[id] = Scheduler.Find(new RequestId(id))!;

    public void Abort(long id)
    {
        Scheduler.Abort(new RequestId(id));
    }

    /// <summary>One turn. False when nothing was planned and nothing is in flight any more.</summary>
    public bool Step()
    {
        StepPlan? plan = Scheduler.Plan(MayBeEmpty);
        FakeDevice.Launch? launch = null;
        if (plan is not null)
        {
            Trace.Add(plan.ToString());
            Fingerprints.Add(plan.Fingerprint());
            Check(plan, MayBeEmpty);
            launch = FakeDevice.Record(plan);
        }

        if (_ahead)
            (launch, _inFlight) = (_inFlight, launch);
        if (launch is null)
            return plan is not null;
        (int[] tokens, int[] counts) = Device.Run(launch);
        Scheduler.Commit(launch.Plan, new SampledTokens(tokens, counts));
        Audit();
        AfterCommit?.Invoke(this, launch.Plan);
        return true;
    }

    public void RunToEnd(int mostSteps = 100_000)
    {
        for (int step = 0; !IsIdle; step++)
        {
            Assert.True(step < mostSteps, "requests are left that do not go on");
            Step();
        }
    }

    public int[] Output(long id) => _states[id].OutputTokens.ToArray();

    /// <summary>What the model would say with unlimited memory, one request at a time.</summary>
    public int[] ExpectedOutput(RequestSpec spec, int maxLength)
    {
        var sequence = new List<int>(spec.PromptTokenIds);
        var output = new List<int>();
        while (true)
        {
            int token = Device.NextToken(sequence.ToArray(), spec.LoraName);
            sequence.Add(token);
            output.Add(token);
            if (output.Count >= spec.MinTokens && (token == spec.EosTokenId || spec.StopTokenIds.Contains(token)))
                break;
            if (sequence.Count >= maxLength || output.Count >= spec.MaxTokens)
                break;
        }

        return [.. output];
    }

    private static void Check(StepPlan plan, bool mayBeEmpty)
    {
        var seen = new HashSet<long>();
        var kept = new HashSet<long>();
        int tokens = 0;
        foreach (ref readonly ScheduledRow row in plan.Rows)
        {
            Assert.True(seen.Add(row.Request.Id.Value), "a request stands twice in a plan");
            Assert.True(row.TokenCount > 0);
            tokens += row.TokenCount;
            if (row.Kind != RowKind.Resumed)
                kept.Add(row.Request.Id.Value);
        }

        Assert.Equal(tokens, plan.TotalTokens);
        Assert.True(mayBeEmpty || plan.Rows.Length > 0);
        foreach (RequestState request in plan.Preempted)
            Assert.DoesNotContain(request.Id.Value, kept);
    }

    private void Audit()
    {
        if (_audit)
            Scheduler.Audit();
    }
}
