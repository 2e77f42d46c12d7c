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
using Quire.Engine.Intake;
using Quire.Engine.Options;
using Quire.Engine.Streaming;

namespace Quire.Cli.Bench;

/// <summary>
/// <c>quire bench startup</c>: time from nothing to the first token. Cold is a new process, the runtime's own start included; warm is
/// another engine in this process, with compiled code.
/// </summary>
internal sealed class BenchStartupCommand : BenchCommand
{
    private static readonly double[] Percents = [10, 25, 50, 75, 90, 99];

    private readonly Option<int> _cold = Size("--num-iters-cold", 3, "New processes.");
    private readonly Option<int> _warm = Size("--num-iters-warm", 3, "New engines in this process.");

    public BenchStartupCommand()
        : base("bench startup", "Measure the time to the first token after a start.")
    {
        Definition.Add(_cold);
        Definition.Add(_warm);
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
            var cold = new List<double>();
            for (int i = 0; i < call.Parsed.GetValue(_cold); i++)
                cold.Add(await ColdAsync(call, cancellationToken).ConfigureAwait(false));
            var warm = new List<double>();
            await WarmAsync(call, cancellationToken).ConfigureAwait(false);
            for (int i = 0; i < call.Parsed.GetValue(_warm); i++)
                warm.Add(await WarmAsync(call, cancellationToken).ConfigureAwait(false));
            var result = new JsonObject();
            Report(result, "cold", cold);
            Report(result, "warm", warm);
            runs.Add(result);
        }

        return runs;
    }

    private static void Report(JsonObject result, string kind, List<double> times)
    {
        var percentiles = new JsonObject();
        foreach (double percent in Percents)
            percentiles[percent.ToString(CultureInfo.InvariantCulture)] = BenchStatistics.Percentile(times, percent);
        result[$"avg_{kind}_startup_time"] = BenchStatistics.Mean(times);
        result[$"{kind}_startup_times"] = List(times);
        result[$"{kind}_startup_percentiles"] = percentiles;
    }

    private static async Task<double> WarmAsync(CliCall call, CancellationToken cancellationToken)
    {
        long start = Stopwatch.GetTimestamp();
        await using InferenceEngine engine = await EngineStart.RunAsync(call, UsageContext.OfflineBatch, cancellationToken).ConfigureAwait(false);
        using GenerationHandle handle = engine.Submit(new GenerationRequest { Prompt = Prompt.FromTokens([1]), Sampling = new SamplingParams { MaxTokens = 1, Temperature = 0, Detokenize = false } });
        await handle.CompleteAsync(cancellationToken).ConfigureAwait(false);
        return Stopwatch.GetElapsedTime(start).TotalSeconds;
    }

    /// <summary>A process of this program that generates one token; its end is a little later than the token, never earlier.</summary>
    private static async Task<double> ColdAsync(CliCall call, CancellationToken cancellationToken)
    {
        string program = Environment.ProcessPath ?? throw new InvalidOperationException("the program's own path is unknown");
        var start = new ProcessStartInfo(program) { RedirectStandardOutput = true, RedirectStandardError = true, RedirectStandardInput = true };
        if (System.IO.Path.GetFileNameWithoutExtension(program) == "dotnet")
            start.ArgumentList.Add(System.IO.Path.Combine(AppContext.BaseDirectory, "quire.dll"));
        foreach (string argument in (ReadOnlySpan<string>)["generate", "--prompt", "a", "--max-tokens", "1", "--temperature", "0"])
            start.ArgumentList.Add(argument);
        foreach (OptionSetting setting in call.Options.Settings)
            start.ArgumentList.Add($"{setting.Option.Flag}={OptionValue.Format(setting.Value)}");
        long begin = Stopwatch.GetTimestamp();
        using Process process = Process.Start(start) ?? throw new InvalidOperationException("the program could not be started again");
        process.StandardInput.Close();
        Task<string> errors = process.StandardError.ReadToEndAsync(cancellationToken);
        char[] first = new char[1];
        await process.StandardOutput.ReadAsync(first.AsMemory(), cancellationToken).ConfigureAwait(false);
        double seconds = Stopwatch.GetElapsedTime(begin).TotalSeconds;
        await process.StandardOutput.ReadToEndAsync(cancellationToken).ConfigureAwait(false);
        await process.WaitForExitAsync(cancellationToken).ConfigureAwait(false);
        if (process.ExitCode != 0)
            throw new QuireException(ErrorCodes.RequestFailed, ErrorKind.Runtime, "the measured process failed: " + Failures.OneLine(await errors.ConfigureAwait(false)));
        return seconds;
    }
}
