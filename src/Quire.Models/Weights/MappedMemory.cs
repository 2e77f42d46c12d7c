using System;
using System.Runtime.InteropServices;
using System.Threading.Tasks;

namespace Quire.Models.Weights;

/// <summary>Brings pages of mapped files into memory before they are needed, and lets them go when they are not needed any more.</summary>
public static unsafe partial class MappedMemory
{
    private const int PageBytes = 4096;
    private const long ChunkBytes = 8 << 20;
    private const int DontNeed = 4;

    /// <summary>Linux 5.14: maps all pages at once, which costs far less than a fault each.</summary>
    private const int PopulateRead = 22;

    /// <summary>Reads every page once, on all cores: a disk works best with several reads at a time, and computing finds the pages there.</summary>
    public static void Populate(nint data, long bytes)
    {
        long chunks = (bytes + ChunkBytes - 1) / ChunkBytes;
        if (chunks <= 1)
        {
            Touch(data, bytes);
            return;
        }

        Parallel.For(0, chunks, chunk => Touch(data + (nint)(chunk * ChunkBytes), Math.Min(ChunkBytes, bytes - chunk * ChunkBytes)));
    }

    /// <summary>
    /// Takes the whole pages of a range out of this process; they are read again if they are touched. Only a hint: nothing depends on its
    /// success. Never for memory that was written.
    /// </summary>
    public static void Release(nint data, long bytes)
    {
        nint begin = (data + Environment.SystemPageSize - 1) / Environment.SystemPageSize * Environment.SystemPageSize;
        nint end = (data + (nint)bytes) / Environment.SystemPageSize * Environment.SystemPageSize;
        if (end <= begin)
        {
            return;
        }

        if (OperatingSystem.IsWindows())
        {
            // Unlocking what is not locked fails, and takes the pages out of the working set.
            _ = VirtualUnlock(begin, (nuint)(end - begin));
        }
        else
        {
            _ = Advise(begin, (nuint)(end - begin), DontNeed);
        }
    }

    private static void Touch(nint data, long bytes)
    {
        if (OperatingSystem.IsLinux())
        {
            nint begin = data / Environment.SystemPageSize * Environment.SystemPageSize;
            if (Advise(begin, (nuint)(data - begin + (nint)bytes), PopulateRead) == 0)
            {
                return;
            }
        }

        int sum = 0;
        for (long i = 0; i < bytes; i += PageBytes)
        {
            sum += System.Threading.Volatile.Read(ref ((byte*)data)[i]);
        }

        GC.KeepAlive(sum);
    }

    [LibraryImport("libc", EntryPoint = "madvise")]
    private static partial int Advise(nint address, nuint length, int advice);

    [LibraryImport("kernel32")]
    [return: MarshalAs(UnmanagedType.Bool)]
    private static partial bool VirtualUnlock(nint address, nuint size);
}
