using System;

namespace Quire.Tensors.Reference;

/// <summary>Reads and writes single elements of tensors in host memory, whatever their type.</summary>
public static unsafe class Elements
{
    /// <summary>The element at (row, column) as a float.</summary>
    public static float Load(Tensor tensor, int row, int column) => Load(tensor.Data, tensor.Type, (long)row * tensor.Stride + column);

    /// <summary>Element <paramref name="index"/> counted from <paramref name="data"/>, as a float.</summary>
    public static float Load(nint data, DType type, long index) => type switch
    {
        DType.F32 => ((float*)data)[index],
        DType.BF16 => FloatConversions.BFloat16ToSingle(((ushort*)data)[index]),
        DType.F16 => FloatConversions.HalfToSingle(((ushort*)data)[index]),
        DType.F8E4M3 => FloatConversions.Float8E4M3ToSingle(((byte*)data)[index]),
        DType.F8E5M2 => FloatConversions.Float8E5M2ToSingle(((byte*)data)[index]),
        DType.I8 => ((sbyte*)data)[index],
        DType.I32 => ((int*)data)[index],
        _ => throw new NotSupportedException($"reading {type.DisplayName()} as a float"),
    };

    /// <summary>Writes the element at (row, column), rounding to nearest.</summary>
    public static void Store(Tensor tensor, int row, int column, float value) =>
        Store(tensor.Data, tensor.Type, (long)row * tensor.Stride + column, value);

    /// <summary>Writes element <paramref name="index"/> counted from <paramref name="data"/>, rounding to nearest.</summary>
    public static void Store(nint data, DType type, long index, float value)
    {
        switch (type)
        {
            case DType.F32:
                ((float*)data)[index] = value;
                break;
            case DType.BF16:
                ((ushort*)data)[index] = FloatConversions.SingleToBFloat16(value);
                break;
            case DType.F16:
                ((ushort*)data)[index] = FloatConversions.SingleToHalf(value);
                break;
            default:
                throw new NotSupportedException($"writing a float as {type.DisplayName()}");
        }
    }

    /// <summary>Entry <paramref name="index"/> of an I32 vector.</summary>
    public static int Integer(Tensor vector, int index) => ((int*)vector.Data)[index];
}
