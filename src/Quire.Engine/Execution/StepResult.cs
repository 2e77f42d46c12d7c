using System;
using Quire.Core.Scheduling;
using Quire.Engine.Sampling;

namespace Quire.Engine.Execution;

/// <summary>A step from its launch to its commit: which rows sample, and what was chosen. Pooled by <see cref="ModelRunner"/>.</summary>
internal sealed class StepResult(int maxSequences)
{
    public StepPlan? Plan { get; private set; }

    /// <summary>True when the device chooses the tokens, so that the next step may be launched before they are known here.</summary>
    public bool IsOnDevice { get; set; }

    /// <summary>The read that brings the tokens of a step whose tokens the device chooses.</summary>
    public int Read { get; set; }

    /// <summary>Rows that sample.</summary>
    public int Samples { get; private set; }

    /// <summary>The chosen tokens, one a sampling row, in plan order.</summary>
    public int[] Tokens { get; } = new int[maxSequences];

    /// <summary>The plan row of each sampling row.</summary>
    public int[] PlanRows { get; } = new int[maxSequences];

    /// <summary>Log-probabilities of the token of a plan row, when asked for.</summary>
    public SampledLogprobs?[] Logprobs { get; } = new SampledLogprobs?[maxSequences];

    /// <summary>Why no token could be chosen for a plan row: that request has to end with an error.</summary>
    public SamplingFault[] Faults { get; } = new SamplingFault[maxSequences];

    /// <summary>As many tokens as each plan row counts, row after row.</summary>
    public SampledTokens Sampled => new(Tokens.AsSpan(0, Samples), _counts.AsSpan(0, Plan!.Rows.Length));

    private readonly int[] _counts = new int[maxSequences];

    public void Begin(StepPlan plan)
    {
        Plan = plan;
        IsOnDevice = false;
        Samples = 0;
        ReadOnlySpan<ScheduledRow> rows = plan.Rows;
        for (int i = 0; i < rows.Length; i++)
        {
            _counts[i] = rows[i].Samples ? 1 : 0;
            Logprobs[i] = null;
            Faults[i] = ((Sequence)rows[i].Request.Attachment!).Lora is { Slot: < 0 } ? SamplingFault.AdapterLost : SamplingFault.None;
            if (rows[i].Samples)
            {
                PlanRows[Samples++] = i;
            }
        }
    }
}
