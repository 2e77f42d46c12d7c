using System;

namespace Quire.Cpu;

/// <summary>What every kernel of a backend runs on: its threads and their working memory.</summary>
internal sealed class CpuRuntime(int threads, int spinMicros) : IDisposable
{
    public WorkerPool Pool { get; } = new(threads, spinMicros);

    public Scratch Scratch { get; } = new();

    public void Dispose()
    {
        Pool.Dispose();
        Scratch.Dispose();
    }
}
