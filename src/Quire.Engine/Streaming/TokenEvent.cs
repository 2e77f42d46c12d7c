using Quire.Core.Requests;
using Quire.Engine.Sampling;

namespace Quire.Engine.Streaming;

/// <summary>What the engine's thread reports about one output: a token, an end, or both.</summary>
/// <param name="Index">Which of the n outputs.</param>
/// <param name="HasToken">Whether <paramref name="TokenId"/> counts.</param>
/// <param name="TokenId">The sampled token.</param>
/// <param name="Logprobs">Its log-probabilities, when asked for.</param>
/// <param name="Finish">Set when the output ends here.</param>
/// <param name="StopTokenId">The stop token that ended it, other than the end-of-sequence token.</param>
internal readonly record struct TokenEvent(
    int Index, bool HasToken, int TokenId, SampledLogprobs? Logprobs, FinishReason? Finish, int? StopTokenId);
