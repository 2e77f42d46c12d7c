using System;
using System.Runtime.InteropServices;
using Quire.Cuda.Interop;

namespace Quire.Cuda.Device;

/// <summary>
/// A card, and its primary context, which everything else of this process that uses the card shares. Each thread that calls the
/// driver makes the context current first.
/// </summary>
public sealed unsafe class CudaDevice : IDisposable
{
    private readonly ContextHandle _context;
    private readonly int _device;

    private CudaDevice(int ordinal, int device)
    {
        Ordinal = ordinal;
        _device = device;
        int version = 0;
        CudaDriver.DriverGetVersion(&version).Check("cuDriverGetVersion");
        DriverVersion = new Version(version / 1000, version % 1000 / 10);
        byte* name = stackalloc byte[256];
        CudaDriver.DeviceGetName(name, 256, device).Check("cuDeviceGetName");
        Name = Marshal.PtrToStringUTF8((nint)name) ?? "";
        nuint bytes = 0;
        CudaDriver.DeviceTotalMem(&bytes, device).Check("cuDeviceTotalMem");
        TotalMemory = (long)bytes;
        ComputeMajor = Attribute(DeviceAttribute.ComputeCapabilityMajor);
        ComputeMinor = Attribute(DeviceAttribute.ComputeCapabilityMinor);
        MultiprocessorCount = Attribute(DeviceAttribute.MultiprocessorCount);
        SharedMemoryPerBlockOptIn = Attribute(DeviceAttribute.MaxSharedMemoryPerBlockOptIn);
        SharedMemoryPerMultiprocessor = Attribute(DeviceAttribute.MaxSharedMemoryPerMultiprocessor);
        L2CacheBytes = Attribute(DeviceAttribute.L2CacheSize);
        _context = new ContextHandle(device);
    }

    /// <summary>Position among the cards that the driver shows this process, from 0.</summary>
    public int Ordinal { get; }

    /// <summary>The card's own name, such as "NVIDIA H100 80GB HBM3".</summary>
    public string Name { get; }

    /// <summary>Compute capability before the point: 9 for Hopper.</summary>
    public int ComputeMajor { get; }

    /// <summary>Compute capability after the point.</summary>
    public int ComputeMinor { get; }

    /// <summary>Streaming multiprocessors.</summary>
    public int MultiprocessorCount { get; }

    /// <summary>Bytes of shared memory that one block may have when its kernel asks for them.</summary>
    public int SharedMemoryPerBlockOptIn { get; }

    /// <summary>Bytes of shared memory of one multiprocessor.</summary>
    public int SharedMemoryPerMultiprocessor { get; }

    public int L2CacheBytes { get; }

    /// <summary>Bytes of the card's memory.</summary>
    public long TotalMemory { get; }

    /// <summary>The newest version of CUDA that the driver supports, such as 13.0.</summary>
    public Version DriverVersion { get; }

    internal ContextHandle Context
    {
        get
        {
            ObjectDisposedException.ThrowIf(_context.IsClosed, this);
            return _context;
        }
    }

    /// <summary>Opens a card and makes its context current on the calling thread.</summary>
    /// <exception cref="CudaUnavailableException">There is no driver or no such card.</exception>
    /// <exception cref="CudaException">The driver refuses.</exception>
    public static CudaDevice Open(int ordinal)
    {
        int count = CudaProbe.CountDevices();
        if (ordinal < 0 || ordinal >= count)
        {
            throw new CudaUnavailableException($"There is no CUDA device {ordinal}: the driver shows {count}, numbered from 0.");
        }

        int device = 0;
        CudaDriver.DeviceGet(&device, ordinal).Check("cuDeviceGet");
        var opened = new CudaDevice(ordinal, device);
        opened.MakeCurrent();
        return opened;
    }

    /// <summary>Makes the context current on the calling thread: before its first call, or after it has used another card.</summary>
    public void MakeCurrent() => CudaDriver.CtxSetCurrent(Context.DangerousGetHandle()).Check("cuCtxSetCurrent");

    /// <summary>Bytes of the card's memory that are free now, whoever uses the rest, and how many there are. The context is current.</summary>
    public void GetMemoryInfo(out long free, out long total)
    {
        ObjectDisposedException.ThrowIf(_context.IsClosed, this);
        nuint freeBytes = 0;
        nuint totalBytes = 0;
        CudaDriver.MemGetInfo(&freeBytes, &totalBytes).Check("cuMemGetInfo");
        free = (long)freeBytes;
        total = (long)totalBytes;
    }

    /// <summary>Waits for everything that was started in the context. The context is current.</summary>
    public void Synchronize()
    {
        ObjectDisposedException.ThrowIf(_context.IsClosed, this);
        CudaDriver.CtxSynchronize().Check("cuCtxSynchronize");
    }

    /// <summary>Gives the context back; it lives on until what was made in it is disposed too.</summary>
    public void Dispose() => _context.Dispose();

    public override string ToString() => $"cuda:{Ordinal} {Name}";

    private int Attribute(DeviceAttribute attribute)
    {
        int value = 0;
        CudaDriver.DeviceGetAttribute(&value, attribute, _device).Check("cuDeviceGetAttribute");
        return value;
    }
}
