using System.Text.Json;
using Quire.Tokenization;

namespace Quire.Server.Serving;

/// <summary>Turns conversations into prompts with the model's chat template.</summary>
internal interface IChatRenderer
{
    /// <summary>Whether the template has a role of its own for developer messages.</summary>
    bool KnowsDeveloperRole { get; }

    /// <summary>Whether the template walks through the parts of a content; otherwise contents are to be single texts.</summary>
    bool TakesParts { get; }

    /// <summary>The text of the prompt.</summary>
    /// <exception cref="Http.ApiException">The template refuses the conversation.</exception>
    GuardedText Render(ChatPrompt prompt);
}

/// <summary>A conversation in the form in which templates expect it.</summary>
internal sealed record ChatPrompt
{
    /// <summary>A list of messages: roles checked, contents text, arguments of tool calls as objects.</summary>
    public required JsonElement Messages { get; init; }

    /// <summary>A list of tools, or undefined.</summary>
    public JsonElement Tools { get; init; }

    public JsonElement Documents { get; init; }

    /// <summary>An object with further variables of the template, or undefined.</summary>
    public JsonElement Kwargs { get; init; }

    public bool AddGenerationPrompt { get; init; } = true;

    /// <summary>The text of the last message when the answer is to continue it; null otherwise.</summary>
    public string? ContinuedText { get; init; }

    /// <summary>A template of the request that replaces the model's.</summary>
    public string? Template { get; init; }
}
