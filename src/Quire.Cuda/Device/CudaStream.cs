using System;
using System.Diagnostics;
using Quire.Cuda.Interop;

namespace Quire.Cuda.Device;

/// <summary>
/// A queue of work of a device, independent of its default stream. What is called on one stream runs in order; the calls return
/// before the work is done. Addresses are of device memory unless a parameter says host.
/// </summary>
internal sealed unsafe class CudaStream : IDisposable
{
    private const uint NonBlocking = 1;
    private readonly StreamHandle _stream;
    private readonly CudaDevice _device;

    /// <summary>The device's context is current on the calling thread.</summary>
    public CudaStream(CudaDevice device)
    {
        _device = device;
        nint stream = 0;
        CudaDriver.StreamCreate(&stream, NonBlocking).Check("cuStreamCreate");
        _stream = new StreamHandle(device.Context, stream);
    }

    public CudaDevice Device => _device;

    /// <summary>The driver's own value, for libraries that work on a stream.</summary>
    public nint Handle => _stream.Value;

    /// <summary>True between <see cref="BeginCapture"/> and <see cref="EndCapture"/>.</summary>
    public bool IsCapturing
    {
        get
        {
            CaptureStatus status = CaptureStatus.None;
            CudaDriver.StreamIsCapturing(Handle, &status).Check("cuStreamIsCapturing");
            return status != CaptureStatus.None;
        }
    }

    /// <summary>True when everything called so far has finished.</summary>
    public bool IsIdle
    {
        get
        {
            CuResult result = CudaDriver.StreamQuery(Handle);
            if (result != CuResult.NotReady)
            {
                result.Check("cuStreamQuery");
            }

            return result == CuResult.Success;
        }
    }

    /// <summary>Waits until everything called so far has finished. Errors of kernels come to light here.</summary>
    public void Synchronize() => CudaDriver.StreamSynchronize(Handle).Check("cuStreamSynchronize");

    /// <summary>Host memory that is not pinned is read before the call returns; pinned memory stays untouched until the copy is done.</summary>
    public void CopyToDevice(nint destination, nint hostSource, long bytes)
    {
        Debug.Assert(bytes >= 0);
        if (bytes > 0)
        {
            CudaDriver.MemcpyHtoDAsync(destination, hostSource, (nuint)bytes, Handle).Check("cuMemcpyHtoDAsync");
        }
    }

    public void CopyToHost(nint hostDestination, nint source, long bytes)
    {
        Debug.Assert(bytes >= 0);
        if (bytes > 0)
        {
            CudaDriver.MemcpyDtoHAsync(hostDestination, source, (nuint)bytes, Handle).Check("cuMemcpyDtoHAsync");
        }
    }

    public void CopyOnDevice(nint destination, nint source, long bytes)
    {
        Debug.Assert(bytes >= 0);
        if (bytes > 0)
        {
            CudaDriver.MemcpyDtoDAsync(destination, source, (nuint)bytes, Handle).Check("cuMemcpyDtoDAsync");
        }
    }

    /// <summary>Sets every byte.</summary>
    public void Fill(nint destination, byte value, long bytes)
    {
        Debug.Assert(bytes >= 0);
        if (bytes > 0)
        {
            CudaDriver.MemsetD8Async(destination, value, (nuint)bytes, Handle).Check("cuMemsetD8Async");
        }
    }

    /// <summary>Sets every group of four bytes; the address is a multiple of four.</summary>
    public void Fill32(nint destination, uint value, long count)
    {
        Debug.Assert(count >= 0 && destination % 4 == 0);
        if (count > 0)
        {
            CudaDriver.MemsetD32Async(destination, value, (nuint)count, Handle).Check("cuMemsetD32Async");
        }
    }

    /// <summary>Marks this point of the stream.</summary>
    public void Record(CudaEvent @event) => CudaDriver.EventRecord(@event.Handle, Handle).Check("cuEventRecord");

    /// <summary>What is called on this stream from now on starts after the point that <paramref name="event"/> marks on another one.</summary>
    public void Wait(CudaEvent @event) => CudaDriver.StreamWaitEvent(Handle, @event.Handle, 0).Check("cuStreamWaitEvent");

    /// <summary>
    /// From now on calls are written down instead of run. Allocation and synchronisation are refused on this thread until
    /// <see cref="EndCapture"/>; other threads are not concerned. Kernels and matrix products should have run once before, so that
    /// their code is loaded.
    /// </summary>
    public void BeginCapture() => CudaDriver.StreamBeginCapture(Handle, CaptureMode.ThreadLocal).Check("cuStreamBeginCapture");

    /// <summary>Makes a graph of what was written down, ready to be launched on this stream.</summary>
    public CudaGraph EndCapture()
    {
        nint graph = 0;
        CudaDriver.StreamEndCapture(Handle, &graph).Check("cuStreamEndCapture");
        try
        {
            return new CudaGraph(this, graph);
        }
        finally
        {
            CudaDriver.GraphDestroy(graph);
        }
    }

    /// <summary>Leaves the capture after an error and drops what was written down. Does nothing when there is no capture.</summary>
    public void CancelCapture()
    {
        CaptureStatus status = CaptureStatus.None;
        if (CudaDriver.StreamIsCapturing(Handle, &status) == CuResult.Success && status == CaptureStatus.None)
        {
            return;
        }

        // An invalidated capture reports its error once more here, and has no graph.
        nint graph = 0;
        _ = CudaDriver.StreamEndCapture(Handle, &graph);
        if (graph != 0)
        {
            CudaDriver.GraphDestroy(graph);
        }
    }

    public void Dispose() => _stream.Dispose();
}
