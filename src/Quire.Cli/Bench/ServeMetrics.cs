using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.Globalization;
using System.Text.Json.Nodes;

namespace Quire.Cli.Bench;

/// <summary>Turns what clients saw into the numbers of <c>vllm bench serve</c>, under its keys.</summary>
internal static class ServeMetrics
{
    /// <param name="requests">All requests, failed ones included.</param>
    /// <param name="duration">Seconds from just before the first was sent to the end of the last.</param>
    /// <param name="metrics">Which latencies are reported.</param>
    /// <param name="percentiles">Percentiles of each.</param>
    /// <param name="goodput">Limits in milliseconds by ttft, tpot, e2el; null when not asked for.</param>
    public static JsonObject Calculate(IReadOnlyList<ServedRequest> requests, double duration, IReadOnlyList<string> metrics, IReadOnlyList<double> percentiles,
        IReadOnlyDictionary<string, double>? goodput)
    {
        var samples = new Dictionary<string, List<double>>(StringComparer.Ordinal);
        foreach (string name in (ReadOnlySpan<string>)["ttft", "tpot", "itl", "e2el", "client_queue_time", "e2el_including_client_queue"])
            samples[name] = [];
        int completed = 0;
        int good = 0;
        long input = 0;
        long output = 0;
        foreach (ServedRequest request in requests)
        {
            if (!request.Success)
                continue;
            completed++;
            input += request.PromptLength;
            output += request.OutputLength;
            double tpot = request.OutputLength > 1 ? (request.Latency - request.TimeToFirstToken) / (request.OutputLength - 1) : 0;
            if (request.OutputLength > 1)
                samples["tpot"].Add(tpot);
            samples["ttft"].Add(request.TimeToFirstToken);
            samples["itl"].AddRange(request.Intervals);
            samples["e2el"].Add(request.Latency);
            samples["client_queue_time"].Add(request.QueueSeconds);
            samples["e2el_including_client_queue"].Add(request.Latency + request.QueueSeconds);
            good += IsGood(request, tpot, goodput) ? 1 : 0;
        }

        var result = new JsonObject
        {
            ["duration"] = duration,
            ["completed"] = completed,
            ["failed"] = requests.Count - completed,
            ["total_input_tokens"] = input,
            ["total_output_tokens"] = output,
            ["request_throughput"] = completed / duration,
            ["request_goodput"] = goodput is null ? null : good / duration,
            ["output_throughput"] = output / duration,
            ["total_token_throughput"] = (input + output) / duration,
            ["max_output_tokens_per_s"] = MaxTokensPerSecond(requests),
            ["max_concurrent_requests"] = MaxConcurrent(requests),
            ["rtfx"] = 0.0,
        };
        foreach (string metric in metrics)
            AddLatency(result, metric, samples[metric], percentiles);
        AddClientCheck(result, requests, samples["ttft"]);
        return result;
    }

    private static bool IsGood(ServedRequest request, double tpot, IReadOnlyDictionary<string, double>? goodput)
    {
        if (goodput is null)
            return false;
        foreach ((string name, double limit) in goodput)
        {
            double seconds = name switch { "ttft" => request.TimeToFirstToken, "tpot" => tpot, _ => request.Latency };
            if (seconds * 1000 > limit)
                return false;
        }

        return true;
    }

    private static void AddLatency(JsonObject result, string metric, List<double> seconds, IReadOnlyList<double> percentiles)
    {
        result[$"mean_{metric}_ms"] = BenchStatistics.Mean(seconds) * 1000;
        result[$"median_{metric}_ms"] = BenchStatistics.Median(seconds) * 1000;
        result[$"std_{metric}_ms"] = BenchStatistics.StandardDeviation(seconds) * 1000;
        foreach (double percent in percentiles)
            result[$"p{percent.ToString(CultureInfo.InvariantCulture)}_{metric}_ms"] = BenchStatistics.Percentile(seconds, percent) * 1000;
    }

    /// <summary>Chunks in buckets of one second from the earliest start; the fullest.</summary>
    private static double MaxTokensPerSecond(IReadOnlyList<ServedRequest> requests)
    {
        long first = long.MaxValue;
        foreach (ServedRequest request in requests)
        {
            if (request.Success)
                first = Math.Min(first, request.StartTimestamp);
        }

        var buckets = new Dictionary<int, int>();
        int most = 0;
        foreach (ServedRequest request in requests)
        {
            if (!request.Success)
                continue;
            double time = Stopwatch.GetElapsedTime(first, request.StartTimestamp).TotalSeconds + request.TimeToFirstToken;
            most = Math.Max(most, Count(buckets, time));
            foreach (double interval in request.Intervals)
            {
                time += interval;
                most = Math.Max(most, Count(buckets, time));
            }
        }

        return most;
    }

    private static int Count(Dictionary<int, int> buckets, double time) => buckets[(int)time] = buckets.GetValueOrDefault((int)time) + 1;

    /// <summary>The most requests between start and end at once; an end at the time of a start comes first.</summary>
    private static int MaxConcurrent(IReadOnlyList<ServedRequest> requests)
    {
        var events = new List<(double Time, int Change)>();
        foreach (ServedRequest request in requests)
        {
            if (!request.Success)
                continue;
            double start = Stopwatch.GetElapsedTime(0, request.StartTimestamp).TotalSeconds;
            events.Add((start, 1));
            events.Add((start + request.Latency, -1));
        }

        events.Sort();
        int now = 0;
        int most = 0;
        foreach ((_, int change) in events)
            most = Math.Max(most, now += change);
        return most;
    }

    /// <summary>Whether the client kept up: late sends make latencies look better than they are.</summary>
    private static void AddClientCheck(JsonObject result, IReadOnlyList<ServedRequest> requests, List<double> ttft)
    {
        var lags = new List<double>(requests.Count);
        foreach (ServedRequest request in requests)
            lags.Add(request.SendLag);
        double lag = BenchStatistics.Percentile(lags, 99);
        result["p99_send_lag_ms"] = lag * 1000;
        result["client_bound"] = lag > 0.010 && lag > 0.01 * BenchStatistics.Median(ttft);
    }
}
