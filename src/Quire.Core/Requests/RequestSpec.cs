using System;

namespace Quire.Core.Requests;

/// <summary>
/// A request as the scheduler sees it: tokens and limits, already checked against the model. It does not change after it was made;
/// the arrays are not copied and must not be written to.
/// </summary>
public sealed record RequestSpec
{
    public required RequestId Id { get; init; }

    /// <summary>The prompt, at least one token.</summary>
    public required int[] PromptTokenIds { get; init; }

    /// <summary>The most tokens to generate, at least 1.</summary>
    public required int MaxTokens { get; init; }

    /// <summary>No stop test fires before this many tokens were generated, except the length of the context.</summary>
    public int MinTokens { get; init; }

    /// <summary>The token that ends a sequence; null when it is to be ignored.</summary>
    public int? EosTokenId { get; init; }

    /// <summary>Further tokens that end the sequence and are named as the reason.</summary>
    public int[] StopTokenIds { get; init; } = [];

    /// <summary>With the priority policy: the smaller, the sooner.</summary>
    public int Priority { get; init; }

    /// <summary>Only requests with the same salt share cached blocks.</summary>
    public string? CacheSalt { get; init; }

    /// <summary>The adapter; blocks are shared only between requests of the same adapter.</summary>
    public string? LoraName { get; init; }

    /// <summary>Compute the whole prompt even where the cache has it (prompt log-probabilities need every position).</summary>
    public bool SkipReadingPrefixCache { get; init; }

    /// <summary>Ends the request when its output repeats itself; null is off.</summary>
    public RepetitionDetection? RepetitionDetection { get; init; }

    /// <summary>Null when the fields make sense without knowing the model.</summary>
    public Refusal? Validate()
    {
        if (PromptTokenIds is null || PromptTokenIds.Length == 0)
            return new Refusal(RefusalCode.EmptyPrompt, "prompt", "The decoder prompt cannot be empty");
        if (MaxTokens < 1)
            return new Refusal(RefusalCode.InvalidValue, "max_tokens", $"max_tokens must be at least 1, got {MaxTokens}.");
        if (MinTokens < 0)
            return new Refusal(RefusalCode.InvalidValue, "min_tokens", $"min_tokens must be greater than or equal to 0, got {MinTokens}.");
        if (MinTokens > MaxTokens)
        {
            return new Refusal(RefusalCode.InvalidValue, "min_tokens",
                $"min_tokens must be less than or equal to max_tokens={MaxTokens}, got {MinTokens}.");
        }

        foreach (int token in PromptTokenIds.AsSpan())
        {
            if (token < 0)
                return new Refusal(RefusalCode.TokenOutOfVocabulary, "prompt_token_ids", $"Token id {token} is out of vocabulary");
        }

        return RepetitionDetection?.Validate();
    }
}
