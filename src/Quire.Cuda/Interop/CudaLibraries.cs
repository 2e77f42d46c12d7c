using System;
using System.Collections.Generic;
using System.Linq;
using System.Reflection;
using System.Runtime.InteropServices;
using Quire.Cuda.Device;

namespace Quire.Cuda.Interop;

/// <summary>
/// Finds and loads CUDA's libraries once a process, when they are first needed. Folders to look in first are given as
/// <see cref="AppContext"/> data under <see cref="CudaProbe.LibraryFoldersKey"/>, separated by ';' or, except on Windows, ':'; they have to be set
/// before the first use.
/// </summary>
internal static unsafe class CudaLibraries
{
    /// <summary>Major versions of NVRTC and cuBLASLt that the backend knows, the newest first.</summary>
    private static readonly int[] ToolkitVersions = [13, 12];

    private static readonly char[] Separators = OperatingSystem.IsWindows() ? [';'] : [';', ':'];

    private static readonly Lazy<Found> Driver = new(() => Load(_ => DriverLibrary()));
    private static readonly Lazy<Found> Compiler = new(() => Load(NvrtcLibrary));
    private static readonly Lazy<Found> Blas = new(() => Load(CublasLtLibrary));
    private static readonly Lazy<bool> Resolver = new(SetResolver);

    private readonly record struct Found(nint Handle, string Problem);

    /// <exception cref="CudaUnavailableException">There is no driver.</exception>
    internal static void RequireDriver() => Require(Driver);

    /// <exception cref="CudaUnavailableException">There is no NVRTC.</exception>
    internal static void RequireNvrtc() => Require(Compiler);

    /// <exception cref="CudaUnavailableException">There is no cuBLASLt.</exception>
    internal static void RequireCublasLt() => Require(Blas);

    /// <summary>True when NVRTC can be called.</summary>
    internal static bool HasNvrtc()
    {
        _ = Resolver.Value;
        return Compiler.Value.Handle != 0;
    }

    /// <summary>True when the driver is there and exports the function: drivers before the function's CUDA version do not.</summary>
    internal static bool DriverHas(string function) => Driver.Value.Handle is var handle && handle != 0 && NativeLibrary.TryGetExport(handle, function, out _);

    internal static CudaLibrary DriverLibrary() =>
        new(CudaDriver.Library, "The CUDA driver", OperatingSystem.IsWindows() ? ["nvcuda.dll"] : ["libcuda.so.1"], IsDriver: true);

    /// <summary>A driver runs libraries of its own major version and of older ones; the newest of these comes first.</summary>
    /// <param name="driverMajor">13 for a driver that supports CUDA 13.x, 0 when there is none.</param>
    internal static CudaLibrary NvrtcLibrary(int driverMajor) => new(
        Nvrtc.Library,
        "NVRTC, the CUDA run-time compiler,",
        FileNames(driverMajor, major => $"libnvrtc.so.{major}", major => $"nvrtc64_{major}0_0.dll"),
        IsDriver: false,
        OperatingSystem.IsWindows() ? "nvrtc-builtins64_*.dll" : "libnvrtc-builtins.so.*");

    /// <inheritdoc cref="NvrtcLibrary"/>
    internal static CudaLibrary CublasLtLibrary(int driverMajor) => new(
        CublasLt.Library,
        "cuBLASLt",
        FileNames(driverMajor, major => $"libcublasLt.so.{major}", major => $"cublasLt64_{major}.dll"),
        IsDriver: false);

    /// <summary>The folders in the value of <see cref="CudaProbe.LibraryFoldersKey"/>.</summary>
    internal static IReadOnlyList<string> SplitFolders(string? value) =>
        (value ?? "").Split(Separators, StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);

    private static string[] FileNames(int driverMajor, Func<int, string> linux, Func<int, string> windows) =>
        [.. ToolkitVersions.Where(major => driverMajor == 0 || major <= driverMajor).Select(OperatingSystem.IsWindows() ? windows : linux)];

    private static void Require(Lazy<Found> library)
    {
        _ = Resolver.Value;
        if (library.Value.Handle == 0)
        {
            throw new CudaUnavailableException(library.Value.Problem);
        }
    }

    private static Found Load(Func<int, CudaLibrary> choose)
    {
        CudaLibrary library = choose(DriverMajor(choose));
        var places = new LibraryPlaces(
            OperatingSystem.IsWindows() ? "C:\\" : "/",
            Environment.GetFolderPath(Environment.SpecialFolder.UserProfile),
            SplitFolders(AppContext.GetData(CudaProbe.LibraryFoldersKey) as string));
        var search = new LibrarySearch(places, path => NativeLibrary.TryLoad(path, out nint handle) ? handle : 0);
        nint found = search.Find(library);
        return new Found(found, found == 0 ? search.Explain(library) : "");
    }

    private static int DriverMajor(Func<int, CudaLibrary> choose)
    {
        if (choose(0).IsDriver || Driver.Value.Handle == 0)
        {
            return 0;
        }

        _ = Resolver.Value;
        int version = 0;
        return CudaDriver.DriverGetVersion(&version) == CuResult.Success ? version / 1000 : 0;
    }

    private static bool SetResolver()
    {
        NativeLibrary.SetDllImportResolver(typeof(CudaLibraries).Assembly, Resolve);
        return true;
    }

    private static nint Resolve(string name, Assembly assembly, DllImportSearchPath? searchPath) => name switch
    {
        CudaDriver.Library => Driver.Value.Handle,
        Nvrtc.Library => Compiler.Value.Handle,
        CublasLt.Library => Blas.Value.Handle,
        _ => 0,
    };
}
