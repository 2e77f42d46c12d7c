using System;
using Quire.Tensors;

namespace Quire.Cpu;

/// <summary>Converts tensors between F32, F16 and BF16 while a model is loaded.</summary>
internal static unsafe class TensorConversion
{
    /// <summary>target = source, rounded to nearest.</summary>
    public static void Convert(Tensor source, Tensor target)
    {
        for (int row = 0; row < source.Rows; row++)
        {
            for (int column = 0; column < source.Columns; column++)
            {
                Store(target, (nint)row * target.Stride + column, Load(source, (nint)row * source.Stride + column));
            }
        }
    }

    private static float Load(Tensor tensor, nint index) => tensor.Type switch
    {
        DType.F32 => ((float*)tensor.Data)[index],
        DType.BF16 => FloatConversions.BFloat16ToSingle(((ushort*)tensor.Data)[index]),
        DType.F16 => FloatConversions.HalfToSingle(((ushort*)tensor.Data)[index]),
        _ => throw new NotSupportedException($"converting from {tensor.Type.DisplayName()} is not supported on the CPU"),
    };

    private static void Store(Tensor tensor, nint index, float value)
    {
        switch (tensor.Type)
        {
            case DType.F32:
                ((float*)tensor.Data)[index] = value;
                break;
            case DType.BF16:
                ((ushort*)tensor.Data)[index] = FloatConversions.SingleToBFloat16(value);
                break;
            case DType.F16:
                ((ushort*)tensor.Data)[index] = FloatConversions.SingleToHalf(value);
                break;
            default:
                throw new NotSupportedException($"converting to {tensor.Type.DisplayName()} is not supported on the CPU");
        }
    }
}
