using System;
using System.Runtime.InteropServices;

namespace Quire.Benchmarks;

/// <summary>
/// The processor time of the calling thread: what a kernel on one thread costs on a machine where others run too. Linux only.
/// </summary>
internal static partial class ThreadClock
{
    private const int ClockThreadCpuTimeId = 3;

    public static double Seconds()
    {
        if (GetTime(ClockThreadCpuTimeId, out TimeSpec time) != 0)
        {
            throw new PlatformNotSupportedException("the processor time of a thread cannot be read here");
        }

        return time.Seconds + time.Nanoseconds * 1e-9;
    }

    [LibraryImport("libc", EntryPoint = "clock_gettime")]
    private static partial int GetTime(int clock, out TimeSpec time);

    [StructLayout(LayoutKind.Sequential)]
    private struct TimeSpec
    {
        public nint Seconds;
        public nint Nanoseconds;
    }
}
