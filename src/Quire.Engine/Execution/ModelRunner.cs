using System;
using Quire.Core.KvCache;
using Quire.Core.Scheduling;
using Quire.Engine.Lora;
using Quire.Engine.Sampling;
using Quire.Models;
using Quire.Tensors;

namespace Quire.Engine.Execution;

/// <summary>
/// Runs one planned step: builds its tensors, runs the layers over all scheduled tokens at once, and turns the hidden states of the
/// rows that sample into tokens. The output head runs in pieces of <see cref="DecoderWorkspace.MaxLogitRows"/> rows.
/// </summary>
internal sealed class ModelRunner(DecoderModel model, IBackend backend, BatchBuilder batch, Sampler sampler, LogprobsMode mode, int maxSequences, LoraSlots? lora)
{
    private readonly int[] _tokens = new int[maxSequences];
    private readonly int[] _counts = new int[maxSequences];
    private readonly SampledLogprobs?[] _logprobs = new SampledLogprobs?[maxSequences];
    private readonly SamplingFault[] _faults = new SamplingFault[maxSequences];
    private readonly int[] _planRows = new int[maxSequences];

    /// <summary>Log-probabilities of the token of a plan row, when asked for.</summary>
    public SampledLogprobs? Logprobs(int planRow) => _logprobs[planRow];

    /// <summary>Why no token could be chosen for a plan row: that request has to end with an error.</summary>
    public SamplingFault Fault(int planRow) => _faults[planRow];

    /// <summary>Prepares the inputs of <see cref="Execute"/>; host work only.</summary>
    public void Prepare(StepPlan plan)
    {
        batch.Build(plan);
        batch.Context.Lora = lora?.Prepare(plan) ?? default;
    }

    /// <summary>Computes the step, block copies first; afterwards <see cref="Sample"/> may be called.</summary>
    public unsafe void Execute(StepPlan plan)
    {
        if (plan.Copies.Length > 0)
        {
            fixed (BlockCopy* pairs = plan.Copies)
            {
                backend.Ops.CopyBlocks(batch.Context.KvCache, new Tensor((nint)pairs, DType.I32, plan.Copies.Length, 2));
            }
        }

        model.RunLayers(batch.Context);
    }

    /// <summary>The tokens of the step: as many as each plan row counts, row after row.</summary>
    public SampledTokens Sample(StepPlan plan)
    {
        ReadOnlySpan<ScheduledRow> rows = plan.Rows;
        int samples = 0;
        for (int i = 0; i < rows.Length; i++)
        {
            _counts[i] = rows[i].Samples ? 1 : 0;
            _logprobs[i] = null;
            _faults[i] = ((Sequence)rows[i].Request.Attachment!).Lora is { Slot: < 0 } ? SamplingFault.AdapterLost : SamplingFault.None;
            if (rows[i].Samples)
            {
                _planRows[samples++] = i;
            }
        }

        if (batch.PromptRowCount > 0)
        {
            ScorePrompts(rows);
        }

        for (int start = 0; start < samples; start += model.Workspace.MaxLogitRows)
        {
            int count = Math.Min(model.Workspace.MaxLogitRows, samples - start);
            Tensor logits = model.ComputeLogits(batch.SampleRows(start, count));
            for (int i = 0; i < count; i++)
            {
                SampleRow(rows, start + i, backend.MapLogits(logits, i));
            }
        }

        return new SampledTokens(_tokens.AsSpan(0, samples), _counts.AsSpan(0, rows.Length));
    }

    private void SampleRow(ReadOnlySpan<ScheduledRow> rows, int sample, Span<float> logits)
    {
        int planRow = _planRows[sample];
        var sequence = (Sequence)rows[planRow].Request.Attachment!;
        SamplingFault fault = sampler.Sample(logits, sequence.Sampler, out int token, out SampledLogprobs? logprobs);
        _tokens[sample] = token;
        _logprobs[planRow] = logprobs;
        if (fault != SamplingFault.None)
        {
            _faults[planRow] = fault;
        }
    }

    private void ScorePrompts(ReadOnlySpan<ScheduledRow> rows)
    {
        int done = 0;
        int inPiece = 0;
        Tensor logits = default;
        for (int i = 0; i < rows.Length; i++)
        {
            ref readonly ScheduledRow row = ref rows[i];
            if (((Sequence)row.Request.Attachment!).PromptLogprobs is not { IsComplete: false } collector)
            {
                continue;
            }

            int scored = PromptLogprobCollector.ScoredTokens(row);
            for (int j = 0; j < scored; j++, done++, inPiece++)
            {
                if (done % model.Workspace.MaxLogitRows == 0)
                {
                    logits = model.ComputeLogits(batch.PromptRows(done, Math.Min(model.Workspace.MaxLogitRows, batch.PromptRowCount - done)));
                    inPiece = 0;
                }

                int position = row.FirstPosition + j + 1;
                ReadOnlySpan<int> tokens = row.Request.Tokens;
                SamplingFault fault = sampler.ScorePromptToken(
                    backend.MapLogits(logits, inPiece), tokens[position], collector.TopCount, mode, out SampledLogprobs? scores);
                if (fault == SamplingFault.None)
                {
                    collector.Add(position, scores!);
                }
                else
                {
                    _faults[i] = fault;
                }
            }
        }
    }
}
