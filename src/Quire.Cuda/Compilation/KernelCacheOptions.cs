using System;

namespace Quire.Cuda.Compilation;

/// <summary>Where compiled kernels are kept between starts.</summary>
public sealed record KernelCacheOptions
{
    /// <summary>Folder that compiled kernels are written to and read from, made when it is missing; null compiles at every start.</summary>
    public string? Folder { get; init; }

    /// <summary>
    /// Folder of kernels that were compiled beforehand, looked at first: files of a cache folder, shipped with the program, so that a
    /// machine without NVRTC can start. Null when there is none.
    /// </summary>
    public string? PrecompiledFolder { get; init; }

    /// <summary>Bytes that the cache folder may hold; the files that were not used for the longest time are deleted first.</summary>
    public long MaxBytes { get; init; } = 256L << 20;

    /// <summary>Is told when a kernel is compiled, and how long it took; null for nobody.</summary>
    public Action<string>? Log { get; init; }
}
