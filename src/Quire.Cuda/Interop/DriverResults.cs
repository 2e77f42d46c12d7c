using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Quire.Cuda.Device;

namespace Quire.Cuda.Interop;

/// <summary>Turns results of the driver into exceptions.</summary>
internal static unsafe class DriverResults
{
    /// <summary>Throws unless the call succeeded.</summary>
    /// <param name="result">What the call returned.</param>
    /// <param name="call">Name of the driver's function.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static void Check(this CuResult result, string call)
    {
        if (result != CuResult.Success)
        {
            Throw(result, call);
        }
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    internal static void Throw(CuResult result, string call) => throw Describe(result, call);

    internal static CudaException Describe(CuResult result, string call)
    {
        byte* name = null;
        byte* text = null;
        _ = CudaDriver.GetErrorName(result, &name);
        _ = CudaDriver.GetErrorString(result, &text);
        return new CudaException(
            call,
            (int)result,
            Marshal.PtrToStringUTF8((nint)name) ?? $"CUresult {(int)result}",
            Marshal.PtrToStringUTF8((nint)text) ?? "unknown error",
            Advice(result));
    }

    /// <summary>The way out, for the results whose own text does not show it; empty for the others.</summary>
    internal static string Advice(CuResult result) => result switch
    {
        CuResult.StubLibrary =>
            "The loader found the toolkit's stub instead of the driver: take folders named 'stubs' out of the library path.",
        CuResult.NoDevice =>
            "The driver is there but shows no card: is it visible to this process or container (CUDA_VISIBLE_DEVICES, --gpus all)?",
        CuResult.SystemDriverMismatch or CuResult.CompatNotSupportedOnDevice =>
            "The loaded libcuda does not belong to the running kernel driver: take folders named 'compat' out of the library path, or reboot after a driver update.",
        CuResult.IllegalAddress or CuResult.LaunchTimeout or CuResult.LaunchFailed =>
            "An earlier kernel failed; the device cannot be used again in this process.",
        CuResult.NoBinaryForGpu or CuResult.InvalidImage or CuResult.UnsupportedPtxVersion =>
            "The compiled kernel does not fit this card or driver: delete the kernel cache, or install the NVRTC of the driver's CUDA version.",
        CuResult.StreamCaptureUnsupported or CuResult.StreamCaptureInvalidated =>
            "An operation that a CUDA graph cannot hold (an allocation, a synchronisation) was called while the stream was being captured.",
        _ => "",
    };
}
