using System;
using System.Collections.Concurrent;
using System.Collections.Generic;
using System.Linq;
using System.Threading;
using System.Threading.Tasks;
using Quire.Core.Requests;
using Quire.Engine;
using Quire.Engine.Intake;
using Quire.Engine.Metrics;
using Quire.Engine.Streaming;
using Quire.Models.Config;
using Quire.Server.Serving;
using Quire.Tokenization;

namespace Quire.Server.Tests;

/// <summary>
/// An engine whose answers a test writes: each prompt gets the tokens of <see cref="Answer"/>, one a delta. It checks sampling like the
/// real one, and remembers what was submitted and aborted.
/// </summary>
internal sealed class FakeEngine : IServedEngine
{
    public static readonly ITokenizer Quill = TokenizerLoader.Load(RepositoryFiles.Quill);

    private static readonly string[] Names = ["quill", "org/quill"];

    public string Answer { get; set; } = "one two three";

    /// <summary>Deltas wait for it when it is set.</summary>
    public SemaphoreSlim? Gate { get; set; }

    public FinishReason Finish { get; set; } = FinishReason.Stop;

    /// <summary>Whether requests submitted now get the whole answer whatever they asked for.</summary>
    public bool IgnoreMaxTokens { get; set; }

    /// <summary>Deltas handed out.</summary>
    public int Taken => Volatile.Read(ref _taken);

    private int _taken;

    public StopReason StopReason { get; set; }

    /// <summary>Thrown by reads after the first delta.</summary>
    public Exception? FailAfterFirst { get; set; }

    public ConcurrentQueue<GenerationRequest> Submitted { get; } = [];

    public ConcurrentQueue<string> Aborted { get; } = [];

    public TaskCompletionSource<string> FirstAbort { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public TaskCompletionSource FirstSubmit { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public ModelInfo Model { get; init; } = new()
    {
        ServedNames = Names,
        Path = "models/quill",
        Architecture = "LlamaForCausalLM",
        MaxModelLen = 4096,
        VocabularySize = 8192,
        DType = "bfloat16",
        Created = DateTimeOffset.UnixEpoch.AddDays(20000),
        ParameterCount = 1,
        WeightBytes = 1,
        EosTokenIds = [2, 0],
        GenerationDefaults = GenerationConfig.Empty,
    };

    public ITokenizer Tokenizer => Quill;

    public IChatRenderer? Chat { get; set; } = new PlainRenderer();

    public EngineMetrics Metrics { get; } = new(4096, [new("block_size", "16"), new("cache_dtype", "auto")], 1.8e9);

    public EngineHealth Health { get; set; } = new(EngineState.Ok, "");

    public IGeneration Submit(GenerationRequest request)
    {
        SamplingParams sampling = request.Sampling.Normalized(out _);
        if (sampling.Validate() is { } refusal)
        {
            throw QuireException.From(refusal);
        }

        int[] prompt = request.Prompt.TokenIds ?? Quill.Encode(request.Prompt.Text!, request.Prompt.AddSpecialTokens);
        Submitted.Enqueue(request);
        FirstSubmit.TrySetResult();
        return new Generation(this, request, sampling, prompt);
    }

    public async Task DrainAsync(TimeSpan timeout)
    {
        Draining.TrySetResult();
        await Task.WhenAny(Idle.Task, Task.Delay(timeout));
    }

    public TaskCompletionSource Draining { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Completed by the test when nothing runs any more.</summary>
    public TaskCompletionSource Idle { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private sealed class Generation(FakeEngine engine, GenerationRequest request, SamplingParams sampling, int[] prompt) : IGeneration
    {
        private readonly int[] _tokens = Quill.Encode(engine.Answer, addSpecialTokens: false);
        private readonly CancellationTokenSource _aborted = new();
        private readonly bool _isUnlimited = engine.IgnoreMaxTokens;
        private int _next;
        private bool _ended;

        public int OutputCount => sampling.N;

        public IReadOnlyList<int> PromptTokenIds => prompt;

        public string? PromptText => request.Prompt.Text;

        public IReadOnlyList<TokenLogprobs?>? PromptLogprobs => sampling.PromptLogprobs is { } top
            ? [.. prompt.Select((token, i) => i == 0 ? null : Entry(token, top))]
            : null;

        public RequestTimings Timings { get; } = new() { CachedTokens = 1, TimeToFirstTokenSeconds = 0.5, DecodeSeconds = 2 };

        public async ValueTask<OutputDelta?> ReadAsync(CancellationToken cancellationToken)
        {
            int count = Math.Min(_tokens.Length, _isUnlimited ? int.MaxValue : sampling.MaxTokens ?? int.MaxValue);
            if (_next == count * sampling.N || _ended)
            {
                _ended = true;
                return null;
            }

            if (engine.Gate is { } gate)
            {
                using var both = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, _aborted.Token);
                await gate.WaitAsync(both.Token);
            }

            if (_next > 0 && engine.FailAfterFirst is { } failure)
            {
                throw failure;
            }

            int index = _next % sampling.N;
            int position = _next / sampling.N;
            _next++;
            Interlocked.Increment(ref engine._taken);
            bool isLast = position == count - 1;
            bool cut = count < _tokens.Length;
            return new OutputDelta
            {
                Index = index,
                Text = Quill.Decode([_tokens[position]], skipSpecialTokens: true),
                TokenIds = [_tokens[position]],
                Logprobs = sampling.Logprobs is { } top ? [Entry(_tokens[position], top)] : null,
                FinishReason = isLast ? cut ? FinishReason.Length : engine.Finish : null,
                StopReason = isLast && !cut ? engine.StopReason : default,
            };
        }

        public void Abort()
        {
            if (!_aborted.IsCancellationRequested)
            {
                _aborted.Cancel();
                engine.Aborted.Enqueue(request.RequestId!);
                engine.FirstAbort.TrySetResult(request.RequestId!);
            }
        }

        public void Dispose()
        {
            if (!_ended)
            {
                Abort();
            }
        }

        /// <summary>The token itself with log-probability −0.5, then <paramref name="top"/> − 1 others, the last impossible.</summary>
        private static TokenLogprobs Entry(int token, int top)
        {
            var entries = new List<TokenLogprob> { new(token, -0.5f, 1, Quill.Decode([token], skipSpecialTokens: false)) };
            for (int i = 1; i < top; i++)
            {
                int other = 100 + i;
                float logprob = i == top - 1 ? float.NegativeInfinity : -1.5f * i;
                entries.Add(new TokenLogprob(other, logprob, i + 1, Quill.Decode([other], skipSpecialTokens: false)));
            }

            return new TokenLogprobs(entries);
        }
    }

    /// <summary>Writes messages as "role: content" lines.</summary>
    private sealed class PlainRenderer : IChatRenderer
    {
        public bool KnowsDeveloperRole => false;

        public bool TakesParts => false;

        public Tokenization.GuardedText Render(ChatPrompt prompt)
        {
            var lines = prompt.Messages.EnumerateArray().Select(message => $"{message.GetProperty("role")}: {message.GetProperty("content")}");
            return string.Join('\n', lines) + (prompt.AddGenerationPrompt ? "\nassistant:" : "");
        }
    }
}
