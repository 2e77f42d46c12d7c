using System;
using System.Runtime.InteropServices;
using Quire.Cuda.Interop;

namespace Quire.Cuda.Device;

/// <summary>Whether this machine can run the CUDA backend: what <c>--device auto</c> asks.</summary>
public static unsafe class CudaProbe
{
    /// <summary>Cards of an older generation have no BF16 arithmetic and no asynchronous copies into shared memory.</summary>
    public const int MinimumComputeMajor = 8;

    /// <summary>
    /// Key of <see cref="AppContext"/> data: folders in which NVRTC and cuBLASLt are looked for first, separated by ';' or, except on
    /// Windows, ':'. An entry may be a folder of libraries, a CUDA toolkit, a Python prefix (a virtual environment) or a Python
    /// interpreter. It is read once, when a library is first needed.
    /// </summary>
    public const string LibraryFoldersKey = "Quire.Cuda.LibraryFolders";

    /// <summary>Is there a driver and a card that the backend can use? Never throws, and leaves no context behind.</summary>
    /// <param name="reason">The card that was found, or why there is none.</param>
    public static bool TryFind(out string reason) => TryFind(0, out reason);

    /// <inheritdoc cref="TryFind(out string)"/>
    public static bool TryFind(int ordinal, out string reason)
    {
        try
        {
            int count = CountDevices();
            if (ordinal < 0 || ordinal >= count)
            {
                reason = count == 0 ? "The CUDA driver shows no card." : $"There is no CUDA device {ordinal}: the driver shows {count}, numbered from 0.";
                return false;
            }

            int device = 0;
            int major = 0;
            int minor = 0;
            CudaDriver.DeviceGet(&device, ordinal).Check("cuDeviceGet");
            CudaDriver.DeviceGetAttribute(&major, DeviceAttribute.ComputeCapabilityMajor, device).Check("cuDeviceGetAttribute");
            CudaDriver.DeviceGetAttribute(&minor, DeviceAttribute.ComputeCapabilityMinor, device).Check("cuDeviceGetAttribute");
            byte* name = stackalloc byte[256];
            CudaDriver.DeviceGetName(name, 256, device).Check("cuDeviceGetName");
            string title = $"{Marshal.PtrToStringUTF8((nint)name)} (compute capability {major}.{minor})";
            reason = major >= MinimumComputeMajor ? title : $"{title} is older than compute capability {MinimumComputeMajor}.0, which the kernels need.";
            return major >= MinimumComputeMajor;
        }
        catch (Exception exception)
        {
            // Whatever is wrong with a driver, the answer is that the backend cannot use it.
            reason = exception.Message;
            return false;
        }
    }

    /// <exception cref="CudaUnavailableException">There is no driver.</exception>
    /// <exception cref="CudaException">The driver cannot start.</exception>
    internal static int CountDevices()
    {
        CudaLibraries.RequireDriver();
        CuResult started = CudaDriver.Init(0);
        if (started == CuResult.NoDevice)
        {
            return 0;
        }

        started.Check("cuInit");
        int count = 0;
        CudaDriver.DeviceGetCount(&count).Check("cuDeviceGetCount");
        return count;
    }
}
