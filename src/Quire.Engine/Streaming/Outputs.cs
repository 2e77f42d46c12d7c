using System.Collections.Generic;
using Quire.Core.Requests;

namespace Quire.Engine.Streaming;

/// <summary>One candidate of a position: a token with its log-probability.</summary>
/// <param name="TokenId">The token.</param>
/// <param name="Logprob">Natural logarithm of its probability; negative infinity when it was masked.</param>
/// <param name="Rank">1 for the most likely token of the vocabulary.</param>
/// <param name="Token">Its text decoded alone; empty when it is only a part of a character.</param>
public readonly record struct TokenLogprob(int TokenId, float Logprob, int Rank, string Token);

/// <summary>The candidates of one position: the token that was taken first, then the most likely ones.</summary>
public sealed record TokenLogprobs(IReadOnlyList<TokenLogprob> Entries);

/// <summary>What made an output end with <see cref="FinishReason.Stop"/>: a stop string, a stop token, or (default) the end-of-sequence token.</summary>
/// <param name="Text">The stop string, when there was one.</param>
/// <param name="TokenId">The stop token, when there was one.</param>
public readonly record struct StopReason(string? Text, int? TokenId)
{
    public bool IsNone => Text is null && TokenId is null;
}

/// <summary>What is new in one output of a request.</summary>
public sealed class OutputDelta
{
    /// <summary>Which of the n outputs.</summary>
    public required int Index { get; init; }

    /// <summary>Text that no later token can change: half characters and possible beginnings of stop strings are held back.</summary>
    public required string Text { get; init; }

    /// <summary>The new tokens.</summary>
    public required IReadOnlyList<int> TokenIds { get; init; }

    /// <summary>One entry for each of <see cref="TokenIds"/>, when asked for.</summary>
    public IReadOnlyList<TokenLogprobs>? Logprobs { get; init; }

    /// <summary>Set on the last delta of this output.</summary>
    public FinishReason? FinishReason { get; init; }

    public StopReason StopReason { get; init; }
}

/// <summary>When things happened to a request, in seconds since it arrived, and what it cost.</summary>
public sealed record RequestTimings
{
    /// <summary>Waiting for the first scheduling.</summary>
    public double QueueSeconds { get; init; }

    /// <summary>Arrival to first token.</summary>
    public double TimeToFirstTokenSeconds { get; init; }

    /// <summary>First token to last token.</summary>
    public double DecodeSeconds { get; init; }

    /// <summary>Arrival to last token.</summary>
    public double EndToEndSeconds { get; init; }

    /// <summary>Mean time per output token after the first; 0 with one token.</summary>
    public double TimePerOutputTokenSeconds { get; init; }

    /// <summary>Prompt tokens whose keys and values were already in the cache.</summary>
    public int CachedTokens { get; init; }

    /// <summary>How often the request gave way to others and was computed again.</summary>
    public int Preemptions { get; init; }
}

/// <summary>One finished output.</summary>
public sealed record CompletionOutput
{
    public required int Index { get; init; }

    public required string Text { get; init; }

    public required IReadOnlyList<int> TokenIds { get; init; }

    /// <summary>Sum of the log-probabilities of the tokens; null when none were asked for.</summary>
    public double? CumulativeLogprob { get; init; }

    public IReadOnlyList<TokenLogprobs>? Logprobs { get; init; }

    public FinishReason? FinishReason { get; init; }

    public StopReason StopReason { get; init; }
}

/// <summary>A request with everything that came of it.</summary>
public sealed record RequestOutput
{
    public required string RequestId { get; init; }

    /// <summary>The prompt's text; null when it was given as tokens.</summary>
    public string? Prompt { get; init; }

    public required IReadOnlyList<int> PromptTokenIds { get; init; }

    /// <summary>One entry a prompt token, the first null; null when not asked for.</summary>
    public IReadOnlyList<TokenLogprobs?>? PromptLogprobs { get; init; }

    public required IReadOnlyList<CompletionOutput> Outputs { get; init; }

    public bool Finished { get; init; }

    public RequestTimings? Metrics { get; init; }
}
