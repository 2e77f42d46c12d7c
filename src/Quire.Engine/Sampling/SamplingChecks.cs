using System;
using System.Collections.Generic;
using System.Globalization;
using System.Text;
using Quire.Core.Requests;

namespace Quire.Engine.Sampling;

/// <summary>The checks of sampling parameters that need to know the model, with vLLM's texts and in its order.</summary>
public static class SamplingChecks
{
    /// <summary>How many offending ids a message lists.</summary>
    private const int ListedMax = 16;

    /// <summary>Null when the parameters fit the model; call it after <see cref="SamplingParams.Validate"/>.</summary>
    /// <param name="sampling">The request's parameters.</param>
    /// <param name="vocabularySize">The length of a row of logits.</param>
    /// <param name="maxLogprobs">The engine's limit for logprobs and prompt_logprobs; −1 is the vocabulary.</param>
    /// <param name="speculative">Whether the engine speculates: min_p and logit_bias are then refused.</param>
    public static Refusal? Validate(SamplingParams sampling, int vocabularySize, int maxLogprobs = 20, bool speculative = false)
    {
        ArgumentNullException.ThrowIfNull(sampling);
        int limit = maxLogprobs == -1 ? vocabularySize : maxLogprobs;
        return Count("logprobs", "sample logprobs", sampling.Logprobs, vocabularySize, limit)
            ?? Ids("logprob_token_ids", sampling.LogprobTokenIds, vocabularySize)
            ?? Count("prompt_logprobs", "prompt logprobs", sampling.PromptLogprobs, vocabularySize, limit)
            ?? Ids("logit_bias", sampling.LogitBias?.Keys, vocabularySize)
            ?? Ids("stop_token_ids", sampling.StopTokenIds, vocabularySize)
            ?? Allowed(sampling.AllowedTokenIds, vocabularySize)
            ?? Speculation(sampling, speculative);
    }

    private static Refusal? Count(string field, string words, int? requested, int vocabularySize, int limit)
    {
        if (requested is not { } count)
            return null;
        count = count == -1 ? vocabularySize : count;
        return count > limit
            ? Invalid(field, $"Requested {words} of {count}, which is greater than max allowed: {limit}")
            : null;
    }

    private static Refusal? Ids(string field, IEnumerable<int>? ids, int vocabularySize)
    {
        List<int>? outside = Outside(ids, vocabularySize);
        return outside is null
            ? null
            : Invalid(field, $"token_id(s) {List(outside)} in {field} contain out-of-vocab token ids. Vocabulary size: {vocabularySize}");
    }

    private static Refusal? Allowed(IReadOnlyList<int>? ids, int vocabularySize)
    {
        if (ids is null)
            return null;
        if (ids.Count == 0)
            return Invalid("allowed_token_ids", "allowed_token_ids is not None and empty!");
        return Outside(ids, vocabularySize) is null
            ? null
            : Invalid("allowed_token_ids", "allowed_token_ids contains out-of-vocab token id!");
    }

    private static Refusal? Speculation(SamplingParams sampling, bool speculative)
    {
        if (!speculative || (sampling.MinP <= SamplingParams.GreedyEpsilon && sampling.LogitBias is not { Count: > 0 }))
            return null;
        return new Refusal(RefusalCode.Unsupported, sampling.MinP > SamplingParams.GreedyEpsilon ? "min_p" : "logit_bias",
            "The min_p and logit_bias sampling parameters are not yet supported with speculative decoding.");
    }

    private static List<int>? Outside(IEnumerable<int>? ids, int vocabularySize)
    {
        List<int>? outside = null;
        foreach (int id in ids ?? [])
        {
            if (id < 0 || id >= vocabularySize)
                (outside ??= []).Add(id);
        }

        return outside;
    }

    /// <summary>The ids as Python prints a list; a long one is cut, so that a message cannot become as large as the request.</summary>
    internal static string List(List<int> ids)
    {
        var text = new StringBuilder("[");
        for (int i = 0; i < ids.Count && i < ListedMax; i++)
            text.Append(i == 0 ? "" : ", ").Append(ids[i].ToString(CultureInfo.InvariantCulture));
        return text.Append(ids.Count > ListedMax ? ", …]" : "]").ToString();
    }

    private static Refusal Invalid(string field, string message) => new(RefusalCode.InvalidValue, field, message);
}
