using System;
using System.Collections.Generic;
using System.Runtime.CompilerServices;
using System.Threading;
using System.Threading.Tasks;
using System.Threading.Tasks.Sources;
using Quire.Core.Requests;
using Quire.Engine.Execution;

namespace Quire.Engine.Streaming;

/// <summary>
/// A request that was accepted, with all its n outputs. The engine's thread appends tokens; one reader takes them, and only there are
/// they turned into text and searched for stop strings, so that a slow reader costs the engine nothing. What waits to be read is
/// bounded by the request's own max_tokens. Disposing it before the end aborts the request and frees its blocks.
/// </summary>
public sealed class GenerationHandle : IDisposable, IValueTaskSource<bool>, IThreadPoolWorkItem
{
    /// <summary>Tokens after which a reader that wants the whole answer is woken before its end.</summary>
    private const int TokensPerWake = 256;

    private readonly Lock _lock = new();
    private readonly InferenceEngine _engine;
    private readonly OutputAssembler[] _assemblers;
    private readonly Queue<OutputDelta> _ready = new();
    private ManualResetValueTaskSourceCore<bool> _wake;
    private List<TokenEvent> _incoming = new(16);
    private List<TokenEvent> _reading = new(16);
    private bool _readerWaits;
    private bool _waitsForEnd;
    private bool _endArrived;
    private IReadOnlyList<TokenLogprobs?>? _promptLogprobs;
    private Exception? _failure;
    private int _openOutputs;
    private int _abortSent;

    internal GenerationHandle(InferenceEngine engine, string requestId, string? promptText, int[] promptTokenIds, SamplingParams sampling, long arrival)
    {
        _engine = engine;
        RequestId = requestId;
        PromptText = promptText;
        PromptTokens = promptTokenIds;
        Sampling = sampling;
        Arrival = arrival;
        _openOutputs = sampling.N;
        Sequences = new Sequence[sampling.N];
        _assemblers = new OutputAssembler[sampling.N];
        var stops = new StopTexts(sampling.Stop, sampling.IncludeStopStrInOutput);
        for (int i = 0; i < sampling.N; i++)
        {
            _assemblers[i] = new OutputAssembler(i, promptTokenIds, sampling, engine.Text, stops, engine.StreamInterval);
        }
    }

    public string RequestId { get; }

    /// <summary>The prompt as text; null when it was given as tokens.</summary>
    public string? PromptText { get; }

    public IReadOnlyList<int> PromptTokenIds => PromptTokens;

    /// <summary>The sampling parameters with every default filled in.</summary>
    public SamplingParams Sampling { get; }

    /// <summary>Outputs of this request: n.</summary>
    public int OutputCount => _assemblers.Length;

    /// <summary>One entry a prompt token, the first null; complete from the first delta on. Null when not asked for.</summary>
    public IReadOnlyList<TokenLogprobs?>? PromptLogprobs => _promptLogprobs ??= FormatPrompt();

    /// <summary>When things happened; complete once the request has ended.</summary>
    public RequestTimings Timings => RequestTimer.Summarize(Arrival, Sequences);

    /// <summary>The prompt as the scheduler holds it.</summary>
    internal int[] PromptTokens { get; }

    /// <summary>Stopwatch timestamp at which the front end took the request.</summary>
    internal long Arrival { get; }

    /// <summary>The engine's side of each output.</summary>
    internal Sequence[] Sequences { get; }

    /// <summary>Set by the engine's thread while the handle is in its list of handles to wake.</summary>
    internal bool IsQueuedToWake { get; set; }

    /// <summary>
    /// The next delta of any output, as soon as there is one; null after every output has ended. One reader at a time. A reader that
    /// was slow gets several tokens in one delta.
    /// </summary>
    /// <exception cref="QuireException">The engine failed.</exception>
    public async ValueTask<OutputDelta?> ReadAsync(CancellationToken cancellationToken = default)
    {
        while (true)
        {
            if (_ready.TryDequeue(out OutputDelta? delta))
            {
                return delta;
            }

            if (_openOutputs == 0)
            {
                return null;
            }

            if (!TakeIncoming())
            {
                using CancellationTokenRegistration registration =
                    cancellationToken.UnsafeRegister(static handle => ((GenerationHandle)handle!).Abort(), this);
                await WaitAsync().ConfigureAwait(false);
                cancellationToken.ThrowIfCancellationRequested();
                continue;
            }

            Assemble();
        }
    }

    /// <summary>All deltas to the end. Leaving the loop early, or cancelling, aborts the request.</summary>
    public async IAsyncEnumerable<OutputDelta> ReadAllAsync([EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        try
        {
            while (await ReadAsync(cancellationToken).ConfigureAwait(false) is { } delta)
            {
                yield return delta;
            }
        }
        finally
        {
            Dispose();
        }
    }

    /// <summary>Waits for every output and gathers them.</summary>
    public async Task<RequestOutput> CompleteAsync(CancellationToken cancellationToken = default)
    {
        var builders = new OutputBuilder[OutputCount];
        for (int i = 0; i < builders.Length; i++)
        {
            builders[i] = new OutputBuilder(i);
        }

        if (Sampling.Stop.Count == 0)
        {
            WaitForEnd();
        }

        try
        {
            while (await ReadAsync(cancellationToken).ConfigureAwait(false) is { } delta)
            {
                builders[delta.Index].Add(delta);
            }
        }
        finally
        {
            Dispose();
        }

        return new RequestOutput
        {
            RequestId = RequestId,
            Prompt = PromptText,
            PromptTokenIds = PromptTokenIds,
            PromptLogprobs = PromptLogprobs,
            Outputs = Array.ConvertAll(builders, static builder => builder.Build()),
            Finished = true,
            Metrics = Timings,
        };
    }

    /// <summary>Ends the request early: outputs still open finish with <see cref="FinishReason.Abort"/>. Has no effect after the end.</summary>
    public void Abort()
    {
        if (Interlocked.Exchange(ref _abortSent, 1) == 0)
        {
            _engine.PostAbort(this);
        }
    }

    public void Dispose()
    {
        if (_openOutputs == 0)
        {
            return;
        }

        Abort();
        for (int i = 0; i < _assemblers.Length; i++)
        {
            Close(_assemblers[i], FinishReason.Abort);
        }
    }

    /// <summary>Called by the engine's thread: adds one event. <see cref="Notify"/> follows at the end of the step.</summary>
    internal void Append(in TokenEvent tokenEvent)
    {
        lock (_lock)
        {
            _incoming.Add(tokenEvent);
            _endArrived |= tokenEvent.Finish is not null;
        }
    }

    /// <summary>Called by the engine's thread: lets a waiting reader go on, on the thread pool.</summary>
    internal void Notify()
    {
        lock (_lock)
        {
            if (!_readerWaits || !HasNews())
            {
                return;
            }

            _readerWaits = false;
        }

        ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
    }

    /// <summary>Ends the handle with an error that its reader gets.</summary>
    internal void Fail(Exception failure)
    {
        lock (_lock)
        {
            _failure ??= failure;
        }

        Notify();
    }

    void IThreadPoolWorkItem.Execute() => _wake.SetResult(true);

    bool IValueTaskSource<bool>.GetResult(short token) => _wake.GetResult(token);

    ValueTaskSourceStatus IValueTaskSource<bool>.GetStatus(short token) => _wake.GetStatus(token);

    void IValueTaskSource<bool>.OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _wake.OnCompleted(continuation, state, token, flags);

    private TokenLogprobs?[]? FormatPrompt()
    {
        if (Sequences[0].PromptLogprobs?.Finished is not { } scores)
        {
            return null;
        }

        var formatted = new TokenLogprobs?[scores.Count];
        for (int position = 1; position < formatted.Length; position++)
        {
            formatted[position] = LogprobFormatter.Format(scores[position]!, _engine.Text?.TokenTexts, PromptTokens.AsSpan(0, position));
        }

        return formatted;
    }

    /// <summary>
    /// From now on the reader is woken for the end of an output, and in between for many tokens at once: nobody looks at them earlier, and
    /// waking a thread for each takes time from those that compute. Not for requests with stop texts, which the reader has to find soon.
    /// </summary>
    private void WaitForEnd()
    {
        lock (_lock)
        {
            _waitsForEnd = true;
            _incoming.EnsureCapacity(TokensPerWake + OutputCount);
            _reading.EnsureCapacity(TokensPerWake + OutputCount);
        }
    }

    /// <summary>Whether the reader has a reason to go on. Call it with the lock held.</summary>
    private bool HasNews() =>
        _failure is not null || _endArrived || _incoming.Count >= (_waitsForEnd ? TokensPerWake : 1);

    private ValueTask<bool> WaitAsync()
    {
        lock (_lock)
        {
            if (HasNews())
            {
                return new ValueTask<bool>(true);
            }

            _wake.Reset();
            _readerWaits = true;
            return new ValueTask<bool>(this, _wake.Version);
        }
    }

    private bool TakeIncoming()
    {
        lock (_lock)
        {
            if (_incoming.Count == 0)
            {
                return _failure is null ? false : throw _failure;
            }

            (_incoming, _reading) = (_reading, _incoming);
            _endArrived = false;
            return true;
        }
    }

    private void Assemble()
    {
        foreach (TokenEvent tokenEvent in _reading)
        {
            OutputAssembler assembler = _assemblers[tokenEvent.Index];
            if (assembler.IsFinished)
            {
                continue;
            }

            assembler.Process(tokenEvent);
            if (assembler.FinishReason is { } reason)
            {
                if (assembler.EndedByStopString)
                {
                    _engine.PostAbort(Sequences[tokenEvent.Index]);
                }

                Close(assembler, reason);
            }
        }

        _reading.Clear();
        foreach (OutputAssembler assembler in _assemblers)
        {
            if (assembler.TakeDelta() is { } delta)
            {
                _ready.Enqueue(delta);
            }
        }
    }

    /// <summary>Counts an output's end exactly once, whoever ends it.</summary>
    private void Close(OutputAssembler assembler, FinishReason reason)
    {
        if (assembler.Close())
        {
            _openOutputs--;
            RequestTimer.RecordFinished(_engine.Metrics, this, assembler, reason, isLast: _openOutputs == 0);
        }
    }
}
