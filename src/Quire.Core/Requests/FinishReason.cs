namespace Quire.Core.Requests;

/// <summary>Why a request ended. Every admitted request ends in exactly one of these.</summary>
public enum FinishReason
{
    /// <summary>The end-of-sequence token or one of the request's stop tokens.</summary>
    Stop,

    /// <summary>max_tokens or the model's (or the cache's) length limit.</summary>
    Length,

    /// <summary>The caller took it back.</summary>
    Abort,

    /// <summary>It could not go on, for instance because its grammar refused every token.</summary>
    Error,

    /// <summary>Its own repetition detection fired.</summary>
    Repetition,
}
