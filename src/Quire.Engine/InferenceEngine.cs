using System;
using System.Threading;
using System.Threading.Tasks;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Quire.Core.Memory;
using Quire.Engine.Execution;
using Quire.Engine.Intake;
using Quire.Engine.Loading;
using Quire.Engine.Lora;
using Quire.Engine.Metrics;
using Quire.Engine.Options;
using Quire.Engine.Streaming;
using Quire.Models.Weights;
using Quire.Tensors;
using Quire.Tokenization;
using Quire.Tokenization.Chat;

namespace Quire.Engine;

/// <summary>
/// One loaded model that answers any number of requests at once: continuous batching over a paged KV cache, on one thread of its own.
/// All members may be called from any thread.
/// </summary>
public sealed class InferenceEngine : IAsyncDisposable
{
    /// <summary>Work without a finished step for this long counts as a stall: far above any step, far below a user's patience.</summary>
    private static readonly TimeSpan StallLimit = TimeSpan.FromSeconds(120);

    private readonly LoadedModel _loaded;
    private readonly CommandQueue _commands = new();
    private readonly EngineLoop _loop;
    private readonly RequestIntake _intake;
    private readonly EngineLog? _log;
    private volatile bool _draining;
    private int _disposed;

    private InferenceEngine(LoadedModel loaded, ILoggerFactory logs)
    {
        _loaded = loaded;
        Metrics = new EngineMetrics(loaded.Info.MaxModelLen, loaded.CacheConfig, DateTimeOffset.UtcNow.ToUnixTimeMilliseconds() / 1000.0) { Steps = new StepRecorder(loaded.Backend.Clock) };
        _intake = new RequestIntake(this, loaded.Info, loaded.Tokenizer, loaded.Samplers, loaded.Loras);
        _loop = new EngineLoop(
            loaded.Scheduler, loaded.Runner, Metrics, _commands, logs.CreateLogger("Quire.Engine"), loaded.Loras, loaded.Options.AsyncScheduling);
        _log = loaded.Options.DisableLogStats ? null : new EngineLog(Metrics, logs.CreateLogger("Quire.Engine.Stats"));
        _loop.Start();
    }

    public ModelInfo Model => _loaded.Info;

    /// <summary>Every option with its value, origin and reason.</summary>
    public ResolvedOptions Options => _loaded.Options;

    /// <summary>Where the memory goes.</summary>
    public MemoryPlan MemoryPlan => _loaded.MemoryPlan;

    /// <summary>The model's tokenizer.</summary>
    /// <exception cref="InvalidOperationException">The engine was started without one (skip_tokenizer_init).</exception>
    public ITokenizer Tokenizer =>
        _loaded.Tokenizer ?? throw new InvalidOperationException("the engine runs without a tokenizer (skip_tokenizer_init)");

    /// <summary>True unless the engine was started with skip_tokenizer_init.</summary>
    public bool HasTokenizer => _loaded.Tokenizer is not null;

    /// <summary>The templates that turn messages into a prompt: what --chat-template names, else the model's; null when there is none.</summary>
    public ChatTemplateSet? ChatTemplates => _loaded.ChatTemplates;

    /// <summary>The control tokens that messages cannot spell: all, or none with allow_control_tokens_in_messages.</summary>
    public ControlTokens GuardedTokens =>
        _loaded.Tokenizer is null || _loaded.Options.Asked.AllowControlTokensInMessages == true ? ControlTokens.None : _loaded.Tokenizer.ControlTokens;

    /// <summary>The LoRA adapters that requests may name; null without enable_lora.</summary>
    public LoraRegistry? Loras => _loaded.Loras;

    public EngineMetrics Metrics { get; }

    /// <summary>Measures steps from its start to its stop: what the host takes for each, and how long the device waits between them.</summary>
    public StepRecorder Steps => Metrics.Steps;

    public EngineHealth Health
    {
        get
        {
            if (_loop.Failure is not null)
            {
                return new EngineHealth(EngineState.Dead, "the engine has failed; see the log");
            }

            TimeSpan idle = _loop.SinceProgress;
            if (idle > StallLimit)
            {
                return new EngineHealth(EngineState.Stalled, $"no step has ended for {idle.TotalSeconds:F0} s although requests wait");
            }

            return _draining ? new EngineHealth(EngineState.Draining, "shutting down") : new EngineHealth(EngineState.Ok, "");
        }
    }

    /// <summary>Chunks of a stream hold at least so many tokens, but for the first and the last.</summary>
    internal int StreamInterval => _loaded.Options.StreamInterval;

    /// <summary>How text is made; null without a tokenizer.</summary>
    internal TextServices? Text => _loaded.Text;

    /// <summary>Loads a model and starts its engine.</summary>
    /// <param name="options">What was asked for.</param>
    /// <param name="backend">What it computes on; the engine disposes it.</param>
    /// <param name="use">What it is for: decides a few defaults.</param>
    /// <param name="logs">Where to log; null logs nothing.</param>
    /// <param name="progress">Told how far loading is.</param>
    /// <param name="cancellationToken">Gives up before the weights are read.</param>
    /// <exception cref="QuireException">Options, model files or memory do not allow it; the message says what to change.</exception>
    public static async Task<InferenceEngine> StartAsync(
        EngineOptions options,
        IBackend backend,
        UsageContext use = UsageContext.OfflineBatch,
        ILoggerFactory? logs = null,
        IProgress<LoadProgress>? progress = null,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(backend);
        logs ??= NullLoggerFactory.Instance;
        ILogger logger = logs.CreateLogger("Quire.Engine");
        LoadedModel loaded = await Task.Run(() => EngineLoader.Load(options, backend, use, logger, progress, cancellationToken), cancellationToken)
            .ConfigureAwait(false);
        return new InferenceEngine(loaded, logs);
    }

    /// <summary>
    /// Checks, tokenises and admits a request; it then ends in exactly one finish reason an output, whatever happens to others.
    /// </summary>
    /// <exception cref="QuireException">The request cannot be served (its kind says why); nothing was admitted.</exception>
    public GenerationHandle Submit(GenerationRequest request)
    {
        if (_draining)
        {
            throw new QuireException(ErrorCodes.Unavailable, ErrorKind.Unavailable, "the server is shutting down and takes no new requests");
        }

        GenerationHandle handle = _intake.Accept(request);
        if (!_commands.Post(new EngineCommand(CommandKind.Submit, handle)))
        {
            throw Gone();
        }

        return handle;
    }

    /// <summary>
    /// Forgets all cached prefixes. False when requests hold blocks, in which case nothing was changed.
    /// </summary>
    public Task<bool> ResetPrefixCacheAsync()
    {
        var answer = new TaskCompletionSource<bool>(TaskCreationOptions.RunContinuationsAsynchronously);
        return _commands.Post(new EngineCommand(CommandKind.ResetPrefixCache, answer)) ? answer.Task : Task.FromException<bool>(Gone());
    }

    /// <summary>
    /// Takes nothing new and waits until what was accepted has ended, at most <paramref name="timeout"/>. False when something was still
    /// running then; disposing the engine ends it.
    /// </summary>
    public async Task<bool> DrainAsync(TimeSpan timeout, CancellationToken cancellationToken = default)
    {
        _draining = true;
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(timeout);
        while (_loop.HasWork && _loop.Failure is null)
        {
            try
            {
                await Task.Delay(20, limit.Token).ConfigureAwait(false);
            }
            catch (OperationCanceledException)
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>Ends the engine: open requests get an error, memory is freed.</summary>
    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _disposed, 1) != 0)
        {
            return;
        }

        _draining = true;
        _log?.Dispose();
        _commands.Post(new EngineCommand(CommandKind.Stop, null));
        await Task.Run(_loop.Join).ConfigureAwait(false);
        _commands.Dispose();
        _loaded.Dispose();
    }

    internal void PostAbort(GenerationHandle handle) => _commands.Post(new EngineCommand(CommandKind.AbortRequest, handle));

    internal void PostAbort(Sequence sequence) => _commands.Post(new EngineCommand(CommandKind.AbortSequence, sequence));

    private QuireException Gone() => _loop.Failure is { } failure
        ? new QuireException(ErrorCodes.EngineDead, ErrorKind.Internal, "the engine has failed; restart the server", inner: failure)
        : new QuireException(ErrorCodes.Unavailable, ErrorKind.Unavailable, "the engine has shut down");
}
