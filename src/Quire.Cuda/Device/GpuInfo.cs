using System;
using System.Globalization;
using System.IO;
using System.Runtime.InteropServices;
using System.Text.RegularExpressions;
using Quire.Cuda.Interop;

namespace Quire.Cuda.Device;

/// <summary>A card and its driver: for the head of measurements.</summary>
/// <param name="Name">The card's own name.</param>
/// <param name="MemoryBytes">Bytes of the card's memory.</param>
/// <param name="Driver">The driver's version, such as "580.159.04", or null where nobody tells it.</param>
/// <param name="Cuda">The newest version of CUDA that the driver supports, such as "13.0".</param>
public sealed partial record GpuInfo(string Name, long MemoryBytes, string? Driver, string Cuda)
{
    private const string VersionFile = "/proc/driver/nvidia/version";

    /// <summary>A card, or null where there is none that the backend can use. Never throws, and leaves no context behind.</summary>
    public static unsafe GpuInfo? Find(int ordinal)
    {
        if (!CudaProbe.TryFind(ordinal, out _))
        {
            return null;
        }

        int device = 0;
        int version = 0;
        nuint bytes = 0;
        byte* name = stackalloc byte[256];
        bool known = CudaDriver.DeviceGet(&device, ordinal) == CuResult.Success
            && CudaDriver.DeviceGetName(name, 256, device) == CuResult.Success
            && CudaDriver.DeviceTotalMem(&bytes, device) == CuResult.Success
            && CudaDriver.DriverGetVersion(&version) == CuResult.Success;
        return known
            ? new GpuInfo(
                Marshal.PtrToStringUTF8((nint)name) ?? "",
                (long)bytes,
                FromManagementLibrary() ?? (File.Exists(VersionFile) ? VersionIn(ReadVersionFile()) : null),
                string.Create(CultureInfo.InvariantCulture, $"{version / 1000}.{version % 1000 / 10}"))
            : null;
    }

    public override string ToString() =>
        string.Create(CultureInfo.InvariantCulture, $"{Name} ({MemoryBytes / (double)(1L << 30):F1} GiB), driver {Driver ?? "unknown"}, CUDA {Cuda}");

    /// <summary>The driver's version in what it says of itself under /proc.</summary>
    internal static string? VersionIn(string text) => DriverVersion().Match(text) is { Success: true } match ? match.Groups[1].Value : null;

    private static string ReadVersionFile()
    {
        try
        {
            return File.ReadAllText(VersionFile);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return "";
        }
    }

    /// <summary>NVML comes with the driver (NVML API reference, <c>nvmlSystemGetDriverVersion</c>); containers may lack it.</summary>
    private static unsafe string? FromManagementLibrary()
    {
        if (!NativeLibrary.TryLoad(OperatingSystem.IsWindows() ? "nvml.dll" : "libnvidia-ml.so.1", out nint library))
        {
            return null;
        }

        try
        {
            if (!NativeLibrary.TryGetExport(library, "nvmlInit_v2", out nint start) || !NativeLibrary.TryGetExport(library, "nvmlShutdown", out nint stop)
                || !NativeLibrary.TryGetExport(library, "nvmlSystemGetDriverVersion", out nint get) || ((delegate* unmanaged<int>)start)() != 0)
            {
                return null;
            }

            const int Length = 80;
            byte* text = stackalloc byte[Length];
            int result = ((delegate* unmanaged<byte*, uint, int>)get)(text, Length);
            _ = ((delegate* unmanaged<int>)stop)();
            return result == 0 ? Marshal.PtrToStringUTF8((nint)text) : null;
        }
        finally
        {
            NativeLibrary.Free(library);
        }
    }

    [GeneratedRegex(@"Kernel Module(?: for \S+)?\s+(\d+(?:\.\d+)+)")]
    private static partial Regex DriverVersion();
}
