using System;

namespace Quire.Core.Scheduling;

/// <summary>
/// What a step sampled. <see cref="Counts"/> has one entry per row of the plan: 0 for a row that does not sample, 1 for one that does, up to
/// 1 + DraftCount when it verified drafts. <see cref="Tokens"/> are these tokens, row after row.
/// The tokens of a row whose request has finished meanwhile are skipped, whatever they are.
/// </summary>
public readonly ref struct SampledTokens
{
    public SampledTokens(ReadOnlySpan<int> tokens, ReadOnlySpan<int> counts)
    {
        Tokens = tokens;
        Counts = counts;
    }

    public ReadOnlySpan<int> Tokens { get; }

    public ReadOnlySpan<int> Counts { get; }
}
