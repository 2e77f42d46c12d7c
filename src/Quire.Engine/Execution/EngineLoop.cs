using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.Threading;
using System.Threading.Tasks;
using Microsoft.Extensions.Logging;
using Quire.Core.Requests;
using Quire.Core.Scheduling;
using Quire.Engine.Lora;
using Quire.Engine.Metrics;
using Quire.Engine.Sampling;
using Quire.Engine.Streaming;

namespace Quire.Engine.Execution;

/// <summary>
/// The one thread that owns the scheduler: takes commands, plans a step, runs the model, samples, commits, and hands the tokens to the
/// readers. In steady decode a step allocates nothing.
/// </summary>
internal sealed class EngineLoop
{
    private readonly Scheduler _scheduler;
    private readonly ModelRunner _runner;
    private readonly EngineMetrics _metrics;
    private readonly CommandQueue _commands;
    private readonly ILogger _logger;
    private readonly LoraRegistry? _loras;
    private readonly List<GenerationHandle> _toWake = new(64);
    private readonly HashSet<GenerationHandle> _open = [];
    private readonly Thread _thread;
    private List<EngineCommand> _executing = [];
    private int _executed;
    private readonly bool _overlaps;
    private StepResult? _inFlight;
    private SchedulerStatistics _published;
    private bool _stopping;
    private long _lastProgress = Stopwatch.GetTimestamp();
    private volatile bool _hasWork;
    private volatile Exception? _failure;

    public EngineLoop(
        Scheduler scheduler, ModelRunner runner, EngineMetrics metrics, CommandQueue commands, ILogger logger, LoraRegistry? loras, bool overlaps)
    {
        _overlaps = overlaps;
        _scheduler = scheduler;
        _runner = runner;
        _metrics = metrics;
        _commands = commands;
        _logger = logger;
        _loras = loras;
        _thread = new Thread(Run) { Name = "quire engine", IsBackground = true };
    }

    /// <summary>Why the loop ended by itself; null while it runs or was stopped.</summary>
    public Exception? Failure => _failure;

    /// <summary>Time since the last finished step or since the loop had nothing to do; zero when it is idle.</summary>
    public TimeSpan SinceProgress => _hasWork ? Stopwatch.GetElapsedTime(Volatile.Read(ref _lastProgress)) : TimeSpan.Zero;

    /// <summary>True while requests are running or waiting.</summary>
    public bool HasWork => _hasWork;

    public void Start() => _thread.Start();

    /// <summary>Waits for the thread after <see cref="CommandKind.Stop"/> was posted.</summary>
    public void Join() => _thread.Join();

    private void Run()
    {
        try
        {
            while (!_stopping)
            {
                bool worked = Step();
                if (!worked && !_stopping)
                {
                    Execute(_commands.Take(wait: true));
                }
            }

            FailOpen(new QuireException(ErrorCodes.Unavailable, ErrorKind.Unavailable, "the engine has shut down"));
        }
#pragma warning disable CA1031 // Whatever it was, every waiting reader has to hear of it.
        catch (Exception exception)
#pragma warning restore CA1031
        {
            _failure = exception;
            _logger.LogCritical(exception, "The engine has failed; every request ends with an error");
            FailOpen(new QuireException(ErrorCodes.EngineDead, ErrorKind.Internal, "the engine has failed; restart the server", inner: exception));
        }
    }

    /// <summary>
    /// One turn; false when there was nothing to do. While the device computes a step whose tokens it chooses itself, the next one is
    /// planned and launched, and only then the first one's tokens are waited for.
    /// </summary>
    private bool Step()
    {
        Execute(_commands.Take(wait: false));
        long start = Stopwatch.GetTimestamp();
        _runner.DeviceTicks = 0;
        StepResult? before = _inFlight;
        _inFlight = null;
        StepPlan? plan = _stopping ? null : _scheduler.Plan();
        StepResult? launched = null;
        if (plan is not null)
        {
            NoteScheduled(plan, start);
            launched = _runner.Launch(plan);
        }

        if (before is not null)
        {
            Complete(before);
        }

        if (launched is { IsOnDevice: true } && _overlaps)
        {
            _inFlight = launched;
        }
        else if (launched is not null)
        {
            Complete(launched);
        }

        Publish();
        if (before is null && launched is null)
        {
            return false;
        }

        _metrics.ObserveStep(Stopwatch.GetTimestamp() - start - _runner.DeviceTicks);
        return true;
    }

    private void Complete(StepResult result)
    {
        _runner.Finish(result);
        StepPlan plan = result.Plan!;
        _scheduler.Commit(plan, result.Sampled);
        Deliver(plan, result);
    }

    private void Execute(List<EngineCommand> commands)
    {
        _executing = commands;
        for (_executed = 0; _executed < commands.Count; _executed++)
        {
            EngineCommand command = commands[_executed];
            switch (command.Kind)
            {
                case CommandKind.Submit:
                    Admit((GenerationHandle)command.Target!);
                    break;
                case CommandKind.AbortRequest:
                    foreach (Sequence sequence in ((GenerationHandle)command.Target!).Sequences)
                    {
                        End(sequence, FinishReason.Abort);
                    }

                    break;
                case CommandKind.AbortSequence:
                    End((Sequence)command.Target!, FinishReason.Stop);
                    break;
                case CommandKind.ResetPrefixCache:
                    ((TaskCompletionSource<bool>)command.Target!).SetResult(_scheduler.ResetPrefixCache(resetRunning: false));
                    break;
                case CommandKind.Stop:
                    _stopping = true;
                    break;
                default:
                    throw new InvalidOperationException($"unknown command {command.Kind}");
            }
        }
    }

    private void Admit(GenerationHandle handle)
    {
        _open.Add(handle);
        _hasWork = true;
        long now = Stopwatch.GetTimestamp();
        Volatile.Write(ref _lastProgress, now);
        foreach (Sequence sequence in handle.Sequences)
        {
            sequence.Times.Queued = now;
            sequence.Enter(LoraPhase.Waiting);
            if (_scheduler.Admit(sequence.Spec, sequence) is { } refusal)
            {
                Refuse(handle, refusal);
                return;
            }
        }
    }

    /// <summary>A refusal at this point means that intake let something through: the whole request ends, the others go on.</summary>
    private void Refuse(GenerationHandle handle, Refusal refusal)
    {
        foreach (Sequence sequence in handle.Sequences)
        {
            Close(sequence);
            _scheduler.Abort(sequence.Spec.Id);
        }

        _open.Remove(handle);
        handle.Fail(QuireException.From(refusal));
    }

    private void NoteScheduled(StepPlan plan, long now)
    {
        foreach (ref readonly ScheduledRow row in plan.Rows)
        {
            var sequence = (Sequence)row.Request.Attachment!;
            sequence.Enter(LoraPhase.Running);
            if (sequence.Times.Scheduled == 0)
            {
                sequence.Times.Scheduled = now;
                sequence.CachedTokens = row.Request.CachedTokens ?? 0;
                _metrics.PromptTokensCached.Add(sequence.CachedTokens);
            }
        }

        foreach (RequestState preempted in plan.Preempted)
        {
            var sequence = (Sequence)preempted.Attachment!;
            sequence.Times.Preemptions++;
            sequence.Enter(LoraPhase.Waiting);
        }
    }

    /// <summary>Hands the committed tokens to the readers, and ends requests whose logits were not numbers.</summary>
    private void Deliver(StepPlan plan, StepResult result)
    {
        long now = Stopwatch.GetTimestamp();
        ReadOnlySpan<ScheduledRow> rows = plan.Rows;
        ReadOnlySpan<RowOutcome> outcomes = plan.Outcomes;
        int generated = 0;
        int promptComputed = 0;
        for (int i = 0; i < rows.Length; i++)
        {
            RequestState request = rows[i].Request;
            promptComputed += Math.Clamp(request.PromptLength - rows[i].FirstPosition, 0, rows[i].TokenCount);
            if (outcomes[i].Ignored)
            {
                continue;
            }

            var sequence = (Sequence)request.Attachment!;
            if (result.Faults[i] is var fault && fault != SamplingFault.None)
            {
                _logger.LogError("Request {Request} ends with an error: {Fault}", sequence.Handle.RequestId, SamplingFaults.Message(fault));
                End(sequence, FinishReason.Error);
            }
            else if (outcomes[i].AppendedTokens > 0)
            {
                generated++;
                DeliverToken(sequence, request, result.Logprobs[i], outcomes[i].FinishReason, now);
            }
        }

        _metrics.GenerationTokens.Add(generated);
        _metrics.PromptTokensComputed.Add(promptComputed);
        _metrics.IterationTokens.Observe(promptComputed + generated);
        Volatile.Write(ref _lastProgress, now);
    }

    private void DeliverToken(Sequence sequence, RequestState request, SampledLogprobs? logprobs, FinishReason? finish, long now)
    {
        int token = request.Tokens[^1];
        ref SequenceTimes times = ref sequence.Times;
        if (times.Tokens == 0)
        {
            times.FirstToken = now;
            _metrics.PromptTokens.Add(request.PromptLength);
            _metrics.TimeToFirstToken.Observe(RequestTimer.Seconds(sequence.Handle.Arrival, now));
        }
        else
        {
            _metrics.InterTokenLatency.Observe(RequestTimer.Seconds(times.LastToken, now));
        }

        times.LastToken = now;
        times.Tokens++;
        sequence.Sampler.Accept(token);
        sequence.Handle.Append(new TokenEvent(sequence.Index, true, token, logprobs, finish, request.StopTokenId));
        if (finish is not null)
        {
            Finished(sequence);
        }

        QueueWake(sequence.Handle);
    }

    /// <summary>Ends a sequence from outside the scheduler: aborted, ended by a stop string, or failed. Ended ones are left alone.</summary>
    private void End(Sequence sequence, FinishReason reason)
    {
        if (sequence.IsFinished)
        {
            return;
        }

        _scheduler.Finish(sequence.Spec.Id, reason);
        sequence.Handle.Append(new TokenEvent(sequence.Index, false, 0, null, reason, null));
        Finished(sequence);
        QueueWake(sequence.Handle);
    }

    /// <summary>Marks a sequence as ended, once.</summary>
    private void Close(Sequence sequence)
    {
        if (!sequence.IsFinished && sequence.Lora is { } entry)
        {
            sequence.Enter(LoraPhase.None);
            _loras!.Release(entry, 1);
        }

        sequence.IsFinished = true;
    }

    private void Finished(Sequence sequence)
    {
        Close(sequence);
        foreach (Sequence sibling in sequence.Handle.Sequences)
        {
            if (!sibling.IsFinished)
            {
                return;
            }
        }

        _open.Remove(sequence.Handle);
    }

    private void QueueWake(GenerationHandle handle)
    {
        if (!handle.IsQueuedToWake)
        {
            handle.IsQueuedToWake = true;
            _toWake.Add(handle);
        }
    }

    private void Publish()
    {
        PublishStatistics();
        foreach (GenerationHandle handle in _toWake)
        {
            handle.IsQueuedToWake = false;
            handle.Notify();
        }

        _toWake.Clear();
    }

    private void PublishStatistics()
    {
        SchedulerStatistics now = _scheduler.Statistics;
        _metrics.PrefixCacheQueries.Add(now.Prefix.Queries - _published.Prefix.Queries);
        _metrics.PrefixCacheHits.Add(now.Prefix.Hits - _published.Prefix.Hits);
        _metrics.Preemptions.Add(now.Preemptions - _published.Preemptions);
        _published = now;
        _metrics.SetState(_scheduler.RunningCount, _scheduler.WaitingCount, _scheduler.DeferredCount, _scheduler.CacheUsage);
        _hasWork = _scheduler.RunningCount + _scheduler.WaitingCount > 0;
    }

    private static void Fail(EngineCommand command, QuireException failure)
    {
        if (command.Target is GenerationHandle handle && command.Kind == CommandKind.Submit)
        {
            handle.Fail(failure);
        }
        else if (command.Target is TaskCompletionSource<bool> answer)
        {
            answer.TrySetException(failure);
        }
    }

    private void FailOpen(QuireException failure)
    {
        // What failed may have been a command: those after it were taken from the queue and would be forgotten.
        for (int i = _executed; i < _executing.Count; i++)
        {
            Fail(_executing[i], failure);
        }

        foreach (EngineCommand command in _commands.Close())
        {
            Fail(command, failure);
        }

        foreach (GenerationHandle handle in _open)
        {
            handle.Fail(failure);
        }

        _open.Clear();
        _hasWork = false;
    }
}
