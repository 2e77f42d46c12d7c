using System;
using Quire.Core.Requests;

namespace Quire.Core.Scheduling;

/// <summary>Whether a request has ended with its newest token.</summary>
internal static class StopRules
{
    /// <summary>
    /// The tests in their order: the length of the context (always), then, when min_tokens is reached, the end-of-sequence token, stop tokens,
    /// max_tokens, repetition. So the end-of-sequence token as the last allowed one is a stop, not a cut.
    /// </summary>
    /// <param name="request">Its newest token is already appended.</param>
    /// <param name="maxLength">The most tokens that a sequence may have.</param>
    /// <param name="stopTokenId">The stop token, when one of the request's own ended it.</param>
    public static FinishReason? Test(RequestState request, int maxLength, out int? stopTokenId)
    {
        stopTokenId = null;
        RequestSpec spec = request.Spec;
        int token = request.Tokens[^1];
        if (request.OutputLength >= spec.MinTokens)
        {
            if (token == spec.EosTokenId)
                return FinishReason.Stop;
            if (spec.StopTokenIds.AsSpan().Contains(token))
            {
                stopTokenId = token;
                return FinishReason.Stop;
            }
        }

        // Unlike the other tests this one cannot wait for min_tokens: there is no room for another token.
        if (request.TokenCount >= maxLength)
            return FinishReason.Length;
        if (request.OutputLength < spec.MinTokens)
            return null;
        if (request.OutputLength >= spec.MaxTokens)
            return FinishReason.Length;
        return spec.RepetitionDetection is { } detection && detection.IsRepeating(request.OutputTokens)
            ? FinishReason.Repetition
            : null;
    }
}
