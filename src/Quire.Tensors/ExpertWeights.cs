using System;
using System.Collections.Generic;

namespace Quire.Tensors;

/// <summary>
/// One linear layer of every expert of a mixture: all with the same shape, each possibly in another format. A backend may derive from it
/// to keep what its kernels need, such as a table of addresses.
/// </summary>
public class ExpertWeights
{
    /// <param name="experts">At least one; all have the shape of the first.</param>
    public ExpertWeights(IReadOnlyList<LinearWeight> experts)
    {
        ArgumentNullException.ThrowIfNull(experts);
        ArgumentOutOfRangeException.ThrowIfZero(experts.Count, nameof(experts));
        Experts = [.. experts];
        foreach (LinearWeight expert in Experts)
        {
            if (expert.OutFeatures != OutFeatures || expert.InFeatures != InFeatures)
            {
                throw new ArgumentException(
                    $"an expert of [{expert.OutFeatures}, {expert.InFeatures}] among experts of [{OutFeatures}, {InFeatures}]", nameof(experts));
            }
        }
    }

    /// <summary>Expert e is entry e.</summary>
    public LinearWeight[] Experts { get; }

    public int OutFeatures => Experts[0].OutFeatures;

    public int InFeatures => Experts[0].InFeatures;

    internal static NotSupportedException Unsupported() => new("this backend cannot compute mixtures of experts; use the CPU backend");
}
