using System;
using System.Collections.Generic;
using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using System.IO;
using System.Text;
using System.Text.Json.Nodes;
using System.Threading;
using System.Threading.Tasks;
using Quire.Cli.CommandLine;
using Quire.Core.Requests;
using Quire.Engine;
using Quire.Engine.Intake;
using Quire.Engine.Options;
using Quire.Engine.Streaming;

namespace Quire.Cli.Bench;

/// <summary>
/// <c>quire bench startup</c>: time from nothing until requests are taken, and to the first token. Cold is a new process, the runtime's own
/// start included; warm is another engine in this process, with compiled code.
/// </summary>
internal sealed class BenchStartupCommand : BenchCommand
{
    /// <summary>What a new process is asked: one token, which needs no tokenizer.</summary>
    private const string Row = """{"prompt_token_ids":[1],"sampling_params":{"max_tokens":1,"temperature":0,"detokenize":false}}""";

    private const string CacheFolder = "cuda_cache_folder";
    private static readonly double[] Percents = [10, 25, 50, 75, 90, 99];

    private readonly Option<int> _cold = Size("--num-iters-cold", 3, "New processes.");
    private readonly Option<int> _warm = Size("--num-iters-warm", 3, "New engines in this process.");

    private readonly Option<bool> _emptyCache = new("--empty-cache") { Description = "Every new process starts with an empty cache of compiled kernels and timings, as after an installation. The user's own cache is left alone." };

    public BenchStartupCommand()
        : base("bench startup", "Measure how long a start takes, until requests are taken and to the first token.")
    {
        Definition.Add(_cold);
        Definition.Add(_warm);
        Definition.Add(_emptyCache);
    }

    public override OptionTables Tables => OptionTables.Engine;

    public override bool StartsEngine => true;

    protected override string DecidingKey => "avg_cold_startup_time";

    protected override async Task<List<JsonObject>> MeasureAsync(CliCall call, int repeats, CancellationToken cancellationToken)
    {
        AllowMissingTokenizer(call);
        var runs = new List<JsonObject>();
        for (int repeat = 0; repeat < repeats; repeat++)
        {
            var cold = new List<StartTimes>();
            for (int i = 0; i < call.Parsed.GetValue(_cold); i++)
                cold.Add(await ColdAsync(call, call.Parsed.GetValue(_emptyCache), cancellationToken).ConfigureAwait(false));
            var warm = new List<StartTimes>();
            if (call.Parsed.GetValue(_warm) > 0)
                await WarmAsync(call, cancellationToken).ConfigureAwait(false);
            for (int i = 0; i < call.Parsed.GetValue(_warm); i++)
                warm.Add(await WarmAsync(call, cancellationToken).ConfigureAwait(false));
            var result = new JsonObject();
            Report(result, "cold", "startup", cold.ConvertAll(times => times.FirstToken));
            Report(result, "cold", "ready", cold.ConvertAll(times => times.Ready));
            Report(result, "warm", "startup", warm.ConvertAll(times => times.FirstToken));
            Report(result, "warm", "ready", warm.ConvertAll(times => times.Ready));
            runs.Add(result);
        }

        return runs;
    }

    private static void Report(JsonObject result, string kind, string what, List<double> times)
    {
        if (times.Count == 0)
            return;
        var percentiles = new JsonObject();
        foreach (double percent in Percents)
            percentiles[percent.ToString(CultureInfo.InvariantCulture)] = BenchStatistics.Percentile(times, percent);
        result[$"avg_{kind}_{what}_time"] = BenchStatistics.Mean(times);
        result[$"{kind}_{what}_times"] = List(times);
        result[$"{kind}_{what}_percentiles"] = percentiles;
    }

    private static async Task<StartTimes> WarmAsync(CliCall call, CancellationToken cancellationToken)
    {
        long start = Stopwatch.GetTimestamp();
        await using InferenceEngine engine = await EngineStart.RunAsync(call, UsageContext.OfflineBatch, cancellationToken).ConfigureAwait(false);
        double ready = Stopwatch.GetElapsedTime(start).TotalSeconds;
        using GenerationHandle handle = engine.Submit(new GenerationRequest { Prompt = Prompt.FromTokens([1]), Sampling = new SamplingParams { MaxTokens = 1, Temperature = 0, Detokenize = false } });
        await handle.CompleteAsync(cancellationToken).ConfigureAwait(false);
        return new StartTimes(ready, Stopwatch.GetElapsedTime(start).TotalSeconds);
    }

    /// <summary>A process of this program that generates one token and says on the way when its engine is ready.</summary>
    private static async Task<StartTimes> ColdAsync(CliCall call, bool emptyCache, CancellationToken cancellationToken)
    {
        string program = Environment.ProcessPath ?? throw new InvalidOperationException("the program's own path is unknown");
        var start = new ProcessStartInfo(program) { RedirectStandardOutput = true, RedirectStandardError = true, RedirectStandardInput = true };
        if (Path.GetFileNameWithoutExtension(program) == "dotnet")
            start.ArgumentList.Add(Path.Combine(AppContext.BaseDirectory, "quire.dll"));
        foreach (string argument in (ReadOnlySpan<string>)["generate", "--input", "-", "--verbose"])
            start.ArgumentList.Add(argument);
        foreach (OptionSetting setting in call.Options.Settings)
        {
            if (!emptyCache || setting.Option.Name != CacheFolder)
                start.ArgumentList.Add($"{setting.Option.Flag}={OptionValue.Format(setting.Value)}");
        }

        string? cache = emptyCache ? Directory.CreateTempSubdirectory("quire-startup-").FullName : null;
        if (cache is not null)
            start.ArgumentList.Add($"--{CacheFolder.Replace('_', '-')}={cache}");
        try
        {
            return await MeasureAsync(start, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            if (cache is not null)
                Directory.Delete(cache, recursive: true);
        }
    }

    private static async Task<StartTimes> MeasureAsync(ProcessStartInfo start, CancellationToken cancellationToken)
    {
        long begin = Stopwatch.GetTimestamp();
        using Process process = Process.Start(start) ?? throw new InvalidOperationException("the program could not be started again");
        await process.StandardInput.WriteLineAsync(Row.AsMemory(), cancellationToken).ConfigureAwait(false);
        process.StandardInput.Close();
        Task<(double Ready, string Errors)> errors = ReadErrorsAsync(process.StandardError, begin, cancellationToken);
        char[] first = new char[1];
        await process.StandardOutput.ReadAsync(first.AsMemory(), cancellationToken).ConfigureAwait(false);
        double seconds = Stopwatch.GetElapsedTime(begin).TotalSeconds;
        string output = await process.StandardOutput.ReadToEndAsync(cancellationToken).ConfigureAwait(false);
        await process.WaitForExitAsync(cancellationToken).ConfigureAwait(false);
        (double ready, string text) = await errors.ConfigureAwait(false);
        if (process.ExitCode != 0)
            throw new QuireException(ErrorCodes.RequestFailed, ErrorKind.Runtime, "the measured process failed: " + Failures.OneLine(text + output));
        return new StartTimes(ready, seconds);
    }

    /// <summary>What a process writes to its standard error, and when it said that its engine was ready.</summary>
    private static async Task<(double Ready, string Errors)> ReadErrorsAsync(StreamReader reader, long begin, CancellationToken cancellationToken)
    {
        var text = new StringBuilder();
        double ready = 0;
        while (await reader.ReadLineAsync(cancellationToken).ConfigureAwait(false) is { } line)
        {
            if (ready == 0 && line.Contains(EngineStart.ReadyWords, StringComparison.Ordinal))
                ready = Stopwatch.GetElapsedTime(begin).TotalSeconds;
            text.AppendLine(line);
        }

        return (ready, text.ToString());
    }

    /// <summary>Seconds from the start until requests are taken, and until the first token is there.</summary>
    private readonly record struct StartTimes(double Ready, double FirstToken);
}
