using System;
using System.Diagnostics;
using Quire.Core.Requests;
using Quire.Engine.Execution;
using Quire.Engine.Metrics;

namespace Quire.Engine.Streaming;

/// <summary>
/// What the timestamps of a request mean (reference: vLLM's metric definitions): queue is arrival in the engine to first scheduling,
/// prefill from there to the first token, decode from the first to the last token.
/// </summary>
internal static class RequestTimer
{
    public static RequestTimings Summarize(long arrival, Sequence[] sequences)
    {
        long scheduled = long.MaxValue;
        long firstToken = long.MaxValue;
        long lastToken = 0;
        int tokens = 0;
        int preemptions = 0;
        foreach (Sequence sequence in sequences)
        {
            SequenceTimes times = sequence.Times;
            scheduled = times.Scheduled == 0 ? scheduled : Math.Min(scheduled, times.Scheduled);
            firstToken = times.FirstToken == 0 ? firstToken : Math.Min(firstToken, times.FirstToken);
            lastToken = Math.Max(lastToken, times.LastToken);
            tokens = Math.Max(tokens, times.Tokens);
            preemptions += times.Preemptions;
        }

        double decode = Seconds(firstToken, lastToken);
        return new RequestTimings
        {
            QueueSeconds = Seconds(arrival, scheduled),
            TimeToFirstTokenSeconds = Seconds(arrival, firstToken),
            DecodeSeconds = decode,
            EndToEndSeconds = Seconds(arrival, lastToken),
            TimePerOutputTokenSeconds = tokens > 1 ? decode / (tokens - 1) : 0,
            CachedTokens = sequences[0].CachedTokens,
            Preemptions = preemptions,
        };
    }

    /// <summary>Puts the end of one output into the histograms of finished requests.</summary>
    public static void RecordFinished(EngineMetrics metrics, GenerationHandle handle, OutputAssembler output, FinishReason reason, bool isLast)
    {
        Sequence sequence = handle.Sequences[output.Index];
        SequenceTimes times = sequence.Times;
        long now = Stopwatch.GetTimestamp();
        metrics.Finished(reason).Add(1);
        metrics.EndToEndLatency.Observe(Seconds(handle.Arrival, now));
        metrics.RequestPromptTokens.Observe(handle.PromptTokenIds.Count);
        metrics.RequestGenerationTokens.Observe(times.Tokens);
        metrics.RequestPrefillKvComputedTokens.Observe(Math.Max(0, handle.PromptTokenIds.Count - sequence.CachedTokens));
        if (handle.Sampling.MaxTokens is { } maxTokens)
        {
            metrics.RequestParamsMaxTokens.Observe(maxTokens);
        }

        if (times.Scheduled != 0)
        {
            double decode = Seconds(times.FirstToken, times.LastToken);
            metrics.QueueTime.Observe(Seconds(times.Queued, times.Scheduled));
            metrics.InferenceTime.Observe(Seconds(times.Scheduled, times.LastToken));
            metrics.PrefillTime.Observe(Seconds(times.Scheduled, times.FirstToken));
            metrics.DecodeTime.Observe(decode);
            metrics.TimePerOutputToken.Observe(times.Tokens > 1 ? decode / (times.Tokens - 1) : 0);
        }

        if (isLast)
        {
            int longest = 0;
            foreach (Sequence each in handle.Sequences)
            {
                longest = Math.Max(longest, each.Times.Tokens);
            }

            metrics.RequestMaxGenerationTokens.Observe(longest);
            metrics.RequestParamsN.Observe(handle.Sampling.N);
        }
    }

    /// <summary>Seconds between two timestamps; 0 when one of them never came.</summary>
    public static double Seconds(long from, long to) =>
        from is 0 or long.MaxValue || to is 0 or long.MaxValue ? 0 : Math.Max(0, Stopwatch.GetElapsedTime(from, to).TotalSeconds);
}
