using System;
using System.Collections.Generic;
using Quire.Core.Scheduling;
using Quire.Engine.Sampling;

namespace Quire.Engine.Execution;

/// <summary>
/// Gathers the scores of a prompt's tokens while its chunks are computed. A request that is preempted afterwards keeps what it has.
/// </summary>
internal sealed class PromptLogprobCollector(int promptLength, int topCount)
{
    private readonly SampledLogprobs?[] _scores = new SampledLogprobs?[promptLength];
    private int _next = 1;

    /// <summary>Most likely tokens beside the prompt's own.</summary>
    public int TopCount { get; } = topCount;

    public bool IsComplete => _next >= _scores.Length;

    /// <summary>One entry a prompt token, the first null; null until all are there.</summary>
    public IReadOnlyList<SampledLogprobs?>? Finished => IsComplete ? _scores : null;

    /// <summary>
    /// Tokens of a row that score their successor: position p scores the prompt token p + 1, so the prompt's last position scores none.
    /// Not positive where the row lies behind the prompt.
    /// </summary>
    public static int ScoredTokens(in ScheduledRow row) => Math.Min(row.TokenCount, row.Request.PromptLength - 1 - row.FirstPosition);

    /// <summary>Keeps the score of the token at <paramref name="position"/>. Positions computed again after a preemption are skipped.</summary>
    public void Add(int position, SampledLogprobs logprobs)
    {
        if (position == _next)
        {
            _scores[position] = logprobs;
            _next++;
        }
    }
}
