using System;
using Quire.Core.KvCache;
using Quire.Core.Requests;

namespace Quire.Core.Scheduling;

/// <summary>
/// Makes the rows of a step: which requests are in it and with how many tokens. Running requests come first; the waiting ones get what is left.
/// </summary>
internal sealed class Planner
{
    private readonly SchedulerOptions _options;
    private readonly KvCacheManager _cache;
    private readonly RunningSet _running;
    private readonly WaitingLine _line;
    private readonly AdapterSet _adapters;
    private readonly int _maxLength;

    public Planner(SchedulerOptions options, KvCacheManager cache, RunningSet running, WaitingLine line, int maxLength)
    {
        _options = options;
        _cache = cache;
        _running = running;
        _line = line;
        _maxLength = maxLength;
        _adapters = new AdapterSet(options.MaxLoras);
    }

    public PrefixCounts FirstLookups { get; private set; }

    public PrefixCounts ResumedLookups { get; private set; }

    public long Preemptions { get; private set; }

    /// <summary>Fills a plan with rows, and counts their tokens as computed. True when a request lost its blocks.</summary>
    public bool Fill(StepPlan plan)
    {
        var budget = new TokenBudget(_options, _maxLength);
        int before = plan.Preempted.Length;
        PlanRunning(plan, ref budget);

        // Newcomers would only compete for blocks with those that lost theirs.
        bool somebodyGaveWay = plan.Preempted.Length > before;
        if (!somebodyGaveWay)
            PlanWaiting(plan, ref budget);
        Advance(plan);
        return somebodyGaveWay;
    }

    /// <summary>Takes the blocks of a running request and lets it wait before all others of its turn.</summary>
    public RequestState Preempt(int place)
    {
        RequestState request = _running[place];
        _running.RemoveAt(place);
        _cache.FreePreempted(request);
        request.LoseBlocks();
        _line.Return(request);
        Preemptions++;
        return request;
    }

    private void PlanRunning(StepPlan plan, ref TokenBudget budget)
    {
        int place = 0;
        while (place < _running.Count && budget.Left > 0)
        {
            RequestState request = _running[place];
            int tokens = budget.ForRunning(request);
            if (tokens == 0)
            {
                // Its end is certain, or its context is full up to results in flight. Later requests may still run.
                place++;
                continue;
            }

            while (!_cache.TryGrow(request, tokens, _options.NumLookaheadTokens))
            {
                int victimPlace = Preemption.Victim(_running.Span, _options.Policy);
                if (victimPlace < place)
                    place--;
                RequestState victim = Preempt(victimPlace);
                budget.GiveBack(plan.Remove(victim));
                plan.Add(victim);
                if (ReferenceEquals(victim, request))
                    return;
            }

            AddRow(plan, request, tokens, request.IsFork ? RowKind.New : RowKind.Running);
            request.IsFork = false;
            budget.Spend(tokens);
            place++;
        }
    }

    private void PlanWaiting(StepPlan plan, ref TokenBudget budget)
    {
        _adapters.Restart(_running.Span);
        while (budget.Left > 0 && !_running.IsFull && _line.Head is { } request)
        {
            // A token of it may be in flight since before it lost its blocks; adapters may be full.
            if (request.StepsInFlight > 0 || !_adapters.Admits(request))
            {
                _line.PassOver(request);
                continue;
            }

            // The head waits for its blocks; nobody overtakes it.
            if (!TryTake(request, plan, ref budget))
                break;
        }

        _line.EndOfTurn();
    }

    private bool TryTake(RequestState request, StepPlan plan, ref TokenBudget budget)
    {
        // However much of it is cached, its last token needs a block of its own: with none free, the lookup can be spared.
        if (_cache.Pool.FreeCount == 0)
            return false;
        int hits = _cache.FindCachedPrefix(request);
        int cached = hits * _options.BlockSize;
        int tokens = budget.WantedByWaiting(request, cached);
        if (!_options.EnableChunkedPrefill && tokens > budget.Left)
            return false;
        tokens = Math.Min(tokens, budget.Left);
        if (!_cache.TryAdmit(request, hits, tokens, _options.SchedulerReserveFullIsl, othersRun: _running.Count > 0))
            return false;

        WaitingLine.Remove(request);
        _running.Append(request);
        CountLookup(request, cached);
        RowKind kind = request.Status == RequestStatus.Preempted && !request.IsFork ? RowKind.Resumed : RowKind.New;
        request.IsFork = false;
        request.Status = RequestStatus.Running;
        request.ComputedTokens = cached;
        if (request.CachedTokens is null)
        {
            request.CachedTokens = cached;
            request.Reserve(_maxLength, _options.BlockSize, _options.EnablePrefixCaching);
        }

        AddRow(plan, request, tokens, kind);
        budget.Spend(tokens);
        _adapters.Add(request);
        return true;
    }

    private static void AddRow(StepPlan plan, RequestState request, int tokens, RowKind kind)
    {
        int end = request.ComputedTokens + tokens;
        int known = request.TokenCount + request.UnknownTokens;
        plan.Add(new ScheduledRow
        {
            Request = request,
            FirstPosition = request.ComputedTokens,
            TokenCount = tokens,
            Samples = end >= known,
            Kind = kind,
            InputPending = request.UnknownTokens > 0 && end >= known,
            DraftCount = Math.Max(0, end - known),
            BlockCount = request.Blocks.Count,
            LastBlocks = request.Blocks.LastBlocks,
            Epoch = request.Preemptions,
        });
    }

    /// <summary>Counts the planned tokens as computed, so that the next plan goes on from there without waiting for the result.</summary>
    private static void Advance(StepPlan plan)
    {
        foreach (ref readonly ScheduledRow row in plan.Rows)
        {
            RequestState request = row.Request;
            request.ComputedTokens += row.TokenCount;
            request.StepsInFlight++;
            if (row.Samples)
                request.UnknownTokens += 1 + row.DraftCount;
        }
    }

    private void CountLookup(RequestState request, int cached)
    {
        if (!_options.EnablePrefixCaching || request.Spec.SkipReadingPrefixCache)
            return;
        if (request.Status == RequestStatus.Preempted)
            ResumedLookups = ResumedLookups.Plus(request.TokenCount, cached);
        else
            FirstLookups = FirstLookups.Plus(request.TokenCount, cached);
    }
}
