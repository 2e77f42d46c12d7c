using Quire.Tensors;

namespace Quire.Cuda;

/// <summary>What a <see cref="CudaBackend"/> is made with.</summary>
public sealed record CudaOptions
{
    /// <summary>Which card, from 0.</summary>
    public int Device { get; init; }

    /// <summary>Element type of activations and of unquantised weights: BF16 or F16.</summary>
    public DType ActivationType { get; init; } = DType.BF16;

    /// <summary>Where compiled kernels and the timings of matrix products are kept between runs; null keeps nothing.</summary>
    public string? CacheFolder { get; init; }

    /// <summary>Folder of kernels that were compiled beforehand; null for none.</summary>
    public string? PrecompiledFolder { get; init; }

    /// <summary>Lets each kernel start while the one before it still runs (programmatic dependent launch). Off for debugging.</summary>
    public bool OverlapKernels { get; init; } = true;

    /// <summary>
    /// Up to so many rows, at most 32, a product takes our kernel, which reads the weights once and joins with its neighbours; from there on
    /// cuBLASLt.
    /// </summary>
    public int FewRows { get; init; } = 16;

    /// <summary>Joins adjacent operations into one kernel where that saves memory traffic or launches. Off for debugging.</summary>
    public bool FuseOperations { get; init; } = true;
}
