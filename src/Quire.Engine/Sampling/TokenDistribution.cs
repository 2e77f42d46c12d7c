namespace Quire.Engine.Sampling;

/// <summary>All that decides about the next token, as <see cref="Sampler.Describe"/> tells it.</summary>
/// <param name="TokenIds">The tokens that can be drawn, in order of id.</param>
/// <param name="Probabilities">Beside them; they add up to 1.</param>
/// <param name="Kept">How many logits are above −∞ after all steps, those included that are too small ever to be drawn.</param>
/// <param name="Greedy">The token that temperature 0 takes.</param>
/// <param name="Token">What is reported of a given token; null when none was given.</param>
public sealed record TokenDistribution(int[] TokenIds, double[] Probabilities, int Kept, int Greedy, TokenReport? Token);

/// <summary>What is reported of a token in both kinds of log-probabilities.</summary>
/// <param name="RawRank">How many raw logits are at or above the token's.</param>
/// <param name="ProcessedRank">The same after all steps.</param>
/// <param name="Raw">Log-probabilities of the raw row.</param>
/// <param name="Processed">Log-probabilities of what is drawn from.</param>
public sealed record TokenReport(int RawRank, int ProcessedRank, SampledLogprobs Raw, SampledLogprobs Processed);
