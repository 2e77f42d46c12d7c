using System;
using System.IO;
using Quire.Cpu;
using Quire.Cuda;
using Quire.Cuda.Device;
using Quire.Engine;
using Quire.Engine.Options;
using Quire.Tensors;

namespace Quire.Inference;

/// <summary>Chooses what to compute on.</summary>
public static class BackendSelector
{
    /// <summary>
    /// The backend that <see cref="EngineOptions.Device"/> names: <c>cpu</c>, <c>cuda</c> (or <c>cuda:1</c>), or <c>auto</c> (and null) for
    /// the first GPU where there is a usable one, else the CPU.
    /// </summary>
    /// <exception cref="QuireException">An unknown device, one that is not there, or a number of threads that cannot be.</exception>
    public static IBackend Create(EngineOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        if (OptionChecks.FirstMistake(options.Settings) is { } problem)
            throw new QuireException(problem.Code, ErrorKind.Usage, problem.Message, problem.Option);
        string device = (options.Device ?? "auto").ToLowerInvariant();
        if (options.CudaLibraryFolders is { } folders)
            AppContext.SetData(CudaProbe.LibraryFoldersKey, folders);
        bool isFloat32 = options.DType is "float32" or "float";
        if (device == "auto")
            device = !isFloat32 && CudaProbe.TryFind(out _) ? "cuda" : "cpu";
        if (device == "cpu")
            return new CpuBackend(new CpuOptions { Threads = options.Threads ?? 0 });
        int ordinal = 0;
        if (device != "cuda" && !(device.StartsWith("cuda:", StringComparison.Ordinal) && int.TryParse(device.AsSpan(5), out ordinal)))
            throw new QuireException(ErrorCodes.InvalidOption, ErrorKind.Usage, $"device must be auto, cpu, cuda or cuda:<number>, got {device}", "device");
        if (isFloat32)
            throw new QuireException(ErrorCodes.InvalidOption, ErrorKind.Usage, "dtype float32 is computed on the CPU only; use bfloat16 or float16, or --device cpu", "dtype");
        return Cuda(options, ordinal);
    }

    private static CudaBackend Cuda(EngineOptions options, int ordinal)
    {
        string caches = Environment.GetFolderPath(Environment.SpecialFolder.LocalApplicationData);
        try
        {
            return new CudaBackend(new CudaOptions
            {
                Device = ordinal,
                ActivationType = options.DType is "float16" or "half" ? DType.F16 : DType.BF16,
                CacheFolder = options.CudaCacheFolder ?? (caches.Length > 0 ? Path.Combine(caches, "quire", "cuda") : null),
                PrecompiledFolder = Path.Combine(AppContext.BaseDirectory, "cuda-kernels"),
            });
        }
        catch (CudaUnavailableException exception)
        {
            throw new QuireException(ErrorCodes.InvalidOption, ErrorKind.Usage, exception.Message, "device", exception);
        }
    }
}
