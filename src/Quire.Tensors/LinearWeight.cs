using System.Collections.Generic;

namespace Quire.Tensors;

/// <summary>
/// What a linear layer is made of, before a backend has taken it: one or more parts stacked along the output features (a fused
/// q|k|v or gate|up is several parts), and an optional bias over all outputs. Quantised kinds of parts are in Quire.Tensors.Quantization.
/// </summary>
public sealed record LinearSource(string Name, IReadOnlyList<LinearPart> Parts, IReadOnlyList<HostMatrix>? Biases = null)
{
    /// <summary>True for one of the experts that <see cref="IBackend.CreateExperts"/> will be given.</summary>
    public bool IsExpert { get; init; }
}

/// <summary>A block of output features of a <see cref="LinearSource"/>.</summary>
public abstract record LinearPart(int OutFeatures, int InFeatures);

/// <summary>An unquantised part: [outFeatures, inFeatures], F32, F16 or BF16.</summary>
public sealed record DensePart(HostMatrix Weight) : LinearPart(Weight.Rows, Weight.Columns);

/// <summary>
/// The weight of y = x Wᵀ + b in the form that its backend multiplies from. Made by <see cref="IBackend.CreateLinear(LinearSource)"/>, opaque to
/// models.
/// </summary>
public abstract class LinearWeight(int outFeatures, int inFeatures)
{
    public int OutFeatures { get; } = outFeatures;

    public int InFeatures { get; } = inFeatures;

    /// <summary>Bytes read from memory to multiply one row: what bounds the speed of decoding.</summary>
    public abstract long SizeInBytes { get; }

    /// <summary>True when the memory of plain and block parts must outlive the layer; false when the layer has its own copy of all of them.</summary>
    public virtual bool KeepsSource => true;
}
