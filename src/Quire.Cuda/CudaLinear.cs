using Quire.Tensors;

namespace Quire.Cuda;

/// <summary>An unquantised weight on the device: [outFeatures, inFeatures] in the activation type, and a bias in the same type or none.</summary>
internal sealed class CudaLinear(Tensor weight, nint bias) : LinearWeight(weight.Rows, weight.Columns)
{
    public Tensor Weight { get; } = weight;

    /// <summary>Address of [1, outFeatures], or 0.</summary>
    public nint Bias { get; } = bias;

    public override long SizeInBytes => Weight.ElementCount * Weight.Type.SizeInBytes();
}
