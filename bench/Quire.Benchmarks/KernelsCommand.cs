using System;
using System.Globalization;
using System.Linq;
using Quire.Cpu;
using Quire.Cpu.Bench;
using Quire.Tensors;

namespace Quire.Benchmarks;

/// <summary>Prints what the CPU kernels reach, beside what the machine can do.</summary>
internal static class KernelsCommand
{
    public static int Run(ReadOnlySpan<string> arguments)
    {
        int threads = 0;
        InstructionTier? tier = null;
        DType type = DType.BF16;
        int packedBits = 0;
        BlockFormat? blocks = null;
        double seconds = 0.5;
        bool stepsOnly = false;
        Func<double>? clock = null;
        DecoderShape shape = DecoderShape.Llama1B;
        for (int i = 0; i < arguments.Length; i++)
        {
            switch (arguments[i])
            {
                case "--short":
                    shape = DecoderShape.Llama1BShort;
                    break;
                case "--steps":
                    stepsOnly = true;
                    break;
                case "--cpu-time":
                    clock = ThreadClock.Seconds;
                    threads = 1;
                    break;
                case "--threads":
                    threads = int.Parse(arguments[++i], CultureInfo.InvariantCulture);
                    break;
                case "--seconds":
                    seconds = double.Parse(arguments[++i], CultureInfo.InvariantCulture);
                    break;
                case "--tier" when InstructionTierNames.TryParse(arguments[++i], out InstructionTier limit):
                    tier = limit;
                    break;
                case "--packed":
                    packedBits = int.Parse(arguments[++i], CultureInfo.InvariantCulture);
                    break;
                case "--blocks":
                    blocks = Format(arguments[++i]);
                    break;
                case "--type":
                    type = arguments[++i] switch { "f16" => DType.F16, "f32" => DType.F32, _ => DType.BF16 };
                    break;
                default:
                    Console.Error.WriteLine($"unknown argument: {arguments[i]}");
                    return 2;
            }
        }

        var options = new CpuOptions { Threads = threads, TierLimit = tier };
        MachineLimits before = MachineLimits.Measure(options);
        using var benchmark = new KernelBenchmark(options, shape, type, maxTokens: 512, packedBits, blocks, clock);
        Console.WriteLine(benchmark.Backend.Device.Description);
        PrintLimits(before);
        Console.WriteLine(Text($"{shape.Name}, weights {(blocks?.DisplayName() ?? (packedBits > 0 ? $"of {packedBits} bits" : type.DisplayName()))}, {benchmark.WeightBytes / 1e9:F2} GB"));
        Console.WriteLine();
        Console.WriteLine($"{"",-26}{"median",11}{"best",11}{"GB/s",8}{"of read",9}{"GFLOP/s",9}{"of peak",9}{"tok/s",9}");
        foreach (int tokens in stepsOnly ? [] : new[] { 1, 2, 4, 8, 16, 64, 512 })
        {
            foreach (KernelMeasurement measurement in benchmark.MeasureOperations(tokens, seconds))
            {
                Print(measurement, before);
            }

            Console.WriteLine();
        }

        foreach (int tokens in new[] { 1, 8, 1, 8, 512 })
        {
            Print(benchmark.MeasureStep(tokens, 4 * seconds), before);
        }

        PrintLimits(MachineLimits.Measure(options));
        return 0;
    }

    private static BlockFormat Format(string name)
    {
        foreach (BlockFormat format in BlockFormats.All)
        {
            if (format.DisplayName().Equals(name, StringComparison.OrdinalIgnoreCase))
            {
                return format;
            }
        }

        throw new ArgumentException($"--blocks {name}: the formats are {string.Join(", ", BlockFormats.All.Select(format => format.DisplayName()))}");
    }

    private static void PrintLimits(MachineLimits limits) => Console.WriteLine(
        Text($"limits: read {limits.ReadBytesPerSecond / 1e9:F1} GB/s, multiply-add {limits.FlopsPerSecond / 1e9:F1} GFLOP/s, of bytes {limits.ByteOpsPerSecond / 1e9:F1}, of 16 bits {limits.WordOpsPerSecond / 1e9:F1} GOP/s"));

    /// <summary>Rates are those of the median run.</summary>
    private static void Print(KernelMeasurement measurement, MachineLimits limits)
    {
        double seconds = measurement.MedianSeconds;
        string line = Text($"{measurement.Name,-26}{Duration(seconds),11}{Duration(measurement.BestSeconds),11}");
        line += measurement.Bytes > 0
            ? Text($"{measurement.Bytes / seconds / 1e9,8:F1}{measurement.Bytes / seconds / limits.ReadBytesPerSecond,9:P0}")
            : new string(' ', 17);
        line += measurement.Flops > 0
            ? Text($"{measurement.Flops / seconds / 1e9,9:F1}{measurement.Flops / seconds / limits.FlopsPerSecond,9:P0}")
            : new string(' ', 18);
        line += measurement.Tokens > 0 ? Text($"{measurement.Tokens / seconds,9:F1}") : "";
        Console.WriteLine(line);
    }

    private static string Duration(double seconds) => seconds < 1e-3 ? Text($"{seconds * 1e6:F1} us") : Text($"{seconds * 1e3:F2} ms");

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
