using System;
using Quire.Cuda.Interop;

namespace Quire.Cuda.Device;

/// <summary>A point in a stream that the host or another stream can wait for; see <see cref="CudaStream.Record"/>.</summary>
internal sealed unsafe class CudaEvent : IDisposable
{
    private const uint DisableTiming = 2;
    private readonly EventHandle _event;

    /// <param name="device">Its context is current on the calling thread.</param>
    /// <param name="timing">True for <see cref="ElapsedMilliseconds"/>; events without are cheaper.</param>
    public CudaEvent(CudaDevice device, bool timing = false)
    {
        nint created = 0;
        CudaDriver.EventCreate(&created, timing ? 0 : DisableTiming).Check("cuEventCreate");
        _event = new EventHandle(device.Context, created);
    }

    public nint Handle => _event.Value;

    /// <summary>True when the stream has passed the point, and before the first record.</summary>
    public bool IsDone
    {
        get
        {
            CuResult result = CudaDriver.EventQuery(Handle);
            if (result != CuResult.NotReady)
            {
                result.Check("cuEventQuery");
            }

            return result == CuResult.Success;
        }
    }

    /// <summary>Waits, without giving up the processor, until the stream has passed the point.</summary>
    public void Synchronize() => CudaDriver.EventSynchronize(Handle).Check("cuEventSynchronize");

    /// <summary>Time of the device from <paramref name="earlier"/> to this; both have been passed and were made with timing.</summary>
    public float ElapsedMilliseconds(CudaEvent earlier)
    {
        float milliseconds = 0;
        CudaDriver.EventElapsedTime(&milliseconds, earlier.Handle, Handle).Check("cuEventElapsedTime");
        return milliseconds;
    }

    public void Dispose() => _event.Dispose();
}
