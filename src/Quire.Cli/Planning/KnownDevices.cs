using System;
using System.Collections.Generic;
using Quire.Engine;
using Quire.Engine.Options;
using Quire.Cli.CommandLine;

namespace Quire.Cli.Planning;

/// <summary>Cards by name, for plans without the card: memory as their driver reports it to programs, which is less than on the box.</summary>
internal static class KnownDevices
{
    private const double GiB = 1L << 30;

    private static readonly (string Name, string Description, long Bytes)[] Table =
    [
        ("b200-180gb", "NVIDIA B200", (long)(178.35 * GiB)),
        ("h200-141gb", "NVIDIA H200", (long)(139.80 * GiB)),
        ("h100-80gb", "NVIDIA H100 80GB", (long)(79.18 * GiB)),
        ("a100-80gb", "NVIDIA A100 80GB", (long)(79.25 * GiB)),
        ("a100-40gb", "NVIDIA A100 40GB", (long)(39.49 * GiB)),
        ("rtxpro6000-96gb", "NVIDIA RTX PRO 6000 Blackwell", (long)(94.97 * GiB)),
        ("l40s-48gb", "NVIDIA L40S", (long)(44.40 * GiB)),
        ("a6000-48gb", "NVIDIA RTX A6000", (long)(47.44 * GiB)),
        ("rtx5090-32gb", "NVIDIA GeForce RTX 5090", (long)(31.37 * GiB)),
        ("rtx4090-24gb", "NVIDIA GeForce RTX 4090", 25_250_627_584),
        ("rtx3090-24gb", "NVIDIA GeForce RTX 3090", (long)(23.57 * GiB)),
        ("a10g-24gb", "NVIDIA A10G", (long)(22.06 * GiB)),
        ("l4-24gb", "NVIDIA L4", (long)(22.05 * GiB)),
        ("t4-16gb", "NVIDIA T4", (long)(14.58 * GiB)),
    ];

    public static IEnumerable<string> Names
    {
        get
        {
            foreach ((string name, _, _) in Table)
                yield return name;
        }
    }

    /// <summary>The card of this name; the memory may be left out (<c>h200</c>) where it is the only one.</summary>
    public static DeviceFacts Find(string name)
    {
        string wanted = name.ToLowerInvariant();
        (string Name, string Description, long Bytes)? found = null;
        foreach ((string Name, string Description, long Bytes) row in Table)
        {
            if (row.Name == wanted)
                return new DeviceFacts("cuda", row.Description, row.Bytes, row.Bytes);
            if (row.Name.StartsWith(wanted + "-", StringComparison.Ordinal))
                found = found is null ? row : throw Failures.Usage(ErrorCodes.InvalidOption, $"{name} may mean {found.Value.Name} or {row.Name}; say which", "gpu");
        }

        if (found is { } only)
            return new DeviceFacts("cuda", only.Description, only.Bytes, only.Bytes);
        throw Failures.Usage(ErrorCodes.InvalidOption, $"unknown device {name}; known are {string.Join(", ", Names)}", "gpu");
    }

    /// <summary>This machine's memory.</summary>
    public static DeviceFacts ThisMachine()
    {
        GCMemoryInfo memory = GC.GetGCMemoryInfo(GCKind.Any);
        long total = memory.TotalAvailableMemoryBytes;
        return new DeviceFacts("cpu", "CPU", total, Math.Max(0, total - memory.MemoryLoadBytes));
    }
}
