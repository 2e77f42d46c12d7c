using System;
using System.Globalization;
using Quire.Tensors;

namespace Quire.Cuda.Blas;

/// <summary>
/// A matrix product y = alpha · x Wᵀ + bias (+ beta · y), everything row-major: x [Rows, InFeatures], W [OutFeatures, InFeatures],
/// y [Rows, OutFeatures], bias [OutFeatures] of <see cref="BiasType"/>.
/// Sums are in F32.
/// </summary>
/// <param name="Rows">M: tokens.</param>
/// <param name="OutFeatures">N.</param>
/// <param name="InFeatures">K.</param>
/// <param name="XStride">Elements from one row of x to the next.</param>
/// <param name="WStride">Elements from one row of W to the next.</param>
/// <param name="YStride">Elements from one row of y to the next.</param>
/// <param name="XType">BF16, F16, F32 or F8E4M3.</param>
/// <param name="WType">The type of x.</param>
/// <param name="YType">The type of x or F32; BF16, F16 or F32 when x is F8E4M3.</param>
/// <param name="HasBias">True adds a bias to every row.</param>
/// <param name="Accumulates">True adds beta · y to the result.</param>
internal readonly record struct MatmulShape(
    int Rows,
    int OutFeatures,
    int InFeatures,
    int XStride,
    int WStride,
    int YStride,
    DType XType,
    DType WType,
    DType YType,
    bool HasBias = false,
    bool Accumulates = false)
{
    /// <summary>
    /// For F8E4M3 on Hopper: sums stay in the tensor cores' reduced accumulator instead of being promoted now and then. Faster and less
    /// exact.
    /// </summary>
    public bool FastAccumulation { get; init; }

    /// <summary>The power of two in bytes that all addresses are a multiple of; 0 stands for 16.</summary>
    public int Alignment { get; init; }

    /// <summary>Type of the bias that cuBLASLt expects: y's, but BF16 when x is F8E4M3 and y F32.</summary>
    public DType BiasType => XType == DType.F8E4M3 && YType == DType.F32 ? DType.BF16 : YType;

    /// <summary>A product of matrices without gaps, all of one type.</summary>
    public static MatmulShape Of(int rows, int outFeatures, int inFeatures, DType type) =>
        new(rows, outFeatures, inFeatures, inFeatures, inFeatures, outFeatures, type, type, type);

    /// <summary>The shape of y = x Wᵀ.</summary>
    public static MatmulShape Of(Tensor x, Tensor w, Tensor y) =>
        new(x.Rows, w.Rows, x.Columns, x.Stride, w.Stride, y.Stride, x.Type, w.Type, y.Type);

    /// <summary>True when a scale for each row of x and each row of W is given with every run.</summary>
    public bool IsScaled => XType == DType.F8E4M3;

    public override string ToString() => string.Create(
        CultureInfo.InvariantCulture,
        $"[{Rows},{InFeatures}:{XStride}]{XType}*[{OutFeatures},{InFeatures}:{WStride}]{WType}->[:{YStride}]{YType}{(HasBias ? "+bias" : "")}{(Accumulates ? "+y" : "")}{(FastAccumulation ? "/fast" : "")}/{AlignmentBytes}");

    internal int AlignmentBytes => Alignment == 0 ? 16 : Alignment;

    /// <exception cref="ArgumentException">A field has a value that cannot be computed; the message names it.</exception>
    internal void Validate()
    {
        if (Rows <= 0 || OutFeatures <= 0 || InFeatures <= 0)
        {
            throw new ArgumentException($"Rows, OutFeatures and InFeatures of the product {this} have to be positive.");
        }

        if (XStride < InFeatures || WStride < InFeatures || YStride < OutFeatures)
        {
            throw new ArgumentException($"A stride of the product {this} is less than the length of its rows.");
        }

        if (XType != WType || XType is not (DType.BF16 or DType.F16 or DType.F32 or DType.F8E4M3))
        {
            throw new ArgumentException($"The product {this} needs x and W of one type, bfloat16, float16, float32 or fp8_e4m3.");
        }

        if (YType != DType.F32 && (XType == DType.F8E4M3 ? YType is not (DType.BF16 or DType.F16) : YType != XType))
        {
            throw new ArgumentException($"The product {this} can be stored as {(XType == DType.F8E4M3 ? "bfloat16, float16" : XType.DisplayName())} or float32.");
        }

        if (!int.IsPow2(AlignmentBytes) || AlignmentBytes > 256)
        {
            throw new ArgumentException($"Alignment of the product {this} has to be a power of two up to 256.");
        }
    }
}
