using System;
using System.Collections.Generic;
using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using System.Text.Json.Nodes;
using System.Threading;
using System.Threading.Tasks;
using Quire.Cli.CommandLine;
using Quire.Core.Requests;
using Quire.Engine;
using Quire.Engine.Options;

namespace Quire.Cli.Bench;

/// <summary><c>quire bench latency</c>: the time of one batch from start to end, over and over, as <c>vllm bench latency</c> measures it.</summary>
internal sealed class BenchLatencyCommand : BenchCommand
{
    private static readonly double[] Percents = [10, 25, 50, 75, 90, 99];

    private readonly Option<int> _input = Size("--input-len", 32, "Tokens of each prompt.");
    private readonly Option<int> _output = Size("--output-len", 128, "Tokens of each answer.");
    private readonly Option<int> _batch = Size("--batch-size", 8, "Requests of a batch.");
    private readonly Option<int> _n = Size("--n", 1, "Answers for each prompt.");
    private readonly Option<int> _warmup = Size("--num-iters-warmup", 10, "Batches before measuring.");
    private readonly Option<int> _iterations = Size("--num-iters", 30, "Batches that are measured.");
    private readonly Option<bool> _noText = new("--disable-detokenize") { Description = "Do not turn tokens into text." };

    public BenchLatencyCommand()
        : base("bench latency", "Measure the time of one batch (vLLM's bench latency).")
    {
        foreach (Option option in (Option[])[_input, _output, _batch, _n, _warmup, _iterations, _noText])
            Definition.Add(option);
    }

    public override OptionTables Tables => OptionTables.Engine;

    public override bool StartsEngine => true;

    protected override string DecidingKey => "avg_latency";

    protected override async Task<List<JsonObject>> MeasureAsync(CliCall call, int repeats, CancellationToken cancellationToken)
    {
        AllowMissingTokenizer(call);
        // A cached prefix would turn every iteration but the first into something else.
        call.Options.Put("enable_prefix_caching", false, OptionOrigin.Derived, "bench latency");
        await using InferenceEngine engine = await EngineStart.RunAsync(call, UsageContext.OfflineBatch, cancellationToken).ConfigureAwait(false);
        int seed = (int)(call.Options.GetInteger("seed") ?? 0);
        var random = new Random(seed);
        int highest = Math.Min(10000, engine.Model.VocabularySize);
        var requests = new List<BenchRequest>();
        for (int i = 0; i < call.Parsed.GetValue(_batch); i++)
        {
            int[] prompt = new int[call.Parsed.GetValue(_input)];
            for (int j = 0; j < prompt.Length; j++)
                prompt[j] = random.Next(highest);
            requests.Add(new BenchRequest(null, prompt, prompt.Length, call.Parsed.GetValue(_output)));
        }

        var sampling = new SamplingParams
        {
            N = call.Parsed.GetValue(_n),
            Temperature = 1.0,
            TopP = 1.0,
            IgnoreEos = true,
            Detokenize = engine.HasTokenizer && !call.Parsed.GetValue(_noText),
            Seed = seed,
        };
        for (int i = 0; i < call.Parsed.GetValue(_warmup); i++)
            await OfflineBench.RunAsync(engine, requests, sampling, cancellationToken).ConfigureAwait(false);
        var runs = new List<JsonObject>();
        for (int repeat = 0; repeat < repeats; repeat++)
            runs.Add(await MeasureOnceAsync(engine, requests, sampling, call.Parsed.GetValue(_iterations), cancellationToken).ConfigureAwait(false));
        return runs;
    }

    private static async Task<JsonObject> MeasureOnceAsync(InferenceEngine engine, List<BenchRequest> requests, SamplingParams sampling, int iterations, CancellationToken cancellationToken)
    {
        var latencies = new List<double>(iterations);
        for (int i = 0; i < iterations; i++)
        {
            long start = Stopwatch.GetTimestamp();
            await OfflineBench.RunAsync(engine, requests, sampling, cancellationToken).ConfigureAwait(false);
            latencies.Add(Stopwatch.GetElapsedTime(start).TotalSeconds);
        }

        var percentiles = new JsonObject();
        foreach (double percent in Percents)
            percentiles[percent.ToString(CultureInfo.InvariantCulture)] = BenchStatistics.Percentile(latencies, percent);
        return new JsonObject
        {
            ["avg_latency"] = BenchStatistics.Mean(latencies),
            ["std_latency"] = BenchStatistics.StandardDeviation(latencies),
            ["latencies"] = List(latencies),
            ["percentiles"] = percentiles,
        };
    }
}
