using System;
using System.Collections.Generic;
using System.IO;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using System.Text;

namespace Quire.Cpu;

/// <summary>What this processor offers, as far as the kernels can use it, and what of it is used.</summary>
/// <param name="ProcessorName">The processor's own name, such as "AMD EPYC 7763".</param>
/// <param name="Tier">The tier in use.</param>
/// <param name="Reason">Why it is this tier, as half a sentence.</param>
/// <param name="PhysicalCores">Cores that this process may use, hardware threads of one core counted once; at least 1.</param>
public sealed record CpuFeatures(string ProcessorName, InstructionTier Tier, string Reason, int PhysicalCores)
{
    /// <summary>The widest tier that the processor and the runtime offer.</summary>
    public static InstructionTier Widest =>
        Vector512.IsHardwareAccelerated ? InstructionTier.Vector512
        : Vector256.IsHardwareAccelerated && Avx2.IsSupported && Fma.IsSupported ? InstructionTier.Vector256
        : Vector128.IsHardwareAccelerated ? InstructionTier.Vector128
        : InstructionTier.Scalar;

    /// <summary>Looks at the machine.</summary>
    /// <param name="limit">The widest tier that may be used; null for no limit.</param>
    public static CpuFeatures Detect(InstructionTier? limit = null)
    {
        InstructionTier widest = Widest;
        bool limited = limit < widest;
        InstructionTier tier = limited ? limit!.Value : widest;
        string reason = limited
            ? $"limited by the options; {widest.DisplayName()} is available"
            : "the widest that the processor and the runtime offer";
        return new CpuFeatures(ReadProcessorName(), tier, reason, CountPhysicalCores());
    }

    private static string ReadProcessorName()
    {
        if (OperatingSystem.IsLinux() && ReadCpuInfo("model name") is { } name)
        {
            return name;
        }

        return BrandString() ?? $"{RuntimeInformation.ProcessArchitecture} processor";
    }

    /// <summary>The name that CPUID leaves 0x80000002 to 0x80000004 spell (Intel SDM, volume 2, CPUID).</summary>
    private static string? BrandString()
    {
        if (!X86Base.IsSupported || (uint)X86Base.CpuId(unchecked((int)0x8000_0000), 0).Eax < 0x8000_0004)
        {
            return null;
        }

        Span<int> words = stackalloc int[12];
        for (int i = 0; i < 3; i++)
        {
            (words[4 * i], words[4 * i + 1], words[4 * i + 2], words[4 * i + 3]) = X86Base.CpuId(unchecked((int)(0x8000_0002 + i)), 0);
        }

        string name = Encoding.ASCII.GetString(MemoryMarshal.AsBytes(words)).Trim('\0', ' ');
        return name.Length > 0 ? name : null;
    }

    private static int CountPhysicalCores()
    {
        int logical = Environment.ProcessorCount;
        if (!OperatingSystem.IsLinux())
        {
            return logical;
        }

        var siblings = new HashSet<string>();
        try
        {
            foreach (string directory in Directory.EnumerateDirectories("/sys/devices/system/cpu", "cpu*"))
            {
                string list = Path.Combine(directory, "topology", "thread_siblings_list");
                if (File.Exists(list))
                {
                    siblings.Add(File.ReadAllText(list).Trim());
                }
            }
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return logical;
        }

        // The logical count honours the affinity mask and the container's limit, the topology does not.
        return siblings.Count > 0 ? Math.Min(logical, siblings.Count) : logical;
    }

    private static string? ReadCpuInfo(string key)
    {
        try
        {
            foreach (string line in File.ReadLines("/proc/cpuinfo"))
            {
                int colon = line.IndexOf(':', StringComparison.Ordinal);
                if (colon > 0 && line.AsSpan(0, colon).Trim().SequenceEqual(key))
                {
                    return line[(colon + 1)..].Trim();
                }
            }
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
        }

        return null;
    }
}
