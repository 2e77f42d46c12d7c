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

    /// <summary>Allocations from this size on are cut from large regions, smaller ones are left to the C library.</summary>
    private const long LeastMapped = 256 * 1024;

    /// <summary>Address space of a region. What is never touched of it costs nothing, but the last huge page of a region is seldom full.</summary>
    private const long RegionBytes = 512L << 20;

    private readonly List<nint> _blocks = [];
    private readonly List<(nint Address, nint Bytes)> _regions = [];
    private nint _next;
    private nint _end;

    /// <param name="usesHugePages">
    /// Whether large allocations lie in huge pages where the system has them to give: right for what is read again and again from end to
    /// end, wrong for what is touched in places.
    /// </param>
    public HostMemory(bool usesHugePages = false) => UsesHugePages = usesHugePages && HugePages.IsSupported;

    /// <summary>Whether large allocations ask for huge pages.</summary>
    public bool UsesHugePages { get; }

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
        // The system's zeroed pages come untouched, so that a large cache costs time and memory only where it is used.
        if (UsesHugePages && bytes >= LeastMapped && Cut(bytes) is { } cut)
        {
            AllocatedBytes += bytes;
            return cut;
        }

        nuint size = checked((nuint)Math.Max(bytes, 1) + Alignment - 1);
        nint memory = (nint)NativeMemory.AllocZeroed(size);
        _blocks.Add(memory);
        AllocatedBytes += bytes;
        return (memory + Alignment - 1) & -Alignment;
    }

    /// <summary>Takes over what another has allocated, which then holds nothing.</summary>
    public void Adopt(HostMemory other)
    {
        ArgumentNullException.ThrowIfNull(other);
        _blocks.AddRange(other._blocks);
        _regions.AddRange(other._regions);
        (other._next, other._end) = (0, 0);
        other._regions.Clear();
        AllocatedBytes += other.AllocatedBytes;
        other._blocks.Clear();
        other.AllocatedBytes = 0;
    }

    /// <summary>Copies a matrix into a tensor of the same shape and type, both in host memory.</summary>
    public static void Write(HostMatrix matrix, Tensor target)
    {
        if (matrix.Type != target.Type || matrix.Rows != target.Rows || matrix.Columns != target.Columns)
        {
            throw new ArgumentException($"[{matrix.Rows}, {matrix.Columns}] of {matrix.Type} does not fit {target}", nameof(matrix));
        }

        long bytes = (long)matrix.Columns * matrix.Type.SizeInBytes();
        for (int row = 0; row < matrix.Rows; row++)
        {
            Buffer.MemoryCopy((byte*)matrix.Data + row * bytes, (void*)target.RowRange(row, 1).Data, bytes, bytes);
        }
    }

    public void Dispose()
    {
        foreach (nint block in _blocks)
        {
            NativeMemory.Free((void*)block);
        }

        _blocks.Clear();
        foreach ((nint address, nint bytes) in _regions)
        {
            HugePages.Unmap(address, bytes);
        }

        _regions.Clear();
        (_next, _end) = (0, 0);
    }

    /// <summary>The next bytes of the region at hand, or of a new one; null where the system gives none.</summary>
    private nint? Cut(long bytes)
    {
        nint size = (nint)(checked(bytes + Alignment - 1) / Alignment * Alignment);
        if (_end - _next < size)
        {
            nint region = (nint)Math.Max(RegionBytes, checked(size + HugePages.PageBytes - 1L) / HugePages.PageBytes * HugePages.PageBytes);
            nint address = HugePages.Map(region);
            if (address == 0)
            {
                return null;
            }

            _regions.Add((address, region));
            (_next, _end) = (address, address + region);
        }

        nint cut = _next;
        _next += size;
        return cut;
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
