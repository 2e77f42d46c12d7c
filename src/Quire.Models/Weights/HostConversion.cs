using System;
using System.Threading.Tasks;
using Quire.Tensors;

namespace Quire.Models.Weights;

/// <summary>Transposes matrices in host memory, and converts them between F32, F16 and BF16, rounding to nearest, ties to even.</summary>
internal static unsafe class HostConversion
{
    /// <summary>A copy of <paramref name="matrix"/> in <paramref name="type"/>, in memory of <paramref name="memory"/>.</summary>
    public static HostMatrix Convert(HostMatrix matrix, DType type, HostMemory memory)
    {
        Tensor target = memory.Allocate(type, matrix.Rows, matrix.Columns);
        var copy = new HostMatrix(target.Data, type, matrix.Rows, matrix.Columns);
        Parallel.For(0, matrix.Rows, row => ConvertRow(matrix, copy, row));
        return copy;
    }

    /// <summary>The transpose of <paramref name="matrix"/> (F32, F16 or BF16), in memory of <paramref name="memory"/>.</summary>
    public static HostMatrix Transpose(HostMatrix matrix, HostMemory memory)
    {
        Tensor target = memory.Allocate(matrix.Type, matrix.Columns, matrix.Rows);
        for (int row = 0; row < matrix.Rows; row++)
        {
            for (int column = 0; column < matrix.Columns; column++)
            {
                long from = (long)row * matrix.Columns + column;
                long to = (long)column * matrix.Rows + row;
                if (matrix.Type == DType.F32)
                {
                    ((float*)target.Data)[to] = ((float*)matrix.Data)[from];
                }
                else
                {
                    ((ushort*)target.Data)[to] = ((ushort*)matrix.Data)[from];
                }
            }
        }

        return new HostMatrix(target.Data, matrix.Type, matrix.Columns, matrix.Rows);
    }

    private static void ConvertRow(HostMatrix source, HostMatrix target, int row)
    {
        void* from = (byte*)source.Data + (long)row * source.Columns * source.Type.SizeInBytes();
        void* to = (byte*)target.Data + (long)row * target.Columns * target.Type.SizeInBytes();
        int count = source.Columns;
        switch (source.Type, target.Type)
        {
            case (DType.F32, DType.BF16):
                Map(new ReadOnlySpan<float>(from, count), new Span<ushort>(to, count), FloatConversions.SingleToBFloat16);
                break;
            case (DType.F32, DType.F16):
                Map(new ReadOnlySpan<float>(from, count), new Span<ushort>(to, count), FloatConversions.SingleToHalf);
                break;
            case (DType.BF16, DType.F32):
                Map(new ReadOnlySpan<ushort>(from, count), new Span<float>(to, count), FloatConversions.BFloat16ToSingle);
                break;
            case (DType.F16, DType.F32):
                Map(new ReadOnlySpan<ushort>(from, count), new Span<float>(to, count), FloatConversions.HalfToSingle);
                break;
            case (DType.BF16, DType.F16):
                Map(
                    new ReadOnlySpan<ushort>(from, count),
                    new Span<ushort>(to, count),
                    static bits => FloatConversions.SingleToHalf(FloatConversions.BFloat16ToSingle(bits)));
                break;
            case (DType.F16, DType.BF16):
                Map(
                    new ReadOnlySpan<ushort>(from, count),
                    new Span<ushort>(to, count),
                    static bits => FloatConversions.SingleToBFloat16(FloatConversions.HalfToSingle(bits)));
                break;
            default:
                throw new NotSupportedException($"converting {source.Type.DisplayName()} to {target.Type.DisplayName()}");
        }
    }

    private static void Map<TFrom, TTo>(ReadOnlySpan<TFrom> from, Span<TTo> to, Func<TFrom, TTo> convert)
    {
        for (int i = 0; i < from.Length; i++)
        {
            to[i] = convert(from[i]);
        }
    }
}
