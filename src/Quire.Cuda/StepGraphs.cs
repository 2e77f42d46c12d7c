using System;
using System.Collections.Generic;
using Quire.Cuda.Device;
using Quire.Tensors;

namespace Quire.Cuda;

/// <summary>
/// CUDA graphs by key. A key is run as it is the first time, which loads its kernels and plans, captured the second time, and replayed
/// from then on.
/// </summary>
internal sealed class StepGraphs(CudaStream stream, CudaOps ops) : IStepGraphs, IDisposable
{
    private readonly Dictionary<long, CudaGraph?> _graphs = [];
    private long _capturing = -1;

    public int Count { get; private set; }

    public bool TryReplay(long key)
    {
        if (_graphs.TryGetValue(key, out CudaGraph? graph) && graph is not null)
        {
            graph.Launch(stream);
            ops.NoteReplay();
            return true;
        }

        return false;
    }

    public void Begin(long key)
    {
        ops.Flush();
        if (_graphs.TryAdd(key, null))
        {
            return;
        }

        stream.BeginCapture();
        _capturing = key;
    }

    public void End(long key)
    {
        ops.Flush();
        if (_capturing != key)
        {
            return;
        }

        _capturing = -1;
        CudaGraph graph = stream.EndCapture();
        _graphs[key] = graph;
        Count++;
        graph.Launch(stream);
        ops.NoteReplay();
    }

    public void Cancel()
    {
        if (_capturing >= 0)
        {
            _capturing = -1;
            stream.CancelCapture();
        }
    }

    public void Dispose()
    {
        foreach (CudaGraph? graph in _graphs.Values)
        {
            graph?.Dispose();
        }

        _graphs.Clear();
    }
}
