using System;
using System.Collections.Generic;
using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using System.IO;
using System.Net.Http;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Threading;
using System.Threading.Tasks;
using Quire.Cli.CommandLine;
using Quire.Engine;
using Quire.Engine.Loading;
using Quire.Tokenization;

namespace Quire.Cli.Bench;

/// <summary><c>quire bench serve</c>: loads any OpenAI-compatible server and measures it as <c>vllm bench serve</c> does.</summary>
internal sealed class BenchServeCommand : BenchCommand
{
    private readonly BenchServeFlags _flags = new();

    public BenchServeCommand()
        : base("bench serve", "Measure a running OpenAI-compatible server (vLLM's bench serve).")
    {
        foreach (Option option in _flags.All)
            Definition.Add(option);
    }

    protected override string DecidingKey => "output_throughput";

    protected override async Task<List<JsonObject>> MeasureAsync(CliCall call, int repeats, CancellationToken cancellationToken)
    {
        BenchServeSettings settings = _flags.Read(call);
        using var handler = new SocketsHttpHandler { MaxConnectionsPerServer = int.MaxValue, PooledConnectionIdleTimeout = TimeSpan.FromMinutes(5) };
        if (settings.Insecure)
        {
#pragma warning disable CA5359 // The flag asks for exactly this: a benchmark of a server with a certificate of its own making.
            handler.SslOptions.RemoteCertificateValidationCallback = static (_, _, _, _) => true;
#pragma warning restore CA5359
        }

        using var client = new HttpClient(handler) { Timeout = TimeSpan.FromHours(6) };
        string model = settings.Model ?? await FirstModelAsync(client, settings, cancellationToken).ConfigureAwait(false);
        ITokenizer? tokenizer = LoadTokenizer(settings);
        List<BenchRequest> requests = TokenDataset.Create(settings.Dataset, tokenizer, tokenizer?.VocabularySize ?? 1000);
        if (settings.Temperature is null)
            await call.Host.Error.WriteLineAsync("WARN temperature is not set: the server's default applies").ConfigureAwait(false);
        byte[][] bodies = new byte[requests.Count][];
        for (int i = 0; i < bodies.Length; i++)
            bodies[i] = settings.Body(model, requests[i]);
        await WaitUntilReadyAsync(client, settings, bodies[0], cancellationToken).ConfigureAwait(false);
        await WarmUpAsync(client, settings, bodies[0], cancellationToken).ConfigureAwait(false);
        var runs = new List<JsonObject>();
        for (int repeat = 0; repeat < repeats; repeat++)
            runs.Add(await MeasureOnceAsync(client, settings, model, requests, bodies, cancellationToken).ConfigureAwait(false));
        if (settings.SaveResult)
            WriteFile(settings.ResultPath(model, DateTime.Now), runs[^1]);
        return runs;
    }

    private static async Task<JsonObject> MeasureOnceAsync(HttpClient client, BenchServeSettings settings, string model, List<BenchRequest> requests, byte[][] bodies,
        CancellationToken cancellationToken)
    {
        double[] times = ArrivalProcess.Times(requests.Count, settings.RequestRate, settings.Burstiness, settings.Ramp, settings.Dataset.Seed);
        using SemaphoreSlim? gate = settings.MaxConcurrency is { } most ? new SemaphoreSlim(most) : null;
        var served = new ServedRequest[requests.Count];
        var tasks = new Task[requests.Count];
        long start = Stopwatch.GetTimestamp();
        for (int i = 0; i < requests.Count; i++)
        {
            await WaitUntilAsync(start, times[i], cancellationToken).ConfigureAwait(false);
            double lag = Stopwatch.GetElapsedTime(start).TotalSeconds - times[i];
            served[i] = new ServedRequest { PromptLength = requests[i].PromptLength, OutputLength = 1, SendLag = settings.IsPaced ? lag : 0 };
            tasks[i] = SendAsync(client, settings, served[i], bodies[i], i, gate, cancellationToken);
        }

        await Task.WhenAll(tasks).ConfigureAwait(false);
        double duration = Stopwatch.GetElapsedTime(start).TotalSeconds;
        JsonObject result = settings.Describe(model, requests.Count);
        foreach ((string key, JsonNode? value) in ServeMetrics.Calculate(served, duration, settings.Metrics, settings.Percentiles, settings.Goodput))
            result[key] = value?.DeepClone();
        AddLists(result, served, start, settings.SaveDetailed);
        return result;
    }

    private static async Task SendAsync(HttpClient client, BenchServeSettings settings, ServedRequest request, byte[] body, int index, SemaphoreSlim? gate, CancellationToken cancellationToken)
    {
        long arrived = Stopwatch.GetTimestamp();
        if (gate is not null)
            await gate.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            request.QueueSeconds = Stopwatch.GetElapsedTime(arrived).TotalSeconds;
            await request.RunAsync(client, settings.Endpoint, body, settings.HeadersFor(index), cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            gate?.Release();
        }
    }

    /// <summary>Sleeps, and spins the last piece, since timers are no more exact than a millisecond or so.</summary>
    private static async Task WaitUntilAsync(long start, double seconds, CancellationToken cancellationToken)
    {
        double left = seconds - Stopwatch.GetElapsedTime(start).TotalSeconds;
        if (left <= 0)
            return;
        if (left > 0.002)
            await Task.Delay(TimeSpan.FromSeconds(left - 0.0015), cancellationToken).ConfigureAwait(false);
        var spin = default(SpinWait);
        while (Stopwatch.GetElapsedTime(start).TotalSeconds < seconds)
            spin.SpinOnce(sleep1Threshold: -1);
    }

    private static void AddLists(JsonObject result, ServedRequest[] served, long start, bool detailed)
    {
        var latencies = new JsonArray();
        var queue = new JsonArray();
        foreach (ServedRequest request in served)
        {
            if (request.Success)
                latencies.Add((JsonNode?)JsonValue.Create(request.Latency));
            queue.Add((JsonNode?)JsonValue.Create(request.QueueSeconds));
        }

        result["latencies"] = latencies;
        result["queue_times"] = queue;
        if (!detailed)
            return;
        var inputs = new JsonArray();
        var outputs = new JsonArray();
        var starts = new JsonArray();
        var firsts = new JsonArray();
        var intervals = new JsonArray();
        var texts = new JsonArray();
        var errors = new JsonArray();
        foreach (ServedRequest request in served)
        {
            inputs.Add((JsonNode?)JsonValue.Create(request.PromptLength));
            outputs.Add((JsonNode?)JsonValue.Create(request.Success ? request.OutputLength : 0));
            starts.Add((JsonNode?)JsonValue.Create(Stopwatch.GetElapsedTime(start, request.StartTimestamp).TotalSeconds));
            firsts.Add((JsonNode?)JsonValue.Create(request.TimeToFirstToken));
            intervals.Add((JsonNode)List(request.Intervals));
            texts.Add((JsonNode?)JsonValue.Create(request.Text.ToString()));
            errors.Add((JsonNode?)JsonValue.Create(request.Error));
        }

        result["input_lens"] = inputs;
        result["output_lens"] = outputs;
        result["start_times"] = starts;
        result["ttfts"] = firsts;
        result["itls"] = intervals;
        result["generated_texts"] = texts;
        result["errors"] = errors;
    }

    protected override void Print(TextWriter output, JsonObject result)
    {
        output.WriteLine("============ Serving Benchmark Result ============");
        foreach ((string key, JsonNode? node) in result)
        {
            if (node is JsonValue value && (value.TryGetValue(out double number) || value.GetValueKind() == JsonValueKind.Number))
                output.WriteLine($"{key + ":",-40} {Number(value).ToString("0.00", CultureInfo.InvariantCulture)}");
        }

        output.WriteLine("TTFT: to the first chunk with choices. ITL: between such chunks. E2EL: to the last one. TPOT: (E2EL - TTFT) / (output tokens - 1).");
        if (result["client_bound"]?.GetValue<bool>() == true)
            output.WriteLine("INVALID: the client could not send in time; use fewer requests a second or a faster machine for the client.");
    }

    private static double Number(JsonValue value) => value.TryGetValue(out double real) ? real : value.TryGetValue(out long whole) ? whole : value.GetValue<int>();

    private static ITokenizer? LoadTokenizer(BenchServeSettings settings)
    {
        if (settings.SkipTokenizer)
            return null;
        try
        {
            return ModelText.LoadTokenizer(ModelLocator.Locate(settings.Tokenizer));
        }
        catch (TokenizerException failure)
        {
            throw Failures.Usage(ErrorCodes.BadTokenizer, failure.Message, "tokenizer");
        }
        catch (QuireException failure) when (failure.Code == ErrorCodes.ModelNotFound)
        {
            throw Failures.Usage(ErrorCodes.BadTokenizer,
                $"there is no tokenizer at '{settings.Tokenizer}'; give a folder with --tokenizer, or --skip-tokenizer-init to send token ids", "tokenizer");
        }
    }

    /// <summary>The first model that the server names; a server that is still loading is asked again within the time of the ready check.</summary>
    private static async Task<string> FirstModelAsync(HttpClient client, BenchServeSettings settings, CancellationToken cancellationToken)
    {
        long start = Stopwatch.GetTimestamp();
        while (true)
        {
            try
            {
                return await AskForModelAsync(client, settings, cancellationToken).ConfigureAwait(false);
            }
            catch (HttpRequestException) when (Stopwatch.GetElapsedTime(start).TotalSeconds < settings.ReadyTimeout)
            {
                await Task.Delay(200, cancellationToken).ConfigureAwait(false);
            }
            catch (Exception failure) when (failure is HttpRequestException or JsonException or KeyNotFoundException or IndexOutOfRangeException or InvalidOperationException)
            {
                throw new QuireException(ErrorCodes.RequestFailed, ErrorKind.Runtime,
                    $"{settings.ModelsEndpoint} does not name a model ({Failures.OneLine(failure.Message)}); is the server running? Otherwise give --model, or --ready-check-timeout-sec to wait for it", inner: failure);
            }
        }
    }

    private static async Task<string> AskForModelAsync(HttpClient client, BenchServeSettings settings, CancellationToken cancellationToken)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, settings.ModelsEndpoint);
        foreach ((string name, string value) in settings.Headers)
            request.Headers.TryAddWithoutValidation(name, value);
        using HttpResponseMessage response = await client.SendAsync(request, cancellationToken).ConfigureAwait(false);
        response.EnsureSuccessStatusCode();
        using var models = JsonDocument.Parse(await response.Content.ReadAsByteArrayAsync(cancellationToken).ConfigureAwait(false));
        return models.RootElement.GetProperty("data")[0].GetProperty("id").GetString()!;
    }

    private static async Task WaitUntilReadyAsync(HttpClient client, BenchServeSettings settings, byte[] body, CancellationToken cancellationToken)
    {
        long start = Stopwatch.GetTimestamp();
        while (settings.ReadyTimeout > 0)
        {
            var probe = new ServedRequest();
            await probe.RunAsync(client, settings.Endpoint, body, settings.Headers, cancellationToken).ConfigureAwait(false);
            if (probe.Success)
                return;
            if (Stopwatch.GetElapsedTime(start).TotalSeconds > settings.ReadyTimeout)
                throw new QuireException(ErrorCodes.RequestFailed, ErrorKind.Runtime, $"the server was not ready after {settings.ReadyTimeout} s: {Failures.OneLine(probe.Error)}");
            await Task.Delay(1000, cancellationToken).ConfigureAwait(false);
        }
    }

    private static async Task WarmUpAsync(HttpClient client, BenchServeSettings settings, byte[] body, CancellationToken cancellationToken)
    {
        var tasks = new List<Task>();
        for (int i = 0; i < settings.Warmups; i++)
            tasks.Add(new ServedRequest().RunAsync(client, settings.Endpoint, body, settings.Headers, cancellationToken));
        await Task.WhenAll(tasks).ConfigureAwait(false);
    }
}
