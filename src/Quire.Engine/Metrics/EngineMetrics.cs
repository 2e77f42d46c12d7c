using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.Threading;
using Quire.Core.Requests;

namespace Quire.Engine.Metrics;

/// <summary>
/// What the engine counts about itself, under vLLM's names without their prefix; the server turns it into Prometheus text. Written by
/// the engine's thread and by the readers of finished requests, read by anyone.
/// </summary>
public sealed class EngineMetrics
{
    private static readonly double[] TimeToFirstTokenBounds =
        [.001, .005, .01, .02, .04, .06, .08, .1, .25, .5, .75, 1, 2.5, 5, 7.5, 10, 20, 40, 80, 160, 640, 2560];

    private static readonly double[] InterTokenBounds =
        [.01, .025, .05, .075, .1, .15, .2, .3, .4, .5, .75, 1, 2.5, 5, 7.5, 10, 20, 40, 80];

    private static readonly double[] PhaseBounds =
        [.3, .5, .8, 1, 1.5, 2, 2.5, 5, 10, 15, 20, 30, 40, 50, 60, 120, 240, 480, 960, 1920, 7680];

    private static readonly double[] IterationTokenBounds =
        [1, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384];

    private readonly Counter[] _finished = new Counter[Enum.GetValues<FinishReason>().Length];
    private int _running;
    private int _waiting;
    private int _deferred;
    private double _kvCacheUsage;
    private long _allocatedBytes;

    /// <param name="maxModelLen">Tokens; the token histograms reach up to it.</param>
    /// <param name="cacheConfig">Labels of the constant <c>cache_config_info</c>.</param>
    /// <param name="startedAtUnixSeconds">For the <c>_created</c> series.</param>
    public EngineMetrics(int maxModelLen, IReadOnlyList<KeyValuePair<string, string>> cacheConfig, double startedAtUnixSeconds)
    {
        CacheConfig = cacheConfig;
        StartedAtUnixSeconds = startedAtUnixSeconds;
        double[] tokens = OneTwoFive(maxModelLen);
        RequestPromptTokens = new Histogram(tokens);
        RequestGenerationTokens = new Histogram(tokens);
        RequestMaxGenerationTokens = new Histogram(tokens);
        RequestParamsMaxTokens = new Histogram(tokens);
        RequestPrefillKvComputedTokens = new Histogram(tokens);
        for (int i = 0; i < _finished.Length; i++)
        {
            _finished[i] = new Counter();
        }
    }

    public IReadOnlyList<KeyValuePair<string, string>> CacheConfig { get; }

    public double StartedAtUnixSeconds { get; }

    public int RequestsRunning => Volatile.Read(ref _running);

    public int RequestsWaiting => Volatile.Read(ref _waiting);

    /// <summary>0 to 1; blocks that are cached but could be evicted count as free.</summary>
    public double KvCacheUsage => Volatile.Read(ref _kvCacheUsage);

    /// <summary>Managed bytes that the engine's thread has allocated since it started; constant in steady decode.</summary>
    public long EngineThreadAllocatedBytes => Volatile.Read(ref _allocatedBytes);

    public Counter Preemptions { get; } = new();

    public Counter PromptTokens { get; } = new();

    public Counter PromptTokensComputed { get; } = new();

    public Counter PromptTokensCached { get; } = new();

    public Counter GenerationTokens { get; } = new();

    public Counter PrefixCacheQueries { get; } = new();

    public Counter PrefixCacheHits { get; } = new();

    public Histogram IterationTokens { get; } = new(IterationTokenBounds);

    public Histogram TimeToFirstToken { get; } = new(TimeToFirstTokenBounds);

    public Histogram InterTokenLatency { get; } = new(InterTokenBounds);

    public Histogram TimePerOutputToken { get; } = new(InterTokenBounds);

    public Histogram EndToEndLatency { get; } = new(PhaseBounds);

    public Histogram QueueTime { get; } = new(PhaseBounds);

    public Histogram InferenceTime { get; } = new(PhaseBounds);

    public Histogram PrefillTime { get; } = new(PhaseBounds);

    public Histogram DecodeTime { get; } = new(PhaseBounds);

    public Histogram RequestPromptTokens { get; }

    public Histogram RequestGenerationTokens { get; }

    public Histogram RequestMaxGenerationTokens { get; }

    public Histogram RequestParamsMaxTokens { get; }

    public Histogram RequestPrefillKvComputedTokens { get; }

    public Histogram RequestParamsN { get; } = new(1, 2, 5, 10, 20);

    /// <summary>Host time of a step outside the model: planning, batch building, sampling, bookkeeping; seconds.</summary>
    public Histogram StepHostTime { get; } = new(1e-5, 2e-5, 5e-5, 1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2, 1e-1);

    internal StepRecorder Steps { get; init; } = new(null);

    public Counter Finished(FinishReason reason) => _finished[(int)reason];

    /// <summary>Of the waiting requests those that wait for something else than room, such as a slot for their adapter.</summary>
    public int RequestsDeferred => Volatile.Read(ref _deferred);

    /// <summary>One turn of the engine's loop: its time on the host, in Stopwatch ticks.</summary>
    internal void ObserveStep(long hostTicks)
    {
        StepHostTime.Observe(hostTicks / (double)Stopwatch.Frequency);
        Steps.Note(hostTicks);
    }

    /// <summary>The gauges, set once a step.</summary>
    internal void SetState(int running, int waiting, int deferred, double kvCacheUsage)
    {
        Volatile.Write(ref _deferred, deferred);
        Volatile.Write(ref _allocatedBytes, GC.GetAllocatedBytesForCurrentThread());
        Volatile.Write(ref _running, running);
        Volatile.Write(ref _waiting, waiting);
        Volatile.Write(ref _kvCacheUsage, kvCacheUsage);
    }

    /// <summary>1, 2, 5, 10, 20, 50, … up to and including the largest value that is at most <paramref name="largest"/>.</summary>
    internal static double[] OneTwoFive(int largest)
    {
        var bounds = new List<double>();
        for (long power = 1; power <= largest; power *= 10)
        {
            foreach (int step in (ReadOnlySpan<int>)[1, 2, 5])
            {
                if (power * step <= largest)
                {
                    bounds.Add(power * step);
                }
            }
        }

        return [.. bounds];
    }
}
