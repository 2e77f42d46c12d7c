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

    public static IBackend Create(string name) => name switch
    {
        Reference => new ReferenceBackend(),
        Cpu => new CpuBackend(new CpuOptions { Threads = 2 }),
        _ => throw new ArgumentOutOfRangeException(nameof(name), name, "no such backend"),
    };
}
