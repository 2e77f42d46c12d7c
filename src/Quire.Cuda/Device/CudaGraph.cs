using System;
using Quire.Cuda.Interop;

namespace Quire.Cuda.Device;

/// <summary>
/// Work that was captured from a stream and is started with one call, at the same addresses and with the same arguments every time.
/// One launch of a graph runs after the other.
/// </summary>
internal sealed unsafe class CudaGraph : IDisposable
{
    private readonly GraphExecHandle _graph;

    /// <summary>Instantiates a captured graph, which stays the caller's, and brings it to the device.</summary>
    internal CudaGraph(CudaStream stream, nint captured)
    {
        nint executable = 0;
        CudaDriver.GraphInstantiateWithFlags(&executable, captured, 0).Check("cuGraphInstantiateWithFlags");
        _graph = new GraphExecHandle(stream.Device.Context, executable);
        CudaDriver.GraphUpload(executable, stream.Handle).Check("cuGraphUpload");
    }

    public void Launch(CudaStream stream) => CudaDriver.GraphLaunch(_graph.Value, stream.Handle).Check("cuGraphLaunch");

    /// <summary>No launch of the graph is running.</summary>
    public void Dispose() => _graph.Dispose();
}
