using System;
using System.Collections.Generic;

namespace Quire.Tokenization.Chat;

/// <summary>The variables of a chat template.</summary>
public sealed record ChatTemplateInput
{
    /// <summary>The conversation: a list of dictionaries.</summary>
    public required TemplateValue Messages { get; init; }

    /// <summary>The tools, a list; absent tools are <c>none</c> in the template.</summary>
    public TemplateValue? Tools { get; init; }

    /// <summary>Documents for retrieval templates, a list; absent documents are <c>none</c>.</summary>
    public TemplateValue? Documents { get; init; }

    /// <summary>Whether the text ends with the beginning of an assistant turn.</summary>
    public bool AddGenerationPrompt { get; init; }

    /// <summary>Special tokens by their names in templates (<see cref="SpecialTokens.Named"/>).</summary>
    public IReadOnlyDictionary<string, string>? SpecialTokens { get; init; }

    /// <summary>Further variables (<c>enable_thinking</c> and the like); they override everything but the conversation.</summary>
    public IReadOnlyDictionary<string, TemplateValue>? Extra { get; init; }

    /// <summary>The time that <c>strftime_now</c> tells, in the zone it shall be told in; the caller owns the clock.</summary>
    public DateTimeOffset Now { get; init; }
}
