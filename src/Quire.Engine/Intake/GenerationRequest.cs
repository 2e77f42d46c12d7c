using System;
using Quire.Core.Requests;
using Quire.Tokenization;

namespace Quire.Engine.Intake;

/// <summary>What to continue: text, or tokens that were made elsewhere.</summary>
public sealed class Prompt
{
    private Prompt(GuardedText? text, int[]? tokenIds, bool addSpecialTokens)
    {
        Guarded = text;
        TokenIds = tokenIds;
        AddSpecialTokens = addSpecialTokens;
    }

    /// <summary>The text; null for a prompt of tokens.</summary>
    public string? Text => Guarded?.Text;

    /// <summary>The tokens; null for a prompt of text.</summary>
    public int[]? TokenIds { get; }

    /// <summary>Whether the tokenizer adds what it adds by default, such as a beginning-of-sequence token.</summary>
    public bool AddSpecialTokens { get; }

    /// <summary>The text with its characters that are part of no control token; null for a prompt of tokens.</summary>
    internal GuardedText? Guarded { get; }

    /// <summary>A text in which some characters are part of no control token, as chat templates give it.</summary>
    public static Prompt FromText(GuardedText text, bool addSpecialTokens = true)
    {
        ArgumentNullException.ThrowIfNull(text);
        return new Prompt(text, null, addSpecialTokens);
    }

    public static Prompt FromText(string text, bool addSpecialTokens = true)
    {
        ArgumentNullException.ThrowIfNull(text);
        return new Prompt(text, null, addSpecialTokens);
    }

    public static Prompt FromTokens(int[] tokenIds)
    {
        ArgumentNullException.ThrowIfNull(tokenIds);
        return new Prompt(null, tokenIds, false);
    }

    public static implicit operator Prompt(string text) => FromText(text);
}

/// <summary>A request as a front end hands it in. Nothing is checked yet.</summary>
public sealed record GenerationRequest
{
    public required Prompt Prompt { get; init; }

    public required SamplingParams Sampling { get; init; }

    /// <summary>The id that the caller knows the request by; made up when null.</summary>
    public string? RequestId { get; init; }

    /// <summary>Smaller is sooner; only with the priority policy.</summary>
    public int Priority { get; init; }

    /// <summary>Requests with different salts share no cached prefix.</summary>
    public string? CacheSalt { get; init; }

    /// <summary>Name of the LoRA adapter to answer with; null for the model as it is.</summary>
    public string? Lora { get; init; }

    /// <summary>Null, or how many of the last prompt tokens to keep; −1 keeps what fits beside the output.</summary>
    public int? TruncatePromptTokens { get; init; }

    /// <summary>
    /// True refuses a request whose prompt and max_tokens together exceed the context, as vLLM's server does; false lets the output end
    /// at the context's end, as its offline API does.
    /// </summary>
    public bool RejectOverlongOutput { get; init; }

    /// <summary>Timestamp of <see cref="System.Diagnostics.Stopwatch"/> at which the front end took the request; 0 means now.</summary>
    public long ArrivalTimestamp { get; init; }
}
