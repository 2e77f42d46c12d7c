using System;
using Quire.Cuda.Interop;

namespace Quire.Cuda.Device;

/// <summary>Host memory that never moves, so that copies from and to it run beside the host and the device.</summary>
internal sealed unsafe class PinnedMemory : IDisposable
{
    private const uint Portable = 1;
    private readonly PinnedMemoryHandle _memory;

    /// <summary>Zeroed memory; the device's context is current.</summary>
    /// <exception cref="OutOfMemoryException">The host has not enough that can be pinned.</exception>
    public PinnedMemory(CudaDevice device, int bytes)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(bytes);
        nint address = 0;
        CuResult result = CudaDriver.MemHostAlloc(&address, (nuint)Math.Max(bytes, 1), Portable);
        if (result == CuResult.OutOfMemory)
        {
            throw new InsufficientMemoryException($"The host could not pin {bytes} bytes of memory for copies to {device}: free memory, or raise the limit of locked memory (ulimit -l).");
        }

        result.Check("cuMemHostAlloc");
        _memory = new PinnedMemoryHandle(device.Context, address);
        Length = bytes;
        Span.Clear();
    }

    public int Length { get; }

    public nint Address => _memory.Value;

    public Span<byte> Span => new((void*)Address, Length);

    /// <summary>No copy from or to the memory is running.</summary>
    public void Dispose() => _memory.Dispose();
}
