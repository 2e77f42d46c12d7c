using System;

namespace Quire.Cpu;

/// <summary>What every kernel of a backend runs on: its threads and their working memory.</summary>
internal sealed class CpuRuntime(int threads, int spinMicros) : IDisposable
{
    public WorkerPool Pool { get; } = new(threads, spinMicros);

    /// <summary>Working memory of each worker.</summary>
    public Scratch Scratch { get; } = new();

    /// <summary>Activations put into the order that a kernel wants, shared by all workers.</summary>
    public Scratch Arranged { get; } = new();

    /// <summary>Rows put together by the expert that they go to.</summary>
    public Scratch Grouped { get; } = new();

    public void Dispose()
    {
        Grouped.Dispose();
        Pool.Dispose();
        Scratch.Dispose();
        Arranged.Dispose();
    }
}
