using System;
using Quire.Cpu;
using Quire.Tensors;
using Quire.Tensors.Reference;

namespace Quire.Models.Tests.Support;

/// <summary>The backends that models are tested on, by name.</summary>
internal static class Backends
{
    public const string Reference = "reference";

    public const string Cpu = "cpu";

    /// <summary>The CPU backend without kernels that round inputs.</summary>
    public const string CpuFloats = "cpu with inputs as they are";

    public static IBackend Create(string name) => name switch
    {
        Reference => new ReferenceBackend(),
        Cpu => new CpuBackend(new CpuOptions { Threads = 2 }),
        CpuFloats => new CpuBackend(new CpuOptions { Threads = 2, TierLimit = InstructionTier.Vector128 }),
        _ => throw new ArgumentOutOfRangeException(nameof(name), name, "no such backend"),
    };
}
