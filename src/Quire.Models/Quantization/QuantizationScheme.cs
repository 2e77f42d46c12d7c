using System.Collections.Generic;
using Quire.Models.Weights;
using Quire.Tensors;

namespace Quire.Models.Quantization;

/// <summary>
/// Which linear layers of a checkpoint are quantised, and how: what a <c>quantization_config</c> means. One subclass for each
/// <c>quant_method</c>, and one for what is quantised while it is loaded.
/// </summary>
public abstract class QuantizationScheme
{
    private static readonly string[] KvScales = [".k_scale", ".v_scale", ".q_scale", ".prob_scale", ".kv_scale", ".k_zero_point", ".v_zero_point"];

    /// <summary>The method by its usual name, such as <c>gptq</c>.</summary>
    public abstract string Method { get; }

    /// <summary>One line for logs, such as <c>gptq, 4 bits, groups of 128</c>.</summary>
    public abstract string Summary { get; }

    /// <summary>The layout of a weight, or null where it is not quantised.</summary>
    internal LinearLayout? LayoutOf(TensorSlot slot) =>
        slot.Role == WeightRole.Linear && !slot.IsRouter ? Layout(slot.Module, slot.IsOutsideLayers) : null;

    /// <summary>True for a tensor of the checkpoint that nobody needs.</summary>
    internal virtual bool Ignores(string name)
    {
        foreach (string ending in KvScales)
        {
            if (name.EndsWith(ending, System.StringComparison.Ordinal))
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>The layout of a linear layer by its name in the checkpoint, or null where it is not quantised.</summary>
    private protected abstract LinearLayout? Layout(string module, bool isHead);
}

/// <summary>A tensor that a layout needs.</summary>
/// <param name="Name">Full name.</param>
/// <param name="Types">Element types that will do.</param>
/// <param name="Shapes">Shapes that will do, the usual one first.</param>
internal sealed record TensorRequirement(string Name, IReadOnlyList<DType> Types, params IReadOnlyList<long[]> Shapes)
{
    /// <summary>True when the layer can do without.</summary>
    public bool Optional { get; init; }

    /// <summary>True when the blocks of a GGUF file will do as well.</summary>
    public bool Packed { get; init; }
}

/// <summary>How the weight of one linear layer is stored: which tensors, and what they make.</summary>
internal abstract class LinearLayout
{
    /// <summary>Types of scales.</summary>
    protected static readonly DType[] Floats = [DType.F32, DType.F16, DType.BF16];

    protected static readonly DType[] Words = [DType.I32];

    /// <summary>The tensors for a weight.</summary>
    /// <exception cref="CheckpointException">The layout cannot hold a weight of that shape.</exception>
    public abstract IReadOnlyList<TensorRequirement> Requirements(TensorSlot slot);

    /// <summary>The part that the tensors make. Their types and shapes have been checked, their contents have not.</summary>
    /// <exception cref="CheckpointException">A value cannot be.</exception>
    public abstract LinearPart Bind(TensorSlot slot, LayoutTensors tensors);

    /// <summary>Bytes of a weight as a backend keeps it.</summary>
    public abstract long SizeInBytes(TensorSlot slot);
}
