using System;
using Quire.Cuda.Device;
using Quire.Cuda.Interop;

namespace Quire.Cuda.Compilation;

/// <summary>
/// Compiles the kernels that this assembly carries as source for the card at hand, or finds them compiled. Kernels are CUDA C++17
/// without any header but our own; one structure by value is their only parameter.
/// </summary>
internal sealed class KernelCompiler
{
    private readonly CudaDevice _device;
    private readonly CubinStore _store;

    public KernelCompiler(CudaDevice device, KernelCacheOptions options)
    {
        _device = device;
        _store = new CubinStore(KernelSources.Embedded(), new NvrtcCompiler(options.Log), options);
        Architecture = ArchitectureOf(device.ComputeMajor, device.ComputeMinor);
    }

    /// <summary>What code is made for, such as "sm_90a".</summary>
    public string Architecture { get; }

    /// <summary>The kernels of a source, loaded into the device's context, which is current on the calling thread.</summary>
    /// <param name="source">Name of an embedded source, such as "attention_decode.cu".</param>
    /// <param name="defines">Macros, such as "HEAD_DIM=128".</param>
    /// <exception cref="ArgumentException">There is no such source.</exception>
    /// <exception cref="KernelCompilationException">The source is wrong.</exception>
    /// <exception cref="CudaUnavailableException">The kernel is not there compiled and NVRTC is not installed.</exception>
    public KernelModule Compile(string source, params ReadOnlySpan<string> defines)
    {
        byte[] cubin = _store.Get(source, Architecture, defines, fresh: false, out CubinOrigin origin);
        try
        {
            return new KernelModule(_device, source, cubin);
        }
        catch (CudaException exception) when (origin != CubinOrigin.Compiler && DoesNotFit((CuResult)exception.Code))
        {
            // Made by a newer compiler than this driver knows, for example after the driver was set back.
            cubin = _store.Get(source, Architecture, defines, fresh: true, out _);
            return new KernelModule(_device, source, cubin);
        }
    }

    /// <summary>
    /// NVRTC's name of an architecture. From Hopper on it is the one with the features of exactly that generation (the "a" names), such
    /// as wgmma: code is always compiled for the card at hand.
    /// </summary>
    internal static string ArchitectureOf(int major, int minor) => $"sm_{major}{minor}{(major >= 9 ? "a" : "")}";

    private static bool DoesNotFit(CuResult result) =>
        result is CuResult.InvalidImage or CuResult.NoBinaryForGpu or CuResult.InvalidPtx or CuResult.UnsupportedPtxVersion;
}
