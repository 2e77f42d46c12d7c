using System;
using System.Globalization;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text.Json.Nodes;
using Quire.Cpu;

namespace Quire.Cli.Bench;

/// <summary>What a measurement was taken on: printed with every result.</summary>
internal sealed record MachineInfo(string Processor, string Instructions, int Cores, double MemoryGiB, string OperatingSystem, string Runtime, string Version)
{
    public static MachineInfo Read()
    {
        var features = CpuFeatures.Detect();
        return new MachineInfo(
            features.ProcessorName,
            features.Tier.ToString(),
            features.PhysicalCores,
            Math.Round(GC.GetGCMemoryInfo(GCKind.Any).TotalAvailableMemoryBytes / (double)(1L << 30), 1),
            RuntimeInformation.OSDescription,
            RuntimeInformation.FrameworkDescription + (RuntimeFeature.IsDynamicCodeCompiled ? "" : " (native)"),
            CommandRouter.Version);
    }

    public JsonObject ToJson() => new()
    {
        ["processor"] = Processor,
        ["instruction_sets"] = Instructions,
        ["cores"] = Cores,
        ["memory_gib"] = MemoryGiB,
        ["gpu"] = null,
        ["os"] = OperatingSystem,
        ["runtime"] = Runtime,
        ["commit"] = Version,
    };

    public override string ToString() => string.Create(CultureInfo.InvariantCulture,
        $"{Processor}, {Instructions}, {Cores} cores, {MemoryGiB} GiB, {OperatingSystem}, {Runtime}, quire {Version}");
}
