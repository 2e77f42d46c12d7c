namespace Quire.Core.Requests;

/// <summary>What kind of mistake a <see cref="Refusal"/> is about.</summary>
public enum RefusalCode
{
    /// <summary>A field has a value outside its range.</summary>
    InvalidValue,

    /// <summary>The prompt has no tokens.</summary>
    EmptyPrompt,

    /// <summary>Prompt (and answer) do not fit the context length.</summary>
    ContextLengthExceeded,

    /// <summary>A token id that the model does not have.</summary>
    TokenOutOfVocabulary,

    /// <summary>A request of this id has not finished yet.</summary>
    DuplicateRequest,

    /// <summary>The engine takes no more requests now; the same request may succeed later.</summary>
    Overloaded,

    /// <summary>The memory of the device does not suffice.</summary>
    InsufficientMemory,

    /// <summary>Options that cannot be, alone or together.</summary>
    InvalidConfiguration,

    /// <summary>A combination that this build does not have.</summary>
    Unsupported,
}

/// <summary>A user's mistake as a value: which field, and a sentence with the value, the limit and the way out.</summary>
/// <param name="Code">The kind of mistake.</param>
/// <param name="Field">The field's public name, as users write it (<c>max_tokens</c>).</param>
/// <param name="Message">The whole sentence for the user.</param>
public sealed record Refusal(RefusalCode Code, string Field, string Message);
