using System;
using System.Collections.Generic;
using System.CommandLine;
using System.Globalization;
using System.IO;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Threading;
using System.Threading.Tasks;
using Quire.Cli.CommandLine;
using Quire.Cli.Planning;
using Quire.Engine;
using Quire.Engine.Options;

namespace Quire.Cli.Bench;

/// <summary>What all benchmarks share: repeats, the machine, and where results go.</summary>
internal abstract class BenchCommand : CliCommand
{
    private static readonly JsonSerializerOptions Indented = new() { WriteIndented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    private readonly Option<string?> _outputJson = new("--output-json") { Description = "Write the result there as JSON.", HelpName = "FILE" };
    private readonly Option<int> _repeat = new("--repeat") { DefaultValueFactory = _ => 1, Description = "Measure so often; the result is the median run, with minimum and maximum of each number.", HelpName = "N" };

    protected BenchCommand(string name, string description)
        : base(name, description)
    {
        Definition.Add(_outputJson);
        Definition.Add(_repeat);
    }

    /// <summary>The number that decides which of several runs is the median one.</summary>
    protected abstract string DecidingKey { get; }

    /// <summary>An option that takes <c>1k</c> and the like.</summary>
    protected static Option<int> Size(string name, int standard, string help) => new(name)
    {
        DefaultValueFactory = _ => standard,
        Description = $"{help} Default: {standard.ToString(CultureInfo.InvariantCulture)}.",
        HelpName = "N",
        CustomParser = result =>
        {
            if (HumanInteger.TryParse(result.Tokens[0].Value, out long value, out string problem) && value is >= 0 and <= int.MaxValue)
                return (int)value;
            result.AddError($"{name}: {(problem.Length > 0 ? problem : "the number must be from 0 to " + int.MaxValue.ToString(CultureInfo.InvariantCulture))}");
            return 0;
        },
    };

    public sealed override async Task<int> RunAsync(CliCall call, CancellationToken cancellationToken)
    {
        int repeats = call.Parsed.GetValue(_repeat);
        if (repeats is < 1 or > 1000)
            throw Failures.Usage(ErrorCodes.InvalidOption, $"--repeat must be in [1, 1000], got {repeats}", "repeat");
        var machine = MachineInfo.Read(Tables.HasFlag(OptionTables.Engine) ? call.Options.GetText("device") : null);
        await call.Host.Error.WriteLineAsync(machine.ToString()).ConfigureAwait(false);
        List<JsonObject> runs = await MeasureAsync(call, repeats, cancellationToken).ConfigureAwait(false);
        JsonObject result = Summarize(runs);
        result["machine"] = machine.ToJson();
        if (call.Json)
            await call.Host.Out.WriteLineAsync(result.ToJsonString(Compact())).ConfigureAwait(false);
        else
            Print(call.Host.Out, result);
        if (call.Parsed.GetValue(_outputJson) is { } path)
            WriteFile(path, result);
        return (int)(result["failed"]?.GetValue<int>() ?? 0) > 0 && (result["completed"]?.GetValue<int>() ?? 1) == 0 ? Failures.Failed : Failures.Done;
    }

    /// <summary>Random weights need no tokenizer: a folder that holds nothing but config.json, or that file alone, will do.</summary>
    protected static void AllowMissingTokenizer(CliCall call)
    {
        if (call.Options.GetText("load_format") != "dummy" || call.Options.Find("skip_tokenizer_init") is not null)
            return;
        if (!File.Exists(Path.Combine(ModelFiles.TokenizerFolder(call.Options), "tokenizer.json")))
            call.Options.Put("skip_tokenizer_init", true, OptionOrigin.Derived, "no tokenizer.json");
    }

    /// <summary>Runs the benchmark so often and gives one result a run.</summary>
    protected abstract Task<List<JsonObject>> MeasureAsync(CliCall call, int repeats, CancellationToken cancellationToken);

    /// <summary>Prints a result for people; the default is a line for each number.</summary>
    protected virtual void Print(TextWriter output, JsonObject result)
    {
        foreach ((string key, JsonNode? value) in result)
        {
            if (value is JsonValue)
                output.WriteLine($"{key + ":",-32} {Text(value)}");
            else if (key is "percentiles" or "repeat" or "tasks" && value is JsonObject inner)
                PrintInner(output, key, inner);
        }
    }

    protected static void WriteFile(string path, JsonObject result)
    {
        try
        {
            if (Path.GetDirectoryName(path) is { Length: > 0 } folder)
                Directory.CreateDirectory(folder);
            File.WriteAllText(path, result.ToJsonString(Indented));
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            throw Failures.Unreadable(path, failure);
        }
    }

    private static JsonSerializerOptions Compact() => new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    private static void PrintInner(TextWriter output, string title, JsonObject inner)
    {
        output.WriteLine(title + ":");
        foreach ((string key, JsonNode? value) in inner)
        {
            if (value is JsonObject deeper)
                output.WriteLine($"  {key + ":",-30} median {Text(deeper["median"])}, minimum {Text(deeper["minimum"])}, maximum {Text(deeper["maximum"])}");
            else
                output.WriteLine($"  {key + ":",-30} {Text(value)}");
        }
    }

    private static string Text(JsonNode? value) =>
        value is JsonValue number && number.TryGetValue(out double real) ? real.ToString("0.######", CultureInfo.InvariantCulture) : value?.ToString() ?? "none";

    private JsonObject Summarize(List<JsonObject> runs)
    {
        runs.Sort((a, b) => Deciding(a).CompareTo(Deciding(b)));
        JsonObject median = runs[(runs.Count - 1) / 2];
        if (runs.Count == 1)
            return median;
        var spread = new JsonObject { ["count"] = runs.Count };
        foreach ((string key, JsonNode? node) in median)
        {
            if (node is not JsonValue value || !value.TryGetValue(out double _))
                continue;
            var values = new List<double>(runs.Count);
            foreach (JsonObject run in runs)
            {
                if (run[key] is JsonValue one && one.TryGetValue(out double number))
                    values.Add(number);
            }

            spread[key] = new JsonObject
            {
                ["median"] = BenchStatistics.Median(values),
                ["minimum"] = BenchStatistics.Percentile(values, 0),
                ["maximum"] = BenchStatistics.Percentile(values, 100),
            };
        }

        median["repeat"] = spread;
        return median;
    }

    private double Deciding(JsonObject run) => run[DecidingKey] is JsonValue value && value.TryGetValue(out double number) ? number : 0;

    /// <summary>A list of numbers as JSON.</summary>
    protected static JsonArray List(IReadOnlyList<double> values)
    {
        var list = new JsonArray();
        foreach (double value in values)
            list.Add((JsonNode?)JsonValue.Create(value));
        return list;
    }
}
