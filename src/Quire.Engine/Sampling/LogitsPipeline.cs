using System;

namespace Quire.Engine.Sampling;

/// <summary>The steps that change single logits before a token is chosen, in vLLM's order, on one row in place.</summary>
internal static class LogitsPipeline
{
    public static void Apply(Span<float> logits, SamplerState state)
    {
        SamplerSettings settings = state.Settings;
        if (settings.AllowedMask is { } mask)
            TokenMask.Apply(logits, mask);
        MaskBadWords(logits, settings.BadWords, state.Recent);
        if (state.MasksStopTokens)
        {
            foreach (int id in settings.MinTokensMask)
                logits[id] = float.NegativeInfinity;
        }

        for (int i = 0; i < settings.BiasIds.Length; i++)
            logits[settings.BiasIds[i]] += settings.Biases[i];
        if (state.Counts is { } counts)
            Penalize(logits, settings, counts);
        if (state.ForcedTokenId is { } forced)
        {
            logits.Fill(float.NegativeInfinity);
            logits[forced] = 0f;
        }
    }

    private static void MaskBadWords(Span<float> logits, int[][] badWords, ReadOnlySpan<int> recent)
    {
        foreach (int[] word in badWords)
        {
            int last = word[^1];
            if ((uint)last < (uint)logits.Length && recent.EndsWith(word.AsSpan(0, word.Length - 1)))
                logits[last] = float.NegativeInfinity;
        }
    }

    private static void Penalize(Span<float> logits, SamplerSettings settings, TokenCounts counts)
    {
        ReadOnlySpan<int> ids = counts.TokenIds;
        ReadOnlySpan<int> outputCounts = counts.OutputCounts;
        float inverse = 1f / settings.RepetitionPenalty;
        for (int i = 0; i < ids.Length; i++)
        {
            if ((uint)ids[i] >= (uint)logits.Length)
                continue;
            ref float logit = ref logits[ids[i]];
            float value = logit > 0f ? logit * inverse : logit * settings.RepetitionPenalty;
            if (outputCounts[i] > 0)
                value = value - (settings.FrequencyPenalty * outputCounts[i]) - settings.PresencePenalty;

            // A tiny repetition penalty must not turn a large logit into +∞. NaN passes through and is found later.
            logit = value == float.PositiveInfinity && logit < value ? float.MaxValue : value;
        }
    }
}
