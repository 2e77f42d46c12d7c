using System;
using System.Collections.Generic;
using Quire.Core.Foundation;
using Quire.Core.KvCache;
using Quire.Core.Requests;

namespace Quire.Core.Scheduling;

/// <summary>
/// Decides step by step which tokens of which requests are computed. There is no prefill phase and no decode phase: every step brings the computed
/// tokens of each request closer to its known ones, within the budgets. The rules are those of vLLM's v1 scheduler.
/// <para>
/// It has no clock, no threads and no randomness: the same calls give the same plans. One thread owns it. <see cref="Plan"/> may be called once more
/// before the previous plan is committed; then it schedules tokens that are sampled but not known yet.
/// </para>
/// </summary>
public sealed class Scheduler
{
    private readonly SchedulerOptions _options;
    private readonly KvCacheManager _cache;
    private readonly RunningSet _running;
    private readonly WaitingLine _line;
    private readonly Planner _planner;
    private readonly ResultIntake _intake;
    private readonly Dictionary<long, RequestState> _requests = [];
    private readonly List<BlockCopy> _copies = [];
    private StepPlan _next = new();
    private StepPlan _afterNext = new();
    private StepPlan? _inFlight;
    private StepPlan? _inFlightAhead;
    private long _arrivals;
    private long _steps;

    /// <exception cref="ArgumentException">The options are refused by <see cref="SchedulerOptions.Validate"/>.</exception>
    public Scheduler(SchedulerOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        if (options.Validate() is { } refusal)
            throw new ArgumentException(refusal.Message, nameof(options));
        _options = options;
        Geometry = new KvGeometry(options.BlockSize, options.NumBlocks);

        KvCacheGroups groups = options.KvCacheGroups;
        int[] mostBlocks = new int[groups.Count];
        for (int group = 0; group < mostBlocks.Length; group++)
            mostBlocks[group] = groups.MostBlocks(group, Geometry, options.MaxModelLen, options.MaxNumBatchedTokens, options.NumLookaheadTokens);

        // A sequence that fills the whole cache can sample one token more, since that token needs no slot any more; where all layers slide it can go on.
        int fits = groups.LongestFit(Geometry, options.MaxModelLen, options.MaxNumBatchedTokens, options.NumLookaheadTokens);
        MaxSequenceLength = Math.Min(options.MaxModelLen, fits + 1);
        _cache = new KvCacheManager(
            Geometry, groups, options.EnablePrefixCaching, options.CacheKey.Span, options.Watermark, MaxSequenceLength, Geometry.BlocksFor(fits), mostBlocks);
        _running = new RunningSet(options.MaxNumSeqs);
        _line = new WaitingLine(options.Policy);
        _planner = new Planner(options, _cache, _running, _line, MaxSequenceLength);
        _intake = new ResultIntake(_cache, MaxSequenceLength);
    }

    public KvGeometry Geometry { get; }

    /// <summary>The most tokens a sequence may have: max_model_len, or what the cache holds if that is less.</summary>
    public int MaxSequenceLength { get; }

    public int RunningCount => _running.Count;

    /// <summary>Requests that hold no blocks: new ones and preempted ones.</summary>
    public int WaitingCount => _line.Count;

    /// <summary>Of the waiting ones those that the last plan passed over for a reason other than room, such as the limit on adapters.</summary>
    public int DeferredCount => _line.DeferredCount;

    public int FreeBlocks => _cache.Pool.FreeCount;

    /// <summary>The part of the cache that requests hold, 0 to 1.</summary>
    public double CacheUsage => _cache.Usage;

    /// <summary>Plans that were given out and not committed: 0, 1 or 2.</summary>
    public int PlansInFlight => (_inFlight is null ? 0 : 1) + (_inFlightAhead is null ? 0 : 1);

    public SchedulerStatistics Statistics => new(_steps, _planner.FirstLookups, _planner.ResumedLookups, _planner.Preemptions);

    /// <summary>The running requests in the order in which they were taken.</summary>
    public ReadOnlySpan<RequestState> Running => _running.Span;

    /// <summary>Adds the waiting requests in the order in which they would be taken.</summary>
    public void CopyWaitingTo(List<RequestState> destination)
    {
        ArgumentNullException.ThrowIfNull(destination);
        _line.CopyTo(destination);
    }

    /// <summary>The request of this id, or null when there is none or it has finished.</summary>
    public RequestState? Find(RequestId id) => _requests.GetValueOrDefault(id.Value);

    /// <summary>
    /// Takes a request into the queue, or says at once why not. A request that was taken ends in exactly one <see cref="FinishReason"/>.
    /// </summary>
    public Refusal? Admit(RequestSpec request, object? attachment = null)
    {
        ArgumentNullException.ThrowIfNull(request);
        if (Refuse(request) is { } refusal)
            return refusal;
        var state = new RequestState(request, _arrivals++, attachment, _options.KvCacheGroups.Count);
        _cache.Open(state);
        _requests.Add(request.Id.Value, state);
        _line.Join(state);
        return null;
    }

    /// <summary>Ends a request and frees its blocks. False when there is no such request or it has finished.</summary>
    public bool Abort(RequestId id) => Finish(id, FinishReason.Abort);

    /// <summary>
    /// Ends a request for a reason that only the caller can see (a stop text, a grammar that refused everything). Results of it that are still in flight
    /// are ignored. False when there is no such request or it has finished.
    /// </summary>
    public bool Finish(RequestId id, FinishReason reason)
    {
        if (!_requests.TryGetValue(id.Value, out RequestState? request))
            return false;
        if (request.Status == RequestStatus.Running)
            _running.RemoveAt(_running.IndexOf(request));
        End(request, reason);
        return true;
    }

    /// <summary>
    /// The next step: first the running requests in order, then, if nobody had to give way, waiting ones. Null when nothing can run before a plan is
    /// committed or a request comes. At most two plans may be uncommitted. Read the block tables of the rows before the next call of the scheduler.
    /// </summary>
    /// <param name="mayBeEmpty">
    /// Whether a step in which requests only lost their blocks is given back as a plan without rows, as vLLM does, instead of planning again at once.
    /// </param>
    public StepPlan? Plan(bool mayBeEmpty = false)
    {
        Invariant.Check(_inFlightAhead is null, "two plans wait for their commit already");
        StepPlan plan = _next;
        plan.Begin();
        bool somebodyGaveWay = _planner.Fill(plan);
        while (plan.Rows.Length == 0 && somebodyGaveWay && !mayBeEmpty)
            somebodyGaveWay = _planner.Fill(plan);
        if (plan.Rows.Length == 0 && !somebodyGaveWay)
            return null;

        if (plan.Rows.Length > 0)
            TakeCopies(plan);
        plan.End(++_steps);
        (_next, _afterNext) = (_afterNext, _next);
        if (_inFlight is null)
            _inFlight = plan;
        else
            _inFlightAhead = plan;
        return plan;
    }

    /// <summary>
    /// Takes the results of the oldest uncommitted plan: appends tokens, tests for stops, frees what has finished. <see cref="StepPlan.Outcomes"/> says what
    /// became of each row.
    /// </summary>
    public void Commit(StepPlan plan, in SampledTokens sampled)
    {
        ArgumentNullException.ThrowIfNull(plan);
        Invariant.Check(ReferenceEquals(plan, _inFlight), "plans are committed in the order in which they were made, once each");
        Invariant.Check(sampled.Counts.Length == plan.Rows.Length, "there is one count per row");
        _inFlight = _inFlightAhead;
        _inFlightAhead = null;

        int offset = 0;
        bool someFinished = false;
        for (int i = 0; i < sampled.Counts.Length; i++)
        {
            ref readonly ScheduledRow row = ref plan.Rows[i];
            ReadOnlySpan<int> tokens = sampled.Tokens.Slice(offset, sampled.Counts[i]);
            offset += tokens.Length;
            row.Request.StepsInFlight--;
            if (row.Request.Status == RequestStatus.Finished)
            {
                plan.Add(new RowOutcome(0, null, Ignored: true));
                continue;
            }

            RowOutcome outcome = _intake.Take(row, tokens);
            plan.Add(outcome);
            if (outcome.FinishReason is { } reason)
            {
                End(row.Request, reason);
                someFinished = true;
            }
        }

        Invariant.Check(offset == sampled.Tokens.Length, "more tokens were given than the rows count");
        if (someFinished)
            _running.RemoveFinished();
    }

    /// <summary>Draft tokens that the next step verifies. The request must have no result in flight; one that does not run is left alone.</summary>
    public void SetDrafts(RequestId id, ReadOnlySpan<int> drafts)
    {
        if (!_requests.TryGetValue(id.Value, out RequestState? request) || request.Status != RequestStatus.Running)
            return;
        Invariant.Check(request.StepsInFlight == 0, "drafts need the tokens of the step before");
        request.SetDrafts(drafts);
    }

    /// <summary>
    /// Starts a request as a copy of a running one, sharing its blocks: for several answers to one prompt, and for beams. Its prompt, adapter and salt
    /// are those of the parent; it goes on from the parent's present tokens. The block that both would write to is copied in the next plan.
    /// False, and nothing changed, when the parent has results in flight or is not running, or when there is no room now; then
    /// <see cref="Admit"/> the tokens as a request of their own.
    /// </summary>
    /// <exception cref="ArgumentException">The child is not a request for the parent's prompt, or its id is taken.</exception>
    public bool TryFork(RequestId parentId, RequestSpec child, object? attachment = null)
    {
        ArgumentNullException.ThrowIfNull(child);
        if (!_requests.TryGetValue(parentId.Value, out RequestState? parent) || parent.Status != RequestStatus.Running
            || parent.StepsInFlight > 0 || parent.DraftCount > 0 || _running.IsFull)
        {
            return false;
        }

        if (Refuse(child) is { } refusal)
            throw new ArgumentException(refusal.Message, nameof(child));
        if (!child.PromptTokenIds.AsSpan().SequenceEqual(parent.Spec.PromptTokenIds) || child.LoraName != parent.Spec.LoraName
            || child.CacheSalt != parent.Spec.CacheSalt || child.MaxTokens <= parent.OutputLength)
        {
            throw new ArgumentException("A fork has the prompt, adapter and salt of its parent, and room for another token.", nameof(child));
        }

        var state = new RequestState(parent, child, _arrivals, attachment);
        if (!_cache.TryFork(parent, state, _copies))
            return false;
        _arrivals++;
        state.Status = RequestStatus.Running;
        state.Reserve(MaxSequenceLength, Geometry.BlockSize, _options.EnablePrefixCaching);
        _requests.Add(child.Id.Value, state);
        _running.Append(state);
        return true;
    }

    /// <summary>
    /// Forgets all cached prefixes. False, and nothing forgotten, while requests hold blocks; <paramref name="resetRunning"/> takes their blocks first,
    /// so that they are computed again.
    /// </summary>
    public bool ResetPrefixCache(bool resetRunning = false)
    {
        while (resetRunning && _running.Count > 0)
            _planner.Preempt(_running.Count - 1);
        return _cache.ResetPrefixCache();
    }

    /// <summary>Recounts everything from scratch. For tests and simulations: slow.</summary>
    /// <exception cref="InvariantException">Something does not agree.</exception>
    public void Audit()
    {
        KvCacheAudit.Check(_cache, _requests.Values);
        Invariant.Check(_running.Count + WaitingCount == _requests.Count, "a request is neither running nor waiting");
        foreach (RequestState request in _running.Span)
        {
            Invariant.Check(request.Status == RequestStatus.Running && request.Queue is null, "a running request has another status");
            Invariant.Check(request.UnknownTokens >= 0, "a request waits for a negative number of tokens");
            Invariant.Check(request.ComputedTokens - request.UnknownTokens <= request.TokenCount, "more was computed than is known");
            Invariant.Check(request.TokenCount < MaxSequenceLength, "a request outgrew the context");
        }
    }

    private void TakeCopies(StepPlan plan)
    {
        foreach (BlockCopy copy in _copies)
            plan.Add(copy);
        _copies.Clear();
    }

    private Refusal? Refuse(RequestSpec request)
    {
        if (request.Validate() is { } refusal)
            return refusal;
        int length = request.PromptTokenIds.Length;
        if (length >= _options.MaxModelLen)
        {
            return new Refusal(RefusalCode.ContextLengthExceeded, "prompt", $"The prompt has {length} tokens, but max_model_len is "
                + $"{_options.MaxModelLen} and leaves at most {_options.MaxModelLen - 1} for it. Shorten the prompt or raise max_model_len.");
        }

        if (length >= MaxSequenceLength)
        {
            return new Refusal(RefusalCode.InsufficientMemory, "prompt", $"The prompt has {length} tokens, but the KV cache holds "
                + $"{MaxSequenceLength - 1}. Shorten the prompt, or give the cache more memory (gpu_memory_utilization, kv_cache_memory_bytes).");
        }

        return _requests.ContainsKey(request.Id.Value)
            ? new Refusal(RefusalCode.DuplicateRequest, "request_id", $"A request of id {request.Id} has not finished yet.")
            : null;
    }

    /// <summary>Ends a request. A running one leaves the running list by its caller.</summary>
    private void End(RequestState request, FinishReason reason)
    {
        _cache.Free(request);
        WaitingLine.Remove(request);
        request.Status = RequestStatus.Finished;
        request.FinishReason = reason;
        request.Blocks.Release();
        _requests.Remove(request.Id.Value);
    }
}
