using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.Globalization;
using System.Threading.Tasks;
using Microsoft.AspNetCore.Http;
using Quire.Core.Requests;
using Quire.Engine.Lora;
using Quire.Engine.Metrics;
using Quire.Server.Http;
using Quire.Server.Serving;

namespace Quire.Server.Metrics;

/// <summary><c>GET /metrics</c>: what the engine counts, under vLLM's names, so that its dashboards and alerts work here.</summary>
internal sealed class MetricsEndpoint
{
    private static readonly FinishReason[] Reasons =
        [FinishReason.Stop, FinishReason.Length, FinishReason.Abort, FinishReason.Error, FinishReason.Repetition];

    private readonly EngineMetrics _metrics;
    private readonly string _model;
    private readonly string _labels;
    private readonly LoraRegistry? _loras;

    public MetricsEndpoint(ServerContext server)
    {
        _metrics = server.Engine.Metrics;
        _model = server.ServedName;
        _loras = server.Engine.Loras;
        _labels = PrometheusWriter.Labels(("engine", "0"), ("model_name", _model));
    }

    public async Task HandleAsync(HttpContext context)
    {
        using var buffer = new PooledBuffer(65536);
        Write(new PrometheusWriter(buffer));
        context.Response.ContentType = PrometheusWriter.ContentType;
        context.Response.ContentLength = buffer.WrittenMemory.Length;
        await context.Response.Body.WriteAsync(buffer.WrittenMemory, context.RequestAborted);
    }

    private void Write(PrometheusWriter writer)
    {
        WriteProcess(writer);
        WriteState(writer);
        WriteCounters(writer);
        WriteHistograms(writer);
        WriteCacheConfig(writer);
        WriteLoras(writer);
        WriteToolCalls(writer);
    }

    private static void WriteProcess(PrometheusWriter writer)
    {
        using Process process = Process.GetCurrentProcess();
        Gauge(writer, "process_virtual_memory_bytes", "Virtual memory size in bytes.", "", process.VirtualMemorySize64);
        Gauge(writer, "process_resident_memory_bytes", "Resident memory size in bytes.", "", process.WorkingSet64);
        double start = (process.StartTime.ToUniversalTime() - DateTime.UnixEpoch).TotalSeconds;
        Gauge(writer, "process_start_time_seconds", "Start time of the process since unix epoch in seconds.", "", start);
        writer.Family("process_cpu_seconds_total", "Total user and system CPU time spent in seconds.", "counter");
        writer.Sample("process_cpu_seconds_total", "", process.TotalProcessorTime.TotalSeconds);
    }

    private void WriteState(PrometheusWriter writer)
    {
        Gauge(writer, "vllm:num_requests_running", "Requests in execution batches.", _labels, _metrics.RequestsRunning);
        Gauge(writer, "vllm:num_requests_waiting", "Requests that wait to be computed.", _labels, _metrics.RequestsWaiting);
        const string ByReason = "vllm:num_requests_waiting_by_reason";
        writer.Family(ByReason, "Waiting requests by what they wait for: room in the batch or the cache (capacity), or something else (deferred).", "gauge");

        // The two gauges are read one after the other while the engine runs; what they count never becomes negative.
        int deferred = _metrics.RequestsDeferred;
        writer.Sample(ByReason, With("reason", "capacity"), Math.Max(0, _metrics.RequestsWaiting - deferred));
        writer.Sample(ByReason, With("reason", "deferred"), deferred);
        const string Sleep = "vllm:engine_sleep_state";
        writer.Family(Sleep, "Whether the engine is awake, has given up its weights, or has discarded everything.", "gauge");
        writer.Sample(Sleep, With("sleep_state", "awake"), 1);
        writer.Sample(Sleep, With("sleep_state", "weights_offloaded"), 0);
        writer.Sample(Sleep, With("sleep_state", "discard_all"), 0);
        Gauge(writer, "vllm:kv_cache_usage_perc", "Use of the KV cache; 1 is all of it.", _labels, _metrics.KvCacheUsage);
    }

    private void WriteCounters(PrometheusWriter writer)
    {
        Counter(writer, "vllm:prefix_cache_queries", "Tokens looked up in the prefix cache.", _metrics.PrefixCacheQueries.Value);
        Counter(writer, "vllm:prefix_cache_hits", "Tokens found in the prefix cache.", _metrics.PrefixCacheHits.Value);
        Counter(writer, "vllm:external_prefix_cache_queries", "Tokens looked up in caches of other servers.", 0);
        Counter(writer, "vllm:external_prefix_cache_hits", "Tokens found in caches of other servers.", 0);
        Counter(writer, "vllm:mm_cache_queries", "Items looked up in the multimodal cache.", 0);
        Counter(writer, "vllm:mm_cache_hits", "Items found in the multimodal cache.", 0);
        Counter(writer, "vllm:num_preemptions", "Preemptions of running requests.", _metrics.Preemptions.Value);
        Counter(writer, "vllm:prompt_tokens", "Prompt tokens, cached ones included.", _metrics.PromptTokens.Value);
        Counters(writer, "vllm:prompt_tokens_by_source", "Prompt tokens by where their keys and values came from.",
            (With("source", "local_compute"), _metrics.PromptTokensComputed.Value),
            (With("source", "local_cache_hit"), _metrics.PromptTokensCached.Value),
            (With("source", "external_kv_transfer"), 0));
        Counter(writer, "vllm:prompt_tokens_cached", "Prompt tokens whose keys and values were in a cache.", _metrics.PromptTokensCached.Value);
        Counter(writer, "vllm:generation_tokens", "Generated tokens.", _metrics.GenerationTokens.Value);
        var finished = new (string, double)[Reasons.Length];
        for (int i = 0; i < Reasons.Length; i++)
        {
            string reason = System.Text.Encoding.ASCII.GetString(FinishReasons.Name(Reasons[i]));
            string labels = PrometheusWriter.Labels(("engine", "0"), ("finished_reason", reason), ("model_name", _model));
            finished[i] = (labels, _metrics.Finished(Reasons[i]).Value);
        }

        Counters(writer, "vllm:request_success", "Finished requests by the reason of their end; failed ones are among them.", finished);
    }

    private void WriteHistograms(PrometheusWriter writer)
    {
        Histogram(writer, "vllm:request_prompt_tokens", "Prompt tokens of a request.", _metrics.RequestPromptTokens);
        Histogram(writer, "vllm:request_generation_tokens", "Generated tokens of a request.", _metrics.RequestGenerationTokens);
        Histogram(writer, "vllm:iteration_tokens_total", "Tokens of an engine step.", _metrics.IterationTokens);
        Histogram(writer, "vllm:request_max_num_generation_tokens", "Tokens of the longest output of a request.", _metrics.RequestMaxGenerationTokens);
        Histogram(writer, "vllm:request_params_n", "Outputs asked for.", _metrics.RequestParamsN);
        Histogram(writer, "vllm:request_params_max_tokens", "Tokens asked for.", _metrics.RequestParamsMaxTokens);
        Histogram(writer, "vllm:time_to_first_token_seconds", "Arrival to first token.", _metrics.TimeToFirstToken);
        Histogram(writer, "vllm:inter_token_latency_seconds", "Time between outputs of a request.", _metrics.InterTokenLatency);
        Histogram(writer, "vllm:request_time_per_output_token_seconds", "Mean time per output token after the first.", _metrics.TimePerOutputToken);
        Histogram(writer, "vllm:e2e_request_latency_seconds", "Arrival to end.", _metrics.EndToEndLatency);
        Histogram(writer, "vllm:request_queue_time_seconds", "Time until the first scheduling.", _metrics.QueueTime);
        Histogram(writer, "vllm:request_inference_time_seconds", "First scheduling to last token.", _metrics.InferenceTime);
        Histogram(writer, "vllm:request_prefill_time_seconds", "First scheduling to first token.", _metrics.PrefillTime);
        Histogram(writer, "vllm:request_decode_time_seconds", "First token to last token.", _metrics.DecodeTime);
        Histogram(writer, "vllm:request_prefill_kv_computed_tokens", "Prompt tokens computed, without cached ones.", _metrics.RequestPrefillKvComputedTokens);
        Histogram(writer, "quire:step_host_time_seconds", "Time of a step outside the model.", _metrics.StepHostTime);
    }

    private void WriteCacheConfig(PrometheusWriter writer)
    {
        var labels = new List<(string Name, string Value)> { ("engine", "0") };
        foreach ((string name, string value) in _metrics.CacheConfig)
        {
            labels.Add((name, value));
        }

        labels.Sort(static (a, b) => string.CompareOrdinal(a.Name, b.Name));
        Gauge(writer, "vllm:cache_config_info", "How the KV cache is configured.",
            PrometheusWriter.Labels(System.Runtime.InteropServices.CollectionsMarshal.AsSpan(labels)), 1);
    }

    /// <summary>Only with adapters, as vLLM; its labels are these three alone, and its value is the time.</summary>
    private void WriteLoras(PrometheusWriter writer)
    {
        if (_loras is null)
        {
            return;
        }

        string labels = PrometheusWriter.Labels(
            ("max_lora", _loras.MaxLoras.ToString(CultureInfo.InvariantCulture)),
            ("running_lora_adapters", string.Join(',', _loras.Active(running: true))),
            ("waiting_lora_adapters", string.Join(',', _loras.Active(running: false))));
        Gauge(writer, "vllm:lora_requests_info", "Running stats on lora requests.", labels, DateTimeOffset.UtcNow.ToUnixTimeMilliseconds() / 1000.0);
    }

    /// <summary>Tool-call parsers do not run yet, so these stand at zero.</summary>
    private void WriteToolCalls(PrometheusWriter writer)
    {
        var series = new List<(string, double)>();
        foreach (string mode in (ReadOnlySpan<string>)["streaming", "non_streaming"])
        {
            foreach (string outcome in (ReadOnlySpan<string>)["tool_call", "no_tool_call"])
            {
                foreach (string type in (ReadOnlySpan<string>)["chat_completions", "responses", "other"])
                {
                    series.Add((PrometheusWriter.Labels(("mode", mode), ("model_name", _model), ("outcome", outcome), ("request_type", type)), 0));
                }
            }
        }

        Counters(writer, "vllm:tool_call_parser_invocations", "Runs of tool-call parsers: one per choice, or per delta of a stream.", [.. series]);
    }

    private string With(string label, string value) => PrometheusWriter.Labels(("engine", "0"), ("model_name", _model), (label, value));

    private static void Gauge(PrometheusWriter writer, string name, string help, string labels, double value)
    {
        writer.Family(name, help, "gauge");
        writer.Sample(name, labels, value);
    }

    private void Counter(PrometheusWriter writer, string name, string help, double value) => Counters(writer, name, help, (_labels, value));

    private void Counters(PrometheusWriter writer, string name, string help, params (string Labels, double Value)[] series)
    {
        string total = name + "_total";
        writer.Family(total, help, "counter");
        foreach ((string labels, double value) in series)
        {
            writer.Sample(total, labels, value);
        }

        string created = name + "_created";
        writer.Family(created, help, "gauge");
        foreach ((string labels, double _) in series)
        {
            writer.Sample(created, labels, _metrics.StartedAtUnixSeconds);
        }
    }

    private void Histogram(PrometheusWriter writer, string name, string help, Histogram histogram)
    {
        ReadOnlySpan<double> bounds = histogram.Bounds;
        var counts = new long[bounds.Length + 1];
        (double sum, long count) = histogram.Read(counts);
        writer.Family(name, help, "histogram");
        long cumulative = 0;
        for (int i = 0; i < counts.Length; i++)
        {
            cumulative += counts[i];
            string bound = i < bounds.Length ? PrometheusWriter.Format(bounds[i]) : "+Inf";
            writer.Sample(name + "_bucket", PrometheusWriter.Labels(("engine", "0"), ("le", bound), ("model_name", _model)), cumulative);
        }

        writer.Sample(name + "_count", _labels, count);
        writer.Sample(name + "_sum", _labels, sum);
        writer.Family(name + "_created", help, "gauge");
        writer.Sample(name + "_created", _labels, _metrics.StartedAtUnixSeconds);
    }
}
