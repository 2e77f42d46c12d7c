using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.IO;

namespace Quire.Cuda.Compilation;

/// <summary>Turns a source into code for a device.</summary>
internal interface ICubinCompiler
{
    /// <summary>Such as "NVRTC 13.0"; null when the compiler is not installed.</summary>
    string? Version { get; }

    /// <exception cref="KernelCompilationException">The source is wrong.</exception>
    /// <exception cref="Device.CudaUnavailableException">The compiler is not installed.</exception>
    byte[] Compile(string name, KernelSources sources, IReadOnlyList<string> options);
}

/// <summary>Where compiled code came from.</summary>
internal enum CubinOrigin
{
    Precompiled,
    Cache,
    Compiler,
}

/// <summary>Compiled kernels: from the folder that came with the program, else from the cache, else from the compiler.</summary>
internal sealed class CubinStore
{
    private readonly KernelSources _sources;
    private readonly ICubinCompiler _compiler;
    private readonly CacheFolder? _precompiled;
    private readonly CacheFolder? _cache;
    private readonly Action<string>? _log;

    public CubinStore(KernelSources sources, ICubinCompiler compiler, KernelCacheOptions options)
    {
        _sources = sources;
        _compiler = compiler;
        _precompiled = options.PrecompiledFolder is { } shipped ? new CacheFolder(shipped, "*.cubin", long.MaxValue) : null;
        _cache = options.Folder is { } folder ? new CacheFolder(folder, "*.cubin", options.MaxBytes) : null;
        _log = options.Log;
    }

    /// <summary>The code of a source.</summary>
    /// <param name="name">Such as "attention_decode.cu".</param>
    /// <param name="architecture">Such as "sm_90a".</param>
    /// <param name="defines">Macros, such as "HEAD_DIM=128".</param>
    /// <param name="fresh">True compiles even when there is code already: the driver did not take it.</param>
    /// <param name="origin">Where the code came from.</param>
    public byte[] Get(string name, string architecture, ReadOnlySpan<string> defines, bool fresh, out CubinOrigin origin)
    {
        List<string> options = Options(architecture, defines);
        byte[] fingerprint = _sources.Fingerprint(name, options);
        string file = FileName(name, architecture, fingerprint);
        if (!fresh)
        {
            // What was shipped fits whatever compiler is there; what was cached comes from the compiler that is there now, if there is one.
            if (_precompiled?.Read(file) is { } shipped && CubinFile.TryDecode(shipped, fingerprint, null, out byte[]? ready))
            {
                origin = CubinOrigin.Precompiled;
                return ready;
            }

            if (_cache?.Read(file) is { } cached && CubinFile.TryDecode(cached, fingerprint, _compiler.Version, out byte[]? kept))
            {
                _cache.Touch(file);
                origin = CubinOrigin.Cache;
                return kept;
            }
        }

        long start = Stopwatch.GetTimestamp();
        byte[] cubin = _compiler.Compile(name, _sources, options);
        _log?.Invoke($"compiled {name} for {architecture} in {Stopwatch.GetElapsedTime(start).TotalSeconds:0.0} s");
        if (_cache is not null && !_cache.Write(file, CubinFile.Encode(cubin, fingerprint, _compiler.Version ?? "")))
        {
            _log?.Invoke($"compiled kernels could not be written to the kernel cache; {name} will be compiled again at the next start");
        }

        origin = CubinOrigin.Compiler;
        return cubin;
    }

    /// <summary>Options of NVRTC (its documentation, "Supported Compile Options").</summary>
    internal static List<string> Options(string architecture, ReadOnlySpan<string> defines)
    {
        // Not --use_fast_math: it flushes denormals and approximates division everywhere; kernels that can live with it call the intrinsics.
        List<string> options = [$"--gpu-architecture={architecture}", "--std=c++17", "--device-as-default-execution-space", "--generate-line-info"];
        foreach (string define in defines)
        {
            options.Add($"--define-macro={define}");
        }

        return options;
    }

    internal static string FileName(string name, string architecture, ReadOnlySpan<byte> fingerprint) =>
        $"{Path.GetFileNameWithoutExtension(name)}.{architecture}.{Convert.ToHexStringLower(fingerprint)}.cubin";
}
