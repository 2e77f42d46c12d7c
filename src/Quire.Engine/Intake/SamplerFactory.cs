using System.Collections.Generic;
using Quire.Core.Requests;
using Quire.Engine.Sampling;
using Quire.Tokenization;

namespace Quire.Engine.Intake;

/// <summary>Checks sampling parameters against the model and makes the sampler's settings of each request.</summary>
/// <param name="vocabularySize">Logits of a position.</param>
/// <param name="maxLogprobs">Most log-probabilities a position; −1 is the vocabulary.</param>
/// <param name="mode">What is reported as a log-probability.</param>
/// <param name="endTokenIds">Every token that ends a text.</param>
/// <param name="tokenizer">For bad_words; null without one.</param>
/// <param name="seed">The engine's seed: what requests without their own are keyed by.</param>
internal sealed class SamplerFactory(
    int vocabularySize, int maxLogprobs, LogprobsMode mode, IReadOnlyList<int> endTokenIds, ITokenizer? tokenizer, long seed)
{
    /// <summary>The settings that all n outputs of a request share.</summary>
    /// <exception cref="QuireException">The model cannot obey the parameters.</exception>
    public SamplerSettings Settings(SamplingParams sampling)
    {
        Check(SamplingChecks.Validate(sampling, vocabularySize, maxLogprobs));
        IReadOnlyList<int[]>? badWords = null;
        if (sampling.BadWords.Count > 0)
        {
            if (tokenizer is null)
            {
                Check(new Refusal(RefusalCode.InvalidValue, "bad_words", "bad_words need a tokenizer, and the server runs without one (skip_tokenizer_init)"));
            }

            Check(BadWordTokens.Tokenize(sampling.BadWords, word => tokenizer!.Encode(word, addSpecialTokens: false), vocabularySize, out badWords));
        }

        return SamplerSettings.Create(sampling, vocabularySize, endTokenIds, badWords, mode);
    }

    /// <summary>The state of the first output of the request whose first sequence is <paramref name="firstId"/>.</summary>
    public SamplerState Create(SamplerSettings settings, int[] prompt, long firstId) =>
        new(settings, prompt, unchecked((ulong)seed * 0x9E37_79B9_7F4A_7C15 + (ulong)firstId));

    private static void Check(Refusal? refusal)
    {
        if (refusal is not null)
        {
            throw QuireException.From(refusal);
        }
    }
}
