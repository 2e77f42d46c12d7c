using System;
using System.Globalization;
using System.IO;

namespace Quire.Cpu;

/// <summary>How much memory is free.</summary>
internal static class HostMemoryInfo
{
    /// <summary>
    /// Bytes that can be allocated now without swapping: MemAvailable of /proc/meminfo, at most what the container's limit leaves; where
    /// there is no such file, <paramref name="total"/> less what the runtime sees in use.
    /// </summary>
    public static long Available(long total)
    {
        GCMemoryInfo info = GC.GetGCMemoryInfo();
        long byRuntime = Math.Max(0, total - info.MemoryLoadBytes);
        try
        {
            foreach (string line in File.ReadLines("/proc/meminfo"))
            {
                if (line.StartsWith("MemAvailable:", StringComparison.Ordinal))
                {
                    string number = line["MemAvailable:".Length..].Replace("kB", "", StringComparison.Ordinal).Trim();
                    if (long.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out long kilobytes))
                    {
                        return Math.Min(total, kilobytes * 1024);
                    }
                }
            }
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
        }

        return byRuntime;
    }
}
