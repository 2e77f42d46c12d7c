using System;
using System.Collections.Generic;
using System.CommandLine;
using System.Diagnostics;
using System.Text.Json.Nodes;
using System.Threading;
using System.Threading.Tasks;
using Quire.Cli.CommandLine;
using Quire.Core.Requests;
using Quire.Engine;
using Quire.Engine.Metrics;
using Quire.Engine.Options;

namespace Quire.Cli.Bench;

/// <summary><c>quire bench throughput</c>: all requests at once, offline, as <c>vllm bench throughput</c> measures it.</summary>
internal sealed class BenchThroughputCommand : BenchCommand
{
    private readonly Option<string> _backend = new("--backend") { DefaultValueFactory = _ => "vllm", Description = "vllm (and quire) mean this engine.", HelpName = "NAME" };
    private readonly Option<string> _dataset = new("--dataset-name") { DefaultValueFactory = _ => "random", Description = "random, prefix_repetition, sharegpt or custom.", HelpName = "NAME" };
    private readonly Option<string?> _path = new("--dataset-path") { Description = "File of the data set.", HelpName = "FILE" };
    private readonly Option<int> _count = Size("--num-prompts", 1000, "Requests.");
    private readonly Option<int> _warmups = Size("--num-warmups", 0, "Requests before measuring.");
    private readonly Option<int?> _input = new("--input-len") { Description = "Tokens of each prompt; also --random-input-len. Default: 1024.", HelpName = "N", Aliases = { "--random-input-len" } };
    private readonly Option<int?> _output = new("--output-len") { Description = "Tokens of each answer; also --random-output-len. Default: 128.", HelpName = "N", Aliases = { "--random-output-len" } };
    private readonly Option<double> _range = new("--random-range-ratio") { Description = "Lengths vary within this share of themselves. Default: 0.", HelpName = "X" };
    private readonly Option<int> _prefix = new("--prefix-len") { Description = "Tokens that all prompts share. Default: 0.", HelpName = "N", Aliases = { "--random-prefix-len" } };
    private readonly Option<int> _n = Size("--n", 1, "Answers for each prompt.");
    private readonly Option<bool> _async = new("--async-engine") { Description = "Accepted: there is one engine, and it is asynchronous." };
    private readonly Option<bool> _noText = new("--disable-detokenize") { Description = "Do not turn tokens into text." };
    private readonly Option<bool> _queue = new("--prequeue-requests") { Description = "Accepted: all requests are submitted at once anyway." };

    public BenchThroughputCommand()
        : base("bench throughput", "Measure offline throughput (vLLM's bench throughput).")
    {
        foreach (Option option in (Option[])[_backend, _dataset, _path, _count, _warmups, _input, _output, _range, _prefix, _n, _async, _noText, _queue])
            Definition.Add(option);
    }

    public override OptionTables Tables => OptionTables.Engine;

    public override bool StartsEngine => true;

    /// <summary>Made-up prompts are tokens, so that their lengths are exactly those asked for.</summary>
    private static bool NeedsText(string dataset) => dataset is "sharegpt" or "custom";

    protected override string DecidingKey => "tokens_per_second";

    protected override async Task<List<JsonObject>> MeasureAsync(CliCall call, int repeats, CancellationToken cancellationToken)
    {
        AllowMissingTokenizer(call);
        if (call.Parsed.GetValue(_backend) is not ("vllm" or "quire") and var other)
            throw Failures.Usage(ErrorCodes.InvalidOption, $"--backend must be vllm or quire, which mean this engine, got {other}", "backend");
        await using InferenceEngine engine = await EngineStart.RunAsync(call, UsageContext.OfflineBatch, cancellationToken).ConfigureAwait(false);
        int seed = (int)(call.Options.GetInteger("seed") ?? 0);
        List<BenchRequest> requests = TokenDataset.Create(
            new DatasetOptions
            {
                Name = call.Parsed.GetValue(_dataset)!,
                Path = call.Parsed.GetValue(_path),
                Count = call.Parsed.GetValue(_count),
                InputLength = call.Parsed.GetValue(_input) ?? 1024,
                OutputLength = call.Parsed.GetValue(_output),
                RangeRatio = call.Parsed.GetValue(_range),
                PrefixLength = call.Parsed.GetValue(_prefix),
                Seed = seed,
            },
            NeedsText(call.Parsed.GetValue(_dataset)!) && engine.HasTokenizer ? engine.Tokenizer : null,
            engine.Model.VocabularySize);
        var sampling = new SamplingParams
        {
            N = call.Parsed.GetValue(_n),
            Temperature = 1.0,
            TopP = 1.0,
            IgnoreEos = true,
            Detokenize = engine.HasTokenizer && !call.Parsed.GetValue(_noText),
            Seed = seed,
        };
        int warmups = Math.Min(call.Parsed.GetValue(_warmups), requests.Count);
        if (warmups > 0)
            await OfflineBench.RunAsync(engine, requests.GetRange(0, warmups), sampling, cancellationToken).ConfigureAwait(false);
        var runs = new List<JsonObject>();
        for (int repeat = 0; repeat < repeats; repeat++)
        {
            // Every run starts with an empty cache, or the later ones would only measure lookups.
            await engine.ResetPrefixCacheAsync().ConfigureAwait(false);
            engine.Steps.Start();
            long start = Stopwatch.GetTimestamp();
            (long prompt, long output) = await OfflineBench.RunAsync(engine, requests, sampling, cancellationToken).ConfigureAwait(false);
            double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
            StepTimes steps = engine.Steps.Stop();
            var run = new JsonObject
            {
                ["elapsed_time"] = seconds,
                ["num_requests"] = requests.Count,
                ["total_num_tokens"] = prompt + output,
                ["requests_per_second"] = requests.Count / seconds,
                ["tokens_per_second"] = (prompt + output) / seconds,
                ["total_input_tokens"] = prompt,
                ["total_output_tokens"] = output,
                ["output_tokens_per_second"] = output / seconds,
                ["num_steps"] = steps.Steps,
                ["p50_step_host_time_ms"] = steps.HostP50 * 1e3,
                ["p99.9_step_host_time_ms"] = steps.HostP999 * 1e3,
            };
            if (steps.Device is { } device)
                run["gpu_idle_percent"] = device.IdleShare * 100;
            runs.Add(run);
        }

        return runs;
    }
}
