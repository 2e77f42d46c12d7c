using System;
using System.Collections.Generic;
using System.Globalization;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;
using System.Text.Json.Nodes;
using Quire.Cpu;
using Quire.Cuda.Device;

namespace Quire.Cli.Bench;

/// <summary>What a measurement was taken on: printed with every result.</summary>
internal sealed record MachineInfo(string Processor, string Instructions, int Cores, double MemoryGiB, GpuInfo? Gpu, string OperatingSystem, string Runtime, string Version)
{
    /// <param name="device">The option device: where it says cpu, a GPU does not matter.</param>
    public static MachineInfo Read(string? device)
    {
        var features = CpuFeatures.Detect();
        return new MachineInfo(
            features.ProcessorName,
            InstructionSets(),
            features.PhysicalCores,
            Math.Round(GC.GetGCMemoryInfo(GCKind.Any).TotalAvailableMemoryBytes / (double)(1L << 30), 1),
            device == "cpu" ? null : GpuInfo.Find(Ordinal(device)),
            RuntimeInformation.OSDescription,
            RuntimeInformation.FrameworkDescription + (RuntimeFeature.IsDynamicCodeCompiled ? "" : " (native)"),
            CommandRouter.Version);
    }

    /// <summary>The card of "cuda:1"; other names mean the first one.</summary>
    private static int Ordinal(string? device) =>
        device?.StartsWith("cuda:", StringComparison.Ordinal) == true && int.TryParse(device.AsSpan(5), CultureInfo.InvariantCulture, out int ordinal) ? ordinal : 0;

    /// <summary>What the runtime may use of the processor, as far as it matters for arithmetic.</summary>
    private static string InstructionSets()
    {
        var names = new List<string>();
        Add(Avx2.IsSupported, "AVX2");
        Add(Fma.IsSupported, "FMA");
        Add(AvxVnni.IsSupported, "AVX-VNNI");
        Add(Avx512F.IsSupported, "AVX-512F");
        Add(Avx512BW.IsSupported, "AVX-512BW");
        Add(Avx512Vbmi.IsSupported, "AVX-512VBMI");
        Add(AdvSimd.IsSupported, "AdvSIMD");
        Add(Dp.IsSupported, "DotProd");
        return names.Count > 0 ? string.Join(" ", names) : "no vectors";

        void Add(bool has, string name)
        {
            if (has)
                names.Add(name);
        }
    }

    public JsonObject ToJson() => new()
    {
        ["processor"] = Processor,
        ["instruction_sets"] = Instructions,
        ["cores"] = Cores,
        ["memory_gib"] = MemoryGiB,
        ["gpu"] = Gpu?.Name,
        ["gpu_memory_gib"] = Gpu is null ? null : Math.Round(Gpu.MemoryBytes / (double)(1L << 30), 1),
        ["driver"] = Gpu?.Driver,
        ["cuda"] = Gpu?.Cuda,
        ["os"] = OperatingSystem,
        ["runtime"] = Runtime,
        ["commit"] = Version,
    };

    public override string ToString() => string.Create(CultureInfo.InvariantCulture,
        $"{Processor}, {Instructions}, {Cores} cores, {MemoryGiB} GiB, {(Gpu is null ? "" : $"{Gpu}, ")}{OperatingSystem}, {Runtime}, quire {Version}");
}
