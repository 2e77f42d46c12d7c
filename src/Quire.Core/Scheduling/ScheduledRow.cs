using Quire.Core.Requests;

namespace Quire.Core.Scheduling;

/// <summary>How a request came into a step.</summary>
public enum RowKind
{
    /// <summary>It was in an earlier step and kept its blocks.</summary>
    Running,

    /// <summary>Its first step.</summary>
    New,

    /// <summary>Its first step after it lost its blocks.</summary>
    Resumed,
}

/// <summary>
/// One request's part of a step: compute the tokens at positions FirstPosition … FirstPosition + TokenCount − 1.
/// </summary>
public readonly record struct ScheduledRow
{
    public required RequestState Request { get; init; }

    /// <summary>Position of the first token to compute; everything before it is in the cache.</summary>
    public required int FirstPosition { get; init; }

    /// <summary>Tokens to compute, drafts included; at least 1.</summary>
    public required int TokenCount { get; init; }

    /// <summary>Whether the row reaches the end of all known tokens, so that its last logits give a new token. A chunk in the middle of a prompt does not.</summary>
    public required bool Samples { get; init; }

    public required RowKind Kind { get; init; }

    /// <summary>
    /// Whether the row's last input token is the one that the step before samples, which is not committed yet:
    /// the device feeds it, the request does not have it.
    /// </summary>
    public bool InputPending { get; init; }

    /// <summary>
    /// Draft tokens at the end of the row (<see cref="RequestState.Drafts"/>, the first so many): their logits verify them, and the last ones give a
    /// further token.
    /// </summary>
    public int DraftCount { get; init; }

    /// <summary>Entries of each block table of the request after planning; part of the plan's fingerprint.</summary>
    internal int BlockCount { get; init; }

    /// <summary>The last block, or a mix of the last blocks of all groups.</summary>
    internal int LastBlocks { get; init; }

    /// <summary>Preemptions of the request when the row was planned; another number at commit means that it lost its blocks meanwhile.</summary>
    internal int Epoch { get; init; }
}

/// <summary>What became of a row when its step was committed.</summary>
/// <param name="AppendedTokens">Tokens added to the request's output; tokens after a stop are dropped.</param>
/// <param name="FinishReason">Set when the request ended with this row.</param>
/// <param name="Ignored">The request had ended before the result came (an abort, or a stop in the step before); nothing was changed.</param>
public readonly record struct RowOutcome(int AppendedTokens, FinishReason? FinishReason, bool Ignored);
