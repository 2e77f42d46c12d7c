using System;
using System.Runtime.InteropServices;

namespace Quire.Cpu.Emit;

/// <summary>
/// Machine code that this process assembled. The pages are writable while the code is copied and executable afterwards, never both.
/// </summary>
internal sealed unsafe partial class ExecutableMemory : IDisposable
{
    private const int ReadWrite = 1 | 2;
    private const int ReadExecute = 1 | 4;
    private const int PrivateAnonymous = 0x22;
    private const int PrivateAnonymousMac = 0x1002;
    private const uint CommitReserve = 0x3000;
    private const uint PageReadWrite = 0x04;
    private const uint PageExecuteRead = 0x20;
    private const uint MemRelease = 0x8000;

    private readonly nuint _size;
    private nint _start;

    private ExecutableMemory(nint start, nuint size)
    {
        _start = start;
        _size = size;
    }

    /// <summary>Address of the first byte.</summary>
    public nint Start => _start;

    /// <summary>Code in executable pages; null where the system does not allow a process to make any.</summary>
    public static ExecutableMemory? TryCreate(ReadOnlySpan<byte> code)
    {
        nuint size = (nuint)((code.Length + Environment.SystemPageSize - 1) / Environment.SystemPageSize * Environment.SystemPageSize);
        return OperatingSystem.IsWindows() ? TryCreateOnWindows(code, size) : TryCreateOnUnix(code, size);
    }

    public void Dispose()
    {
        if (_start == 0)
        {
            return;
        }

        if (OperatingSystem.IsWindows())
        {
            _ = VirtualFree(_start, 0, MemRelease);
        }
        else
        {
            _ = Unmap(_start, _size);
        }

        _start = 0;
    }

    private static ExecutableMemory? TryCreateOnUnix(ReadOnlySpan<byte> code, nuint size)
    {
        nint start = Map(0, size, ReadWrite, OperatingSystem.IsMacOS() ? PrivateAnonymousMac : PrivateAnonymous, -1, 0);
        if (start == -1)
        {
            return null;
        }

        code.CopyTo(new Span<byte>((void*)start, code.Length));
        if (Protect(start, size, ReadExecute) == 0)
        {
            return new ExecutableMemory(start, size);
        }

        _ = Unmap(start, size);
        return null;
    }

    private static ExecutableMemory? TryCreateOnWindows(ReadOnlySpan<byte> code, nuint size)
    {
        nint start = VirtualAlloc(0, size, CommitReserve, PageReadWrite);
        if (start == 0)
        {
            return null;
        }

        code.CopyTo(new Span<byte>((void*)start, code.Length));
        if (VirtualProtect(start, size, PageExecuteRead, out _) && FlushInstructionCache(GetCurrentProcess(), start, size))
        {
            return new ExecutableMemory(start, size);
        }

        _ = VirtualFree(start, 0, MemRelease);
        return null;
    }

    [LibraryImport("libc", EntryPoint = "mmap")]
    private static partial nint Map(nint address, nuint length, int protection, int flags, int file, nint offset);

    [LibraryImport("libc", EntryPoint = "mprotect")]
    private static partial int Protect(nint address, nuint length, int protection);

    [LibraryImport("libc", EntryPoint = "munmap")]
    private static partial int Unmap(nint address, nuint length);

    [LibraryImport("kernel32")]
    private static partial nint VirtualAlloc(nint address, nuint size, uint type, uint protection);

    [LibraryImport("kernel32")]
    [return: MarshalAs(UnmanagedType.Bool)]
    private static partial bool VirtualProtect(nint address, nuint size, uint protection, out uint before);

    [LibraryImport("kernel32")]
    [return: MarshalAs(UnmanagedType.Bool)]
    private static partial bool VirtualFree(nint address, nuint size, uint type);

    [LibraryImport("kernel32")]
    [return: MarshalAs(UnmanagedType.Bool)]
    private static partial bool FlushInstructionCache(nint process, nint address, nuint size);

    [LibraryImport("kernel32")]
    private static partial nint GetCurrentProcess();
}
