using System;
using System.Collections.Generic;
using System.CommandLine;
using System.Globalization;
using System.IO;
using System.Linq;
using System.Text.Json.Nodes;
using System.Threading;
using System.Threading.Tasks;
using Quire.Cli.CommandLine;
using Quire.Cli.Text;
using Quire.Cpu;
using Quire.Cpu.Bench;
using Quire.Engine;
using Quire.Tensors;

namespace Quire.Cli.Bench;

/// <summary>
/// <c>quire bench kernels</c>: what each kernel of the CPU backend reaches beside what the machine can do, on the shapes of a Llama of
/// 1.1 billion parameters with random weights. Needs no model.
/// </summary>
internal sealed class BenchKernelsCommand : BenchCommand
{
    private const int MostTokens = 4096;

    private readonly Option<bool> _short = new("--short") { Description = "Three layers and a small vocabulary instead of the whole model." };
    private readonly Option<string> _format = new("--format") { DefaultValueFactory = _ => "bf16", Description = "Format of the weights: bf16, f16, f32, int4, int8, or a GGUF format such as Q8_0. Default: bf16.", HelpName = "FORMAT" };
    private readonly Option<string> _tokens = new("--tokens") { DefaultValueFactory = _ => "1,8,64,512", Description = "Tokens of a step, several with commas: up to 8 are that many sequences, more are one prompt. Default: 1,8,64,512.", HelpName = "N,N" };
    private readonly Option<double> _seconds = new("--seconds") { DefaultValueFactory = _ => 0.25, Description = "How long each kernel is repeated; a whole step four times as long. Default: 0.25.", HelpName = "S" };
    private readonly Option<int> _threads = Size("--threads", 0, "Threads; 0 takes one for each core.");
    private readonly Option<string?> _tier = new("--tier") { Description = "The widest instructions to use: scalar, x86-64-v2, x86-64-v3 or x86-64-v4.", HelpName = "TIER" };
    private readonly Option<bool> _steps = new("--steps") { Description = "Whole steps only, no single kernels." };

    public BenchKernelsCommand()
        : base("bench kernels", "Measure the CPU's kernels beside the machine's limits. GPU kernels are not measured here.")
    {
        foreach (Option option in (Option[])[_short, _format, _tokens, _seconds, _threads, _tier, _steps])
            Definition.Add(option);
    }

    /// <summary>The first whole step.</summary>
    protected override string DecidingKey => "step_seconds";

    protected override async Task<List<JsonObject>> MeasureAsync(CliCall call, int repeats, CancellationToken cancellationToken)
    {
        (DType type, int bits, BlockFormat? blocks) = Format(call.Parsed.GetRequiredValue(_format));
        int[] tokens = Tokens(call.Parsed.GetRequiredValue(_tokens));
        double seconds = call.Parsed.GetValue(_seconds);
        if (seconds is not (> 0 and <= 60))
            throw Failures.Usage(ErrorCodes.InvalidOption, string.Create(CultureInfo.InvariantCulture, $"--seconds must be above 0 and at most 60, got {seconds}"), "seconds");
        InstructionTier? limit = null;
        if (call.Parsed.GetValue(_tier) is { } name)
            limit = InstructionTierNames.TryParse(name, out InstructionTier tier) ? tier
                : throw Failures.Usage(ErrorCodes.InvalidOption, $"--tier must be scalar, x86-64-v2, x86-64-v3 or x86-64-v4, got {name}", "tier");
        DecoderShape shape = call.Parsed.GetValue(_short) ? DecoderShape.Llama1BShort : DecoderShape.Llama1B;
        int threads = call.Parsed.GetValue(_threads);
        if (threads > 1024)
            throw Failures.Usage(ErrorCodes.InvalidOption, $"--threads must be in [0, 1024], got {threads}", "threads");
        var options = new CpuOptions { Threads = threads, TierLimit = limit };
        await call.Host.Error.WriteLineAsync("measuring the CPU backend; kernels of a GPU are measured by bench/gpu/run.sh").ConfigureAwait(false);
        KernelBenchmark.CheckMemory(shape, type, bits, blocks);
        using var benchmark = new KernelBenchmark(options, shape, type, Math.Max(8, tokens.Max()), bits, blocks);
        var runs = new List<JsonObject>();
        for (int repeat = 0; repeat < repeats; repeat++)
        {
            MachineLimits limits = MachineLimits.Measure(options);
            var result = new JsonObject
            {
                ["model"] = shape.Name,
                ["format"] = blocks?.DisplayName() ?? (bits > 0 ? $"int{bits}" : type.DisplayName()),
                ["device"] = benchmark.Backend.Device.Description,
                ["threads"] = benchmark.Backend.Threads,
                ["weight_bytes"] = benchmark.WeightBytes,
                ["read_limit_gb_per_s"] = limits.ReadBytesPerSecond / 1e9,
                ["multiply_add_limit_gflop_per_s"] = limits.FlopsPerSecond / 1e9,
                ["byte_product_limit_gop_per_s"] = limits.ByteOpsPerSecond / 1e9,
                ["word_product_limit_gop_per_s"] = limits.WordOpsPerSecond / 1e9,
            };
            result["kernels"] = call.Parsed.GetValue(_steps) ? new JsonArray() : Kernels(benchmark, tokens, seconds, limits, cancellationToken);
            result["steps"] = Steps(benchmark, tokens, seconds, limits, cancellationToken);
            result["step_seconds"] = result["steps"]![0]!["median_s"]!.GetValue<double>();
            runs.Add(result);
        }

        return runs;
    }

    protected override void Print(TextWriter output, JsonObject result)
    {
        base.Print(output, result);
        output.WriteLine();
        var table = new TextTable("", "tokens", "median", "best", "GB/s", "of read", "GFLOP/s", "of multiply-add", "tokens/s");
        foreach (JsonNode? row in result["kernels"]!.AsArray().Concat(result["steps"]!.AsArray()))
        {
            table.Add(
                row!["name"]!.GetValue<string>(),
                row["tokens"]!.ToJsonString(),
                Duration(row["median_s"]!.GetValue<double>()),
                Duration(row["best_s"]!.GetValue<double>()),
                Number(row["gb_per_s"], "0.0"),
                Number(row["of_read_limit"], "0 %"),
                Number(row["gflop_per_s"], "0.0"),
                Number(row["of_multiply_add_limit"], "0 %"),
                Number(row["tokens_per_s"], "0.0"));
        }

        table.Print(output, isTerminal: false);
    }

    private static JsonArray Kernels(KernelBenchmark benchmark, int[] tokens, double seconds, MachineLimits limits, CancellationToken cancellationToken)
    {
        var rows = new JsonArray();
        foreach (int count in tokens)
        {
            foreach (KernelMeasurement measurement in benchmark.MeasureOperations(count, seconds))
            {
                cancellationToken.ThrowIfCancellationRequested();
                rows.Add((JsonNode)Row(measurement, count, limits));
            }
        }

        return rows;
    }

    private static JsonArray Steps(KernelBenchmark benchmark, int[] tokens, double seconds, MachineLimits limits, CancellationToken cancellationToken)
    {
        var rows = new JsonArray();
        foreach (int count in tokens)
        {
            cancellationToken.ThrowIfCancellationRequested();
            rows.Add((JsonNode)Row(benchmark.MeasureStep(count, 4 * seconds), count, limits));
        }

        return rows;
    }

    /// <summary>Rates are those of the median run; null where the work has no such number.</summary>
    private static JsonObject Row(KernelMeasurement measurement, int tokens, MachineLimits limits)
    {
        double seconds = measurement.MedianSeconds;
        return new JsonObject
        {
            ["name"] = measurement.Name,
            ["tokens"] = tokens,
            ["median_s"] = seconds,
            ["best_s"] = measurement.BestSeconds,
            ["runs"] = measurement.Runs,
            ["gb_per_s"] = Rate(measurement.Bytes / seconds / 1e9),
            ["of_read_limit"] = Rate(measurement.Bytes / seconds / limits.ReadBytesPerSecond),
            ["gflop_per_s"] = Rate(measurement.Flops / seconds / 1e9),
            ["of_multiply_add_limit"] = Rate(measurement.Flops / seconds / limits.FlopsPerSecond),
            ["tokens_per_s"] = Rate(measurement.Tokens / seconds),
        };
    }

    private static JsonValue? Rate(double rate) => rate > 0 ? JsonValue.Create(rate) : null;

    private static string Number(JsonNode? value, string format) => value is null ? "" : value.GetValue<double>().ToString(format, CultureInfo.InvariantCulture);

    private static string Duration(double seconds) =>
        seconds < 1e-3 ? (seconds * 1e6).ToString("0.0 us", CultureInfo.InvariantCulture) : (seconds * 1e3).ToString("0.00 ms", CultureInfo.InvariantCulture);

    private static (DType Type, int Bits, BlockFormat? Blocks) Format(string name)
    {
        switch (name.ToLowerInvariant())
        {
            case "bf16":
                return (DType.BF16, 0, null);
            case "f16":
                return (DType.F16, 0, null);
            case "f32":
                return (DType.F32, 0, null);
            case "int4":
                return (DType.BF16, 4, null);
            case "int8":
                return (DType.BF16, 8, null);
        }

        foreach (BlockFormat format in BlockFormats.All)
        {
            if (format.DisplayName().Equals(name, StringComparison.OrdinalIgnoreCase))
                return (DType.BF16, 0, format);
        }

        throw Failures.Usage(
            ErrorCodes.InvalidOption, $"--format must be one of bf16, f16, f32, int4, int8, {string.Join(", ", BlockFormats.All.Select(format => format.DisplayName()))}, got {name}", "format");
    }

    private static int[] Tokens(string text)
    {
        string[] words = text.Split(',');
        int[] tokens = new int[words.Length];
        for (int i = 0; i < words.Length; i++)
        {
            if (words.Length > 16 || !int.TryParse(words[i], NumberStyles.None, CultureInfo.InvariantCulture, out tokens[i]) || tokens[i] is < 1 or > MostTokens)
                throw Failures.Usage(ErrorCodes.InvalidOption, $"--tokens must be up to 16 numbers in [1, {MostTokens}] with commas between them, got {text}", "tokens");
        }

        return tokens;
    }
}
