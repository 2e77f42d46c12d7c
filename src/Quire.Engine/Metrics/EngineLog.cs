using System;
using System.Diagnostics;
using System.Threading;
using Microsoft.Extensions.Logging;

namespace Quire.Engine.Metrics;

/// <summary>vLLM's line of statistics every ten seconds, while there is something to say.</summary>
internal sealed partial class EngineLog : IDisposable
{
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(10);

    private readonly EngineMetrics _metrics;
    private readonly ILogger _logger;
    private readonly Timer _timer;
    private long _lastTime = Stopwatch.GetTimestamp();
    private long _lastPrompt;
    private long _lastGeneration;
    private long _lastQueries;
    private long _lastHits;
    private bool _wasIdle = true;

    public EngineLog(EngineMetrics metrics, ILogger logger)
    {
        _metrics = metrics;
        _logger = logger;
        _timer = new Timer(static log => ((EngineLog)log!).Write(), this, Interval, Interval);
    }

    public void Dispose() => _timer.Dispose();

    private void Write()
    {
        long now = Stopwatch.GetTimestamp();
        double seconds = Stopwatch.GetElapsedTime(_lastTime, now).TotalSeconds;
        double prompt = Rate(_metrics.PromptTokensComputed.Value, ref _lastPrompt, seconds);
        double generation = Rate(_metrics.GenerationTokens.Value, ref _lastGeneration, seconds);
        double queries = Rate(_metrics.PrefixCacheQueries.Value, ref _lastQueries, seconds);
        double hits = Rate(_metrics.PrefixCacheHits.Value, ref _lastHits, seconds);
        _lastTime = now;
        bool idle = prompt == 0 && generation == 0 && _metrics.RequestsRunning + _metrics.RequestsWaiting == 0;
        if (!idle || !_wasIdle)
        {
            LogStatistics(prompt, generation, _metrics.RequestsRunning, _metrics.RequestsWaiting, _metrics.KvCacheUsage * 100, queries > 0 ? hits / queries * 100 : 0);
        }

        _wasIdle = idle;
    }

    private static double Rate(long value, ref long last, double seconds)
    {
        double rate = (value - last) / seconds;
        last = value;
        return rate;
    }

    [LoggerMessage(LogLevel.Information, "Engine 000: Avg prompt throughput: {Prompt:F1} tokens/s, Avg generation throughput: {Generation:F1} tokens/s, "
        + "Running: {Running} reqs, Waiting: {Waiting} reqs, GPU KV cache usage: {Usage:F1}%, Prefix cache hit rate: {HitRate:F1}%")]
    private partial void LogStatistics(double prompt, double generation, int running, int waiting, double usage, double hitRate);
}
