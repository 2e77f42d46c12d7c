using System.Collections.Generic;
using Quire.Tensors;

namespace Quire.Cuda;

/// <summary>The same layer of all experts, and a table on the device of where each has its weight and its bias.</summary>
internal sealed class CudaExperts(IReadOnlyList<LinearWeight> experts, nint table) : ExpertWeights(experts)
{
    /// <summary>Address of two addresses an expert: weight, and bias or 0.</summary>
    public nint Table { get; } = table;
}
