using System;
using Quire.Core.Foundation;
using Quire.Core.KvCache;
using Quire.Core.Requests;

namespace Quire.Core.Scheduling;

/// <summary>Brings the sampled tokens of one row into its request.</summary>
internal sealed class ResultIntake
{
    private readonly KvCacheManager _cache;
    private readonly int _maxLength;

    public ResultIntake(KvCacheManager cache, int maxLength)
    {
        _cache = cache;
        _maxLength = maxLength;
    }

    /// <summary>Appends the tokens of a row until one of them ends the request. The request must not have finished; the caller ends it.</summary>
    public RowOutcome Take(in ScheduledRow row, ReadOnlySpan<int> tokens)
    {
        if (!row.Samples)
        {
            Invariant.Check(tokens.Length == 0, "a row that does not sample gave a token");
            return default;
        }

        Invariant.Check(tokens.Length >= 1 && tokens.Length <= 1 + row.DraftCount, "a row gives between one token and one more than it had drafts");
        RequestState request = row.Request;

        // A request that lost its blocks meanwhile keeps the tokens; its counters start over and are not touched.
        bool current = row.Epoch == request.Preemptions;
        if (current)
        {
            int rejected = 1 + row.DraftCount - tokens.Length;
            request.ComputedTokens -= rejected;
            request.UnknownTokens -= rejected;
            request.SetDrafts([]);
        }

        FinishReason? reason = AppendUntilStop(request, tokens, out int appended);
        if (current && reason is null)
        {
            request.UnknownTokens -= appended;
            Invariant.Check(request.UnknownTokens >= 0, "more tokens came than were planned");
            _cache.RegisterFullBlocks(request, request.ComputedTokens - request.UnknownTokens);
        }

        return new RowOutcome(appended, reason, Ignored: false);
    }

    private FinishReason? AppendUntilStop(RequestState request, ReadOnlySpan<int> tokens, out int appended)
    {
        appended = 0;
        foreach (int token in tokens)
        {
            request.Append(token);
            appended++;
            if (StopRules.Test(request, _maxLength, out int? stopTokenId) is { } reason)
            {
                request.StopTokenId = stopTokenId;
                return reason;
            }
        }

        return null;
    }
}
