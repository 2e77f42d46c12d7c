using System;
using System.Runtime.InteropServices;

namespace Quire.Tensors;

/// <summary>
/// Zeroed address space on Linux for which the kernel is asked to use huge pages (madvise(2), MADV_HUGEPAGE). Weights of a gigabyte in
/// pages of 4 KB need 260,000 entries of page tables, and reading them from end to end misses the translation cache once a page.
/// </summary>
internal static partial class HugePages
{
    /// <summary>Size and alignment of a huge page on the processors that have vector kernels here.</summary>
    public const nint PageBytes = 2 << 20;

    private const int ReadAndWrite = 3;
    private const int PrivateAnonymousUnreserved = 0x4022;
    private const int WantHugePages = 14;

    /// <summary>Flags and advice have these values on x86-64 and arm64.</summary>
    public static bool IsSupported =>
        OperatingSystem.IsLinux() && RuntimeInformation.ProcessArchitecture is Architecture.X64 or Architecture.Arm64;

    /// <summary>Maps whole huge pages, at an address that is a multiple of them; 0 where the system refuses.</summary>
    public static nint Map(nint bytes)
    {
        // The system aligns to small pages only: what lies before and behind the aligned part goes back.
        nint address = MapPages(0, (nuint)checked(bytes + PageBytes), ReadAndWrite, PrivateAnonymousUnreserved, -1, 0);
        if (address == -1)
        {
            return 0;
        }

        nint aligned = (address + PageBytes - 1) & -PageBytes;
        if (aligned > address)
        {
            _ = UnmapPages(address, (nuint)(aligned - address));
        }

        nint behind = address + PageBytes - aligned;
        if (behind > 0)
        {
            _ = UnmapPages(aligned + bytes, (nuint)behind);
        }

        // Only a hint: a kernel without huge pages gives small ones.
        _ = Advise(aligned, (nuint)bytes, WantHugePages);
        return aligned;
    }

    /// <summary>Gives back what <see cref="Map"/> returned.</summary>
    public static void Unmap(nint address, nint bytes) => _ = UnmapPages(address, (nuint)bytes);

    [LibraryImport("libc", EntryPoint = "mmap")]
    private static partial nint MapPages(nint address, nuint length, int protection, int flags, int file, nint offset);

    [LibraryImport("libc", EntryPoint = "munmap")]
    private static partial int UnmapPages(nint address, nuint length);

    [LibraryImport("libc", EntryPoint = "madvise")]
    private static partial int Advise(nint address, nuint length, int advice);
}
