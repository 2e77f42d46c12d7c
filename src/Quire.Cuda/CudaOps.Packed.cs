using System;
using Quire.Cuda.Device;
using Quire.Tensors;

namespace Quire.Cuda;

/// <content>
/// Products of many rows with packed weights: FP8 is multiplied as it is, by x rounded to FP8 with a scale for each row; everything else is
/// expanded for the product.
/// </content>
internal sealed partial class CudaOps
{
    /// <summary>Up to so many rows the product that unpacks in registers is faster than expanding.</summary>
    private const int FewPackedRows = 32;

    /// <summary>cuBLASLt multiplies FP8 with a scale for each row on this card.</summary>
    private readonly bool _scaledProducts;
    private DeviceScratch _quantized;
    private DeviceScratch _expanded;

    /// <summary>Columns that the kernels of quantize.cu take: 1,024 threads with four vectors of eight.</summary>
    public const int MaxQuantizedColumns = 1024 * 4 * 8;

    /// <summary>True where x is rounded for a product of many rows.</summary>
    private bool Quantizes(Tensor x, CudaLinear weight) =>
        _scaledProducts && weight is PackedLinear { Format: PackedFormat.Float8, InFeatures: <= MaxQuantizedColumns } && x.Stride % 8 == 0 && x.Data % 16 == 0;

    private void LaunchQuantized(PackedLinear weight, Tensor y, bool accumulate)
    {
        int rows = _productX.Rows;
        int columns = weight.InFeatures;
        long valueBytes = (long)rows * columns;
        nint values = _quantized.Reserve(_arena, valueBytes + (long)rows * sizeof(float));
        nint scales = values + (nint)valueBytes;
        var arguments = new QuantizeArguments
        {
            X = _productX.Data,
            Weight = _productNormWeight.Data,
            Y = values,
            Scales = scales,
            Columns = columns,
            XStride = _productX.Stride,
            Activation = (int)_productActivation,
            Epsilon = _productEpsilon,
            WeightOffset = _productOffset,
            InputScale = weight.InputScale,
        };
        string kernel = _productBefore switch
        {
            RowOperation.Norm => "quantize_norm",
            RowOperation.Gate => "quantize_gate",
            _ => "quantize_rows",
        };
        int threads = columns <= 8192 ? Math.Clamp((columns + 511) / 512 * 32, 32, 256) : columns <= 16384 ? 512 : 1024;
        Launch(_kernels.Quantize(kernel), rows, threads, arguments);
        var x = new Tensor(values, DType.F8E4M3, rows, columns);
        var w = new Tensor(weight.Values, DType.F8E4M3, weight.OutFeatures, columns);
        Multiply(x, w, weight.Bias, y, accumulate, scales, weight.Scales, WeightsLike(w));
    }

    /// <summary>The measured balance of registers, which unpacking needs, and loads in flight, on an H100.</summary>
    private CudaKernel SkinnyKernel(PackedLinear weight, int tiles, int rowTiles)
    {
        (int chunks, int blocks) = (weight.Format, tiles, rowTiles) switch
        {
            (_, 4, _) => (1, 1),
            (PackedFormat.Float8, 1, 1) => _productBefore == RowOperation.Norm ? (2, 3) : (4, 2),
            (PackedFormat.Float8, 1, 2) => (1, 4),
            (PackedFormat.Float8, 2, 2) => (2, 2),
            (PackedFormat.Int8, 1, 1) => (2, 3),
            (PackedFormat.Int8, 1, 2) => (1, 3),
            (_, _, 1) => (2, 2),
            _ => (1, 2),
        };
        return _kernels.SkinnyPacked(weight.Format, weight.Fold, tiles, rowTiles, chunks, blocks);
    }

    private Tensor Expand(PackedLinear weight)
    {
        nint target = _expanded.Reserve(_arena, 2L * weight.OutFeatures * weight.InFeatures);
        var arguments = new ExpandArguments
        {
            W = weight.Values,
            Y = target,
            Scales = weight.Scales,
            Zeros = weight.Zeros,
            Columns = weight.InFeatures,
            WStride = weight.RowBytes,
            GroupSize = weight.GroupSize,
            Groups = weight.Groups,
        };
        int segments = weight.RowBytes / 16;
        var config = new LaunchConfig(weight.OutFeatures, Threads) { GridY = (segments + Threads - 1) / Threads };
        Launch(_kernels.ExpandPacked(weight.Format), config, arguments);
        return new Tensor(target, _elementType, weight.OutFeatures, weight.InFeatures);
    }
}
