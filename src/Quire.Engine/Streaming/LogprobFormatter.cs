using System;
using Quire.Engine.Sampling;

namespace Quire.Engine.Streaming;

/// <summary>Gives log-probabilities their tokens' texts.</summary>
internal static class LogprobFormatter
{
    /// <param name="logprobs">The candidates of one position.</param>
    /// <param name="texts">Null leaves the texts empty: there is no tokenizer.</param>
    /// <param name="preceding">The tokens before the position, at least the last few.</param>
    public static TokenLogprobs Format(SampledLogprobs logprobs, TokenTextCorrector? texts, ReadOnlySpan<int> preceding)
    {
        var entries = new TokenLogprob[logprobs.Count];
        for (int i = 0; i < entries.Length; i++)
        {
            int token = logprobs.TokenIds[i];
            entries[i] = new TokenLogprob(token, logprobs.Values[i], logprobs.Ranks[i], texts?.TextOf(token, preceding) ?? "");
        }

        return new TokenLogprobs(entries);
    }
}
