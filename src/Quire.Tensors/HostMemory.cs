using System;
using System.Collections.Generic;
using System.Runtime.InteropServices;

namespace Quire.Tensors;

/// <summary>
/// Zeroed, 64-byte aligned memory outside the garbage-collected heap, freed all at once: what backends that compute on the host
/// allocate from.
/// </summary>
public sealed unsafe class HostMemory : IDisposable
{
    private const int Alignment = 64;
    private readonly List<nint> _blocks = [];

    /// <summary>Bytes handed out so far.</summary>
    public long AllocatedBytes { get; private set; }

    public Tensor Allocate(DType type, int rows, int columns)
    {
        long bytes = checked((long)rows * columns * type.SizeInBytes());
        return new Tensor(AllocateBytes(bytes), type, rows, columns);
    }

    /// <summary>At least one byte is allocated, so that no address is 0.</summary>
    public nint AllocateBytes(long bytes)
    {
        nuint size = checked((nuint)Math.Max(bytes, 1));
        void* memory = NativeMemory.AlignedAlloc(size, Alignment);
        NativeMemory.Clear(memory, size);
        _blocks.Add((nint)memory);
        AllocatedBytes += bytes;
        return (nint)memory;
    }

    public void Dispose()
    {
        foreach (nint block in _blocks)
        {
            NativeMemory.AlignedFree((void*)block);
        }

        _blocks.Clear();
    }
}

/// <summary>A staging buffer of a backend that computes on the host: both sides are the same memory.</summary>
public sealed unsafe class HostStagingBuffer(nint address, int bytes) : StagingBuffer
{
    public override Span<byte> Host => new((void*)address, bytes);

    public override nint DeviceAddress => address;

    public override void Flush(int bytes)
    {
    }
}
