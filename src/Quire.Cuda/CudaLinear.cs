using Quire.Tensors;

namespace Quire.Cuda;

/// <summary>A weight on the device.</summary>
/// <param name="outFeatures">Its rows.</param>
/// <param name="inFeatures">Its columns.</param>
/// <param name="bias">Address of [1, outFeatures] in the activation type, or 0.</param>
internal abstract class CudaLinear(int outFeatures, int inFeatures, nint bias) : LinearWeight(outFeatures, inFeatures)
{
    /// <summary>Address of [1, outFeatures] in the activation type, or 0.</summary>
    public nint Bias { get; } = bias;
}

/// <summary>A weight in the activation type: [outFeatures, inFeatures].</summary>
internal sealed class DenseLinear(Tensor weight, nint bias) : CudaLinear(weight.Rows, weight.Columns, bias)
{
    public Tensor Weight { get; } = weight;

    public override long SizeInBytes => Weight.ElementCount * Weight.Type.SizeInBytes();
}

/// <summary>How packed weights lie in memory; the values are those of QUIRE_FORMAT in Kernels/skinny_packed.cu, which describes them.</summary>
internal enum PackedFormat
{
    /// <summary>FP8 E4M3, a scale for each output.</summary>
    Float8 = 0,

    /// <summary>Bytes with a scale and a zero point for each output and group of columns.</summary>
    Int8 = 1,

    /// <summary>Four bits, the same.</summary>
    Int4 = 2,
}

/// <summary>A weight of 8 or 4 bits that stays packed.</summary>
/// <param name="outFeatures">Its rows.</param>
/// <param name="inFeatures">Its columns.</param>
/// <param name="bias">As <see cref="CudaLinear.Bias"/>.</param>
internal sealed class PackedLinear(int outFeatures, int inFeatures, nint bias) : CudaLinear(outFeatures, inFeatures, bias)
{
    public required PackedFormat Format { get; init; }

    /// <summary>Address of the first row.</summary>
    public required nint Values { get; init; }

    /// <summary>Bytes from one row to the next.</summary>
    public required int RowBytes { get; init; }

    /// <summary>Address of F32 [outFeatures, groups].</summary>
    public required nint Scales { get; init; }

    /// <summary>Address of bytes [outFeatures, groups], or 0 where every zero point is half of the range.</summary>
    public nint Zeros { get; init; }

    /// <summary>Columns of a group.</summary>
    public required int GroupSize { get; init; }

    public int Groups => (InFeatures + GroupSize - 1) / GroupSize;

    /// <summary>FP8: the scale of the inputs that the checkpoint states, or 0 for one of each row.</summary>
    public float InputScale { get; init; }

    /// <summary>QUIRE_FOLD: what is summed before a scale is applied.</summary>
    public int Fold { get; init; }

    public override long SizeInBytes => (long)OutFeatures * (RowBytes + (long)Groups * (sizeof(float) + (Zeros == 0 ? 0 : 1)));
}
