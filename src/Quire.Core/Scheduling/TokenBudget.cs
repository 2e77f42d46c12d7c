using System;
using Quire.Core.Requests;

namespace Quire.Core.Scheduling;

/// <summary>How many tokens are left in a step, and how many of them a request gets.</summary>
internal struct TokenBudget
{
    private readonly int _threshold;
    private readonly int _maxLength;

    public TokenBudget(SchedulerOptions options, int maxLength)
    {
        Left = Math.Min(options.MaxNumScheduledTokens ?? options.MaxNumBatchedTokens, options.MaxNumBatchedTokens);
        _threshold = options.LongPrefillTokenThreshold;
        _maxLength = maxLength;
    }

    public int Left { get; private set; }

    /// <summary>
    /// Tokens for a running request: all that it still has to compute, the token that the step in flight samples included; cut to the
    /// threshold, to what is left, and so that one sampled token still fits the context. 0 when there is nothing to do.
    /// </summary>
    public readonly int ForRunning(RequestState request)
    {
        int unknown = request.UnknownTokens;

        // With results outstanding, the request may be certain to end with them: then a further step would be thrown away.
        if (unknown > 0 && request.ComputedTokens + 2 - unknown >= (long)request.PromptLength + request.Spec.MaxTokens)
            return 0;
        int tokens = request.TokenCount + request.DraftCount + unknown - request.ComputedTokens;
        tokens = Math.Min(CutToThreshold(tokens), Left);
        return Math.Max(0, Math.Min(tokens, _maxLength - request.ComputedTokens - 1));
    }

    /// <summary>Tokens that a waiting request with so many cached tokens wants in its first step; may be more than is left.</summary>
    public readonly int WantedByWaiting(RequestState request, int cachedTokens) => CutToThreshold(request.TokenCount - cachedTokens);

    public void Spend(int tokens) => Left -= tokens;

    public void GiveBack(int tokens) => Left += tokens;

    private readonly int CutToThreshold(int tokens) => _threshold > 0 ? Math.Min(tokens, _threshold) : tokens;
}
