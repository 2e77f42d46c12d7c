using System;
using System.Runtime.InteropServices;

namespace Quire.Cpu;

/// <summary>
/// Working memory of the kernels, one piece for each worker. It grows when a larger shape arrives and is then kept, so that operations
/// of shapes seen before allocate nothing.
/// </summary>
internal sealed unsafe class Scratch : IDisposable
{
    private const int Alignment = 64;
    private byte* _memory;
    private long _size;

    /// <summary>
    /// At least <paramref name="bytes"/> for each of <paramref name="workers"/>; what was there before is lost. The pieces begin
    /// <paramref name="stride"/> bytes apart.
    /// </summary>
    public byte* Reserve(int workers, long bytes, out nint stride)
    {
        // An odd number of cache lines apart, so that the workers' pieces do not fall on the same cache sets.
        long lines = (bytes + Alignment - 1) / Alignment | 1;
        stride = (nint)(lines * Alignment);
        long total = checked(stride * workers);
        if (total > _size)
        {
            Dispose();
            _memory = (byte*)NativeMemory.AlignedAlloc(checked((nuint)total), Alignment);
            _size = total;
        }

        return _memory;
    }

    public void Dispose()
    {
        NativeMemory.AlignedFree(_memory);
        _memory = null;
        _size = 0;
    }
}
