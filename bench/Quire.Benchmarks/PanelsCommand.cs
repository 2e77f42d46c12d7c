using System;
using System.Globalization;
using Quire.Cpu;
using Quire.Cpu.Bench;

namespace Quire.Benchmarks;

/// <summary>Checks and times the kernels of weights in panels.</summary>
internal static class PanelsCommand
{
    public static int Run(ReadOnlySpan<string> arguments)
    {
        var options = new CpuOptions { Threads = 1 };
        bool times = false;
        string[]? formats = null;
        for (int i = 0; i < arguments.Length; i++)
        {
            switch (arguments[i])
            {
                case "--time":
                    times = true;
                    break;
                case "--no-assembly":
                    options = options with { AssembleKernels = false };
                    break;
                case "--bf16-inputs":
                    options = options with { BFloat16Inputs = true };
                    break;
                case "--tier" when InstructionTierNames.TryParse(arguments[++i], out InstructionTier limit):
                    options = options with { TierLimit = limit };
                    break;
                case "--formats":
                    formats = arguments[++i].Split(',');
                    break;
                case "--threads":
                    options = options with { Threads = int.Parse(arguments[++i], CultureInfo.InvariantCulture) };
                    break;
                default:
                    Console.Error.WriteLine($"unknown argument: {arguments[i]}");
                    return 2;
            }
        }

        PanelCheck check = formats is null
            ? new PanelCheck(options, Random.Shared.Next())
            : new PanelCheck(options, Random.Shared.Next()) { Formats = formats };

        bool right = true;
        foreach (string line in times ? check.Time() : check.Compare())
        {
            right &= !line.EndsWith("WRONG", StringComparison.Ordinal);
            Console.WriteLine(line);
        }

        return right ? 0 : 1;
    }
}
