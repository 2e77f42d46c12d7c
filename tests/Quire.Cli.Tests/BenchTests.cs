using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.IO;
using System.Linq;
using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Threading;
using System.Threading.Tasks;
using Quire.Cli.Bench;
using Quire.Tokenization;

namespace Quire.Cli.Tests;

public class BenchTests
{
    [Fact]
    public void Statistics_are_numpys()
    {
        double[] values = [3, 1, 4, 1, 5, 9, 2, 6];

        // By hand from the definitions of numpy.mean, numpy.std (ddof 0) and numpy.percentile (linear).
        Assert.Equal(3.875, BenchStatistics.Mean(values), 12);
        Assert.Equal(2.5708704751503917, BenchStatistics.StandardDeviation(values), 12);
        Assert.Equal(3.5, BenchStatistics.Median(values), 12);
        Assert.Equal(1.75, BenchStatistics.Percentile(values, 25), 12);
        Assert.Equal(8.79, BenchStatistics.Percentile(values, 99), 12);
        Assert.Equal(0, BenchStatistics.Mean([]));
        Assert.Equal(0, BenchStatistics.Percentile([], 99));
    }

    [Theory]
    [InlineData(0.5)]
    [InlineData(1.0)]
    [InlineData(4.0)]
    public void Arrivals_have_the_burstiness_that_was_asked_for(double burstiness)
    {
        const int Count = 10_000;
        double[] times = ArrivalProcess.Times(Count, rate: 50, burstiness, ramp: null, seed: 3);
        Assert.Equal(Count / 50.0, times[^1], 9);
        double[] intervals = times.Zip(times.Prepend(0), (now, before) => now - before).ToArray();
        double mean = BenchStatistics.Mean(intervals);
        double variation = BenchStatistics.StandardDeviation(intervals) / mean;
        Assert.InRange(1 / (variation * variation), burstiness * 0.93, burstiness * 1.07);
    }

    [Fact]
    public void An_infinite_rate_sends_all_at_once_and_infinite_burstiness_is_a_constant_interval()
    {
        Assert.All(ArrivalProcess.Times(5, double.PositiveInfinity, 1, null, 0), time => Assert.Equal(0, time));
        Assert.Equal([0.5, 1.0, 1.5, 2.0], ArrivalProcess.Times(4, 2, double.PositiveInfinity, null, 0));
    }

    [Fact]
    public void Latencies_follow_their_definitions()
    {
        long second = Stopwatch.Frequency;
        ServedRequest first = Served(second, ttft: 0.1, latency: 0.5, outputs: 5, 0.1, 0.3);
        ServedRequest one = Served(2 * second, ttft: 0.2, latency: 0.2, outputs: 1);
        var failed = new ServedRequest { Success = false, StartTimestamp = second };
        JsonObject result = ServeMetrics.Calculate([first, one, failed], 2.0, ["ttft", "tpot", "itl", "e2el"], [50, 99.9],
            new Dictionary<string, double> { ["ttft"] = 150, ["tpot"] = 100 });
        Assert.Equal(2, Int("completed"));
        Assert.Equal(1, Int("failed"));
        Assert.Equal(6, Int("total_output_tokens"));
        Assert.Equal(3.0, Number("output_throughput"), 9);
        Assert.Equal(100, Number("mean_tpot_ms"), 9);
        Assert.Equal(150, Number("mean_ttft_ms"), 9);
        Assert.Equal(200, Number("mean_itl_ms"), 9);
        Assert.Equal(100, Number("std_itl_ms"), 9);
        Assert.Equal(350, Number("p50_e2el_ms"), 9);
        Assert.True(result.ContainsKey("p99.9_ttft_ms"));
        Assert.Equal(0.5, Number("request_goodput"), 9);
        Assert.Equal(1, Int("max_concurrent_requests"));

        int Int(string key) => (int)Number(key);
        double Number(string key) => double.Parse(result[key]!.ToJsonString(), System.Globalization.CultureInfo.InvariantCulture);
    }

    [Fact]
    public void Random_prompts_are_the_same_every_time_and_as_long_as_asked()
    {
        ITokenizer tokenizer = TokenizerLoader.Load(CliRun.Quill);
        var options = new DatasetOptions { Name = "random", Count = 20, InputLength = 50, OutputLength = 7, RangeRatio = 0.5, PrefixLength = 10, Seed = 5 };
        List<BenchRequest> first = TokenDataset.Create(options, tokenizer, tokenizer.VocabularySize);
        List<BenchRequest> second = TokenDataset.Create(options, tokenizer, tokenizer.VocabularySize);
        Assert.Equal(first.Select(request => request.Prompt), second.Select(request => request.Prompt));
        Assert.All(first, request => Assert.InRange(request.PromptLength, 35, 85));
        Assert.All(first, request => Assert.Equal(request.PromptLength, tokenizer.Encode(request.Prompt!, addSpecialTokens: false).Length));
        Assert.All(first, request => Assert.InRange(request.OutputLength, 3, 11));
    }

    [Fact]
    public async Task A_server_is_measured_chunk_by_chunk()
    {
        using var server = new StreamServer();
        string folder = Path.Combine(Path.GetTempPath(), $"quire-{Guid.NewGuid():N}");
        try
        {
            CliRun run = await CliRun.Of("bench", "serve", "--port", server.Port.ToString(System.Globalization.CultureInfo.InvariantCulture), "--num-prompts", "6", "--input-len", "8",
                "--output-len", "3", "--request-rate", "500", "--max-concurrency", "2", "--json", "--save-detailed", "--result-dir", folder, "--result-filename", "r.json",
                "--percentile-metrics", "ttft,tpot,itl,e2el", "--goodput", "ttft:60000", "e2el:60000", "--metadata", "note=test");
            Assert.True(run.Status == 0, run.Error);
            JsonElement result = JsonDocument.Parse(run.Out).RootElement;
            Assert.Equal("tiny", result.GetProperty("model_id").GetString());
            Assert.Equal(6, result.GetProperty("completed").GetInt32());
            Assert.Equal(18, result.GetProperty("total_output_tokens").GetInt32());
            Assert.Equal(48, result.GetProperty("total_input_tokens").GetInt32());
            Assert.Equal("test", result.GetProperty("note").GetString());
            Assert.InRange(result.GetProperty("max_concurrent_requests").GetInt32(), 1, 2);
            Assert.True(result.GetProperty("request_goodput").GetDouble() > 0);
            JsonElement saved = JsonDocument.Parse(await File.ReadAllTextAsync(Path.Combine(folder, "r.json"))).RootElement;
            Assert.All(saved.GetProperty("itls").EnumerateArray(), intervals => Assert.Equal(2, intervals.GetArrayLength()));
            Assert.Equal("abc", saved.GetProperty("generated_texts")[0].GetString());
            Assert.All(server.Bodies, body => Assert.True(body.GetProperty("ignore_eos").GetBoolean()));
            Assert.All(server.Bodies, body => Assert.True(body.GetProperty("stream_options").GetProperty("include_usage").GetBoolean()));
        }
        finally
        {
            if (Directory.Exists(folder))
                Directory.Delete(folder, recursive: true);
        }
    }

    [Fact]
    public async Task A_server_that_is_not_there_is_one_line()
    {
        CliRun run = await CliRun.Of("bench", "serve", "--port", "1", "--num-prompts", "1");
        Assert.Equal(1, run.Status);
        Assert.Contains("is the server running?", run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_server_that_still_loads_is_waited_for()
    {
        using var server = new StreamServer(refused: 2);
        CliRun run = await CliRun.Of("bench", "serve", "--port", server.Port.ToString(System.Globalization.CultureInfo.InvariantCulture), "--num-prompts", "1",
            "--input-len", "8", "--output-len", "3", "--json", "--ready-check-timeout-sec", "30");
        Assert.True(run.Status == 0, run.Error);
        Assert.Equal("tiny", JsonDocument.Parse(run.Out).RootElement.GetProperty("model_id").GetString());
    }

    private static ServedRequest Served(long start, double ttft, double latency, int outputs, params double[] intervals)
    {
        var request = new ServedRequest { Success = true, StartTimestamp = start, TimeToFirstToken = ttft, Latency = latency, OutputLength = outputs, PromptLength = 10 };
        request.Intervals.AddRange(intervals);
        return request;
    }

    /// <summary>A server that answers every completion with three chunks and the usage.</summary>
    private sealed class StreamServer : IDisposable
    {
        private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
        private readonly CancellationTokenSource _stop = new();
        private readonly Lock _gate = new();
        private int _refused;

        /// <param name="refused">Connections that are closed without an answer, before the others.</param>
        public StreamServer(int refused = 0)
        {
            _refused = refused;
            _listener.Start();
            _ = AcceptAsync();
        }

        public int Port => ((IPEndPoint)_listener.LocalEndpoint).Port;

        public List<JsonElement> Bodies { get; } = [];

        public void Dispose()
        {
            _stop.Cancel();
            _listener.Dispose();
            _stop.Dispose();
        }

        private async Task AcceptAsync()
        {
            try
            {
                while (true)
                {
                    TcpClient client = await _listener.AcceptTcpClientAsync(_stop.Token);
                    if (_refused-- > 0)
                        client.Dispose();
                    else
                        _ = AnswerAsync(client);
                }
            }
            catch (Exception failure) when (failure is OperationCanceledException or SocketException or ObjectDisposedException)
            {
            }
        }

        private async Task AnswerAsync(TcpClient client)
        {
            using TcpClient owned = client;
            NetworkStream stream = client.GetStream();
            using var reader = new StreamReader(stream, Encoding.Latin1, leaveOpen: true);
            string first = await reader.ReadLineAsync() ?? "";
            int length = 0;
            while (await reader.ReadLineAsync() is { Length: > 0 } header)
            {
                if (header.StartsWith("Content-Length:", StringComparison.OrdinalIgnoreCase))
                    length = int.Parse(header[15..], System.Globalization.CultureInfo.InvariantCulture);
            }

            if (first.StartsWith("GET", StringComparison.Ordinal))
            {
                await SendAsync(stream, "application/json", "{\"data\":[{\"id\":\"tiny\"}]}");
                return;
            }

            char[] body = new char[length];
            await reader.ReadBlockAsync(body);
            lock (_gate)
                Bodies.Add(JsonDocument.Parse(Encoding.Latin1.GetBytes(body)).RootElement);
            await SendAsync(stream, "text/event-stream",
                ": a comment\n\ndata: {\"choices\":[{\"text\":\"a\"}]}\n\ndata: {\"choices\":[{\"text\":\"b\"}]}\r\n\r\ndata: {\"choices\":[{\"text\":\"c\"}]}\n\n"
                + "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":8,\"completion_tokens\":3}}\n\ndata: [DONE]\n\n");
        }

        private static async Task SendAsync(NetworkStream stream, string type, string text)
        {
            byte[] bytes = Encoding.UTF8.GetBytes($"HTTP/1.1 200 OK\r\nContent-Type: {type}\r\nContent-Length: {text.Length}\r\nConnection: close\r\n\r\n{text}");
            await stream.WriteAsync(bytes);
        }
    }
}
