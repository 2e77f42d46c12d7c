using System;
using System.Collections.Generic;
using Quire.Cuda.Interop;
using Quire.Tensors;

namespace Quire.Cuda.Device;

/// <summary>
/// Zeroed memory of a device, 256-byte aligned, freed all at once. Small pieces share chunks, because the driver rounds every
/// allocation of its own up to 2 MiB. Used by one thread at a time, on which the device's context is current; not while that thread
/// captures a stream.
/// </summary>
internal sealed unsafe class DeviceArena(CudaDevice device) : IDisposable
{
    private const int Alignment = 256;
    private const long ChunkBytes = 16L << 20;
    private const long LargestInChunk = 1L << 20;
    private readonly List<DeviceMemoryHandle> _blocks = [];
    private nint _chunk;
    private long _chunkFree;

    /// <summary>Bytes handed out so far.</summary>
    public long AllocatedBytes { get; private set; }

    /// <summary>Bytes taken from the driver so far.</summary>
    public long ReservedBytes { get; private set; }

    /// <exception cref="OutOfMemoryException">The device has not enough left; the message says how much there is.</exception>
    public Tensor Allocate(DType type, int rows, int columns) =>
        new(AllocateBytes(checked((long)rows * columns * type.SizeInBytes())), type, rows, columns);

    /// <summary>At least one byte is allocated, so that no address is 0.</summary>
    /// <exception cref="OutOfMemoryException">The device has not enough left; the message says how much there is.</exception>
    public nint AllocateBytes(long bytes)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(bytes);
        long size = RoundUp(bytes);
        nint address;
        if (size > LargestInChunk)
        {
            address = Reserve(size);
        }
        else
        {
            if (size > _chunkFree)
            {
                _chunk = Reserve(ChunkBytes);
                _chunkFree = ChunkBytes;
            }

            address = _chunk;
            _chunk += (nint)size;
            _chunkFree -= size;
        }

        AllocatedBytes += bytes;
        return address;
    }

    /// <summary>No work that uses the memory is running.</summary>
    public void Dispose()
    {
        foreach (DeviceMemoryHandle block in _blocks)
        {
            block.Dispose();
        }

        _blocks.Clear();
        _chunkFree = 0;
    }

    /// <summary>Bytes that a request of this size takes, at least one piece of the alignment.</summary>
    internal static long RoundUp(long bytes) => checked(Math.Max(bytes, 1) + Alignment - 1) & -Alignment;

    /// <summary>What to tell when the driver has no memory for a request.</summary>
    internal static string OutOfMemoryText(string device, long need, long free, long total) =>
        $"{device} has not enough memory: {Mebibytes(need)} MiB are needed, {Mebibytes(free)} MiB of {Mebibytes(total)} MiB are free. "
        + "Stop other programs on the card, or lower gpu_memory_utilization, max_model_len or max_num_seqs.";

    private static string Mebibytes(long bytes) => (bytes / 1048576.0).ToString("0.0", System.Globalization.CultureInfo.InvariantCulture);

    private nint Reserve(long bytes)
    {
        nint address = 0;
        CuResult result = CudaDriver.MemAlloc(&address, (nuint)bytes);
        if (result == CuResult.OutOfMemory)
        {
            device.GetMemoryInfo(out long free, out long total);
            throw new InsufficientMemoryException(OutOfMemoryText(device.ToString(), bytes, free, total));
        }

        result.Check("cuMemAlloc");
        _blocks.Add(new DeviceMemoryHandle(device.Context, address));
        ReservedBytes += bytes;

        // Streams of the backend do not wait for the default stream, so the zeroes have to be there before the address is known.
        CudaDriver.MemsetD8Async(address, 0, (nuint)bytes, 0).Check("cuMemsetD8Async");
        CudaDriver.StreamSynchronize(0).Check("cuStreamSynchronize");
        return address;
    }
}
