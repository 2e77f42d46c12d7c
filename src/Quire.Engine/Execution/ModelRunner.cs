using System;
using System.Diagnostics;
using Quire.Core.KvCache;
using Quire.Core.Scheduling;
using Quire.Engine.Lora;
using Quire.Engine.Sampling;
using Quire.Models;
using Quire.Tensors;

namespace Quire.Engine.Execution;

/// <summary>
/// Runs planned steps: builds their tensors, runs the layers over all scheduled tokens at once, and turns the hidden states of the rows
/// that sample into tokens. Where the device can choose the tokens of a step, the next step may be launched before they are here; a step
/// of single tokens is recorded once for each size and replayed.
/// </summary>
internal sealed class ModelRunner
{
    /// <summary>Warming up tries every 32 rows up to here, then powers of two: more sizes make starts longer and steps no shorter.</summary>
    private const int MaxCloseRows = 256;

    private readonly DecoderModel _model;
    private readonly IBackend _backend;
    private readonly BatchBuilder _batch;
    private readonly KvCache _blocks;
    private readonly Sampler _sampler;
    private readonly LogprobsMode _mode;
    private readonly StepResult[] _results;
    private readonly LoraSlots? _lora;
    private readonly IStepGraphs? _graphs;
    private readonly IStepClock? _clock;
    private readonly Tensor _tokens;
    private int _launches;

    /// <param name="model">The model.</param>
    /// <param name="backend">What it runs on.</param>
    /// <param name="batch">Builds its inputs.</param>
    /// <param name="blocks">The memory of the cache's blocks, for copies of whole ones.</param>
    /// <param name="sampler">Chooses tokens on the host.</param>
    /// <param name="mode">What is reported as a log-probability.</param>
    /// <param name="maxSequences">Most rows of a plan.</param>
    /// <param name="lora">The adapters on the device; null without LoRA.</param>
    /// <param name="enforceEager">True never records a step.</param>
    public ModelRunner(
        DecoderModel model, IBackend backend, BatchBuilder batch, KvCache blocks, Sampler sampler, LogprobsMode mode, int maxSequences,
        LoraSlots? lora, bool enforceEager)
    {
        _model = model;
        _backend = backend;
        _batch = batch;
        _blocks = blocks;
        _sampler = sampler;
        _mode = mode;
        _lora = lora;

        // One in flight and the one before it.
        _results = [new StepResult(maxSequences), new StepResult(maxSequences)];
        _graphs = enforceEager ? null : backend.Graphs;
        _clock = backend.Clock;
        _tokens = backend.Sampler is null ? default : backend.Allocate(DType.I32, 1, maxSequences);
    }

    /// <summary>Time that the last calls spent in the model or waiting for it, in Stopwatch ticks, until it is set back.</summary>
    public long DeviceTicks { get; set; }

    /// <summary>
    /// Queues a step; block copies come first. Inputs that a step in flight chooses are taken on the device. Call <see cref="Finish"/>
    /// before the launch after the next.
    /// </summary>
    public StepResult Launch(StepPlan plan)
    {
        // Adapters first: one that is lost is a fault of its rows.
        LoraBatch adapters = _lora?.Prepare(plan) ?? default;
        StepResult result = _results[_launches++ % _results.Length];
        result.Begin(plan);

        // A recording holds the addresses and shapes of a step without adapters.
        bool isDecode = _graphs is not null && adapters.ActiveRows == 0 && IsDecode(plan) && plan.Rows.Length <= _model.Workspace.MaxLogitRows;
        _batch.Build(plan, isDecode);
        _batch.Context.Lora = adapters;
        result.IsOnDevice = _backend.Sampler is not null && _batch.PromptRowCount == 0
            && result.Samples <= _model.Workspace.MaxLogitRows && ChoosesOnDevice(plan);
        long start = Stopwatch.GetTimestamp();
        _clock?.Begin();
        CopyBlocks(plan);
        if (_batch.HasPendingInputs)
        {
            _backend.Sampler!.Resolve(_batch.Context.TokenIds, _tokens);
        }

        if (isDecode && result.IsOnDevice)
        {
            Replay(result.Samples);
        }
        else
        {
            _model.RunLayers(_batch.Context);
            if (result.IsOnDevice && result.Samples > 0)
            {
                Choose(result.Samples);
            }
        }

        if (result.IsOnDevice || result.Samples == 0)
        {
            _clock?.End();
        }

        if (result.IsOnDevice && result.Samples > 0)
        {
            result.Read = _backend.Sampler!.StartRead(_tokens.ColumnRange(0, result.Samples));
        }

        // A backend that computes while it is called has nothing to wait for later.
        DeviceTicks += _backend.Sampler is null ? Stopwatch.GetTimestamp() - start : 0;
        return result;
    }

    /// <summary>Completes a step: afterwards its tokens are known. Steps are finished in the order in which they were launched.</summary>
    public void Finish(StepResult result)
    {
        if (!result.IsOnDevice)
        {
            SampleOnHost(result);
        }
        else if (result.Samples > 0)
        {
            long start = Stopwatch.GetTimestamp();
            ReadOnlySpan<int> tokens = _backend.Sampler!.FinishRead(result.Read);
            DeviceTicks += Stopwatch.GetTimestamp() - start;
            for (int i = 0; i < result.Samples; i++)
            {
                result.Tokens[i] = Math.Max(tokens[i], 0);
                ref SamplingFault fault = ref result.Faults[result.PlanRows[i]];
                fault = fault == SamplingFault.None && tokens[i] < 0 ? SamplingFault.NotANumber : fault;
            }
        }
    }

    /// <summary>
    /// Lets the backend try its ways for the sizes of steps that are to come: single tokens of up to all sequences, and prompts up to the
    /// largest step. Called once, before any step.
    /// </summary>
    public void WarmUp(int maxSequences, int maxTokens)
    {
        if (_backend.Sampler is null)
        {
            return;
        }

        _backend.IsTuning = true;

        // The largest step first: what the backend keeps between steps has its final size then, and nothing is outgrown and lost.
        int largest = 16;
        while (largest < maxTokens)
        {
            largest *= 2;
        }

        for (int tokens = largest; tokens >= 16; tokens /= 2)
        {
            // Sizes of decode steps lie closer together, and so do their fastest ways, as long as the weights take longer to read than to multiply.
            RunEmpty(Math.Min(tokens, maxTokens));
            for (int between = tokens - 32; between > tokens / 2; between -= 32)
            {
                if (between <= Math.Min(maxSequences, MaxCloseRows))
                {
                    RunEmpty(between);
                }
            }
        }

        _backend.IsTuning = false;
    }

    private void RunEmpty(int tokens)
    {
        _batch.BuildEmpty(tokens);
        _model.RunLayers(_batch.Context);
        int rows = Math.Min(tokens, _model.Workspace.MaxLogitRows);
        _model.ComputeLogits(_batch.SampleRows(0, rows));
    }

    /// <summary>True when every row computes one token and samples from it.</summary>
    private static bool IsDecode(StepPlan plan)
    {
        foreach (ref readonly ScheduledRow row in plan.Rows)
        {
            if (row.TokenCount != 1 || !row.Samples)
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>True when nothing but temperature and filters stands between the logits and every token.</summary>
    private static bool ChoosesOnDevice(StepPlan plan)
    {
        foreach (ref readonly ScheduledRow row in plan.Rows)
        {
            if (row.Samples && !((Sequence)row.Request.Attachment!).Sampler.IsSimple)
            {
                return false;
            }
        }

        return true;
    }

    private unsafe void CopyBlocks(StepPlan plan)
    {
        if (plan.Copies.Length > 0)
        {
            fixed (BlockCopy* pairs = plan.Copies)
            {
                _backend.Ops.CopyBlocks(_blocks, new Tensor((nint)pairs, DType.I32, plan.Copies.Length, 2));
            }
        }
    }

    /// <summary>Runs a step of single tokens, rows of padding included, from its recording if there is one.</summary>
    private void Replay(int samples)
    {
        int rows = _batch.Context.Tokens;
        long key = ((long)_batch.Context.Attention.BlockTables.Stride << 32) | ((long)rows << 1) | (_batch.AllGreedy ? 1L : 0);
        if (_graphs!.TryReplay(key))
        {
            return;
        }

        Debug.Assert(rows >= samples);
        _graphs.Begin(key);
        try
        {
            _model.RunLayers(_batch.Context);
            Choose(rows);
        }
        catch
        {
            _graphs.Cancel();
            throw;
        }

        _graphs.End(key);
    }

    private void Choose(int rows)
    {
        Tensor logits = _model.ComputeLogits(_batch.SampleRows(0, rows));
        _backend.Sampler!.Sample(logits, _batch.AllGreedy ? 0 : _batch.SamplingAddress, _tokens.ColumnRange(0, rows));
    }

    private void SampleOnHost(StepResult result)
    {
        ReadOnlySpan<ScheduledRow> rows = result.Plan!.Rows;
        if (_batch.PromptRowCount > 0)
        {
            ScorePrompts(result);
        }

        for (int start = 0; start < result.Samples; start += _model.Workspace.MaxLogitRows)
        {
            int count = Math.Min(_model.Workspace.MaxLogitRows, result.Samples - start);
            Tensor logits = _model.ComputeLogits(_batch.SampleRows(start, count));
            if (start + count == result.Samples)
            {
                _clock?.End();
            }

            for (int i = 0; i < count; i++)
            {
                // The first row waits for all.
                long before = Stopwatch.GetTimestamp();
                Span<float> row = _backend.MapLogits(logits, i);
                DeviceTicks += i == 0 ? Stopwatch.GetTimestamp() - before : 0;
                SampleRow(result, rows, start + i, row);
            }
        }
    }

    private void SampleRow(StepResult result, ReadOnlySpan<ScheduledRow> rows, int sample, Span<float> logits)
    {
        int planRow = result.PlanRows[sample];
        var sequence = (Sequence)rows[planRow].Request.Attachment!;
        SamplingFault fault = _sampler.Sample(logits, sequence.Sampler, out int token, out SampledLogprobs? logprobs);
        result.Tokens[sample] = token;
        result.Logprobs[planRow] = logprobs;
        if (fault != SamplingFault.None)
        {
            result.Faults[planRow] = fault;
        }
    }

    private void ScorePrompts(StepResult result)
    {
        int done = 0;
        int inPiece = 0;
        Tensor logits = default;
        ReadOnlySpan<ScheduledRow> rows = result.Plan!.Rows;
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
                if (done % _model.Workspace.MaxLogitRows == 0)
                {
                    logits = _model.ComputeLogits(_batch.PromptRows(done, Math.Min(_model.Workspace.MaxLogitRows, _batch.PromptRowCount - done)));
                    inPiece = 0;
                }

                int position = row.FirstPosition + j + 1;
                ReadOnlySpan<int> tokens = row.Request.Tokens;
                SamplingFault fault = _sampler.ScorePromptToken(
                    _backend.MapLogits(logits, inPiece), tokens[position], collector.TopCount, _mode, out SampledLogprobs? scores);
                if (fault == SamplingFault.None)
                {
                    collector.Add(position, scores!);
                }
                else
                {
                    result.Faults[i] = fault;
                }
            }
        }
    }
}
