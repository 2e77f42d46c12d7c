using System;
using System.Threading.Tasks;
using Quire.Tensors;
using Quire.Tensors.Reference;

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

    /// <summary>
    /// A copy of <paramref name="matrix"/> (any type, packed rows included when they are given as bytes) whose rows are
    /// <paramref name="heads"/> heads with the even rows of each first, then the odd ones: undoes the order that rotations of neighbouring
    /// elements need.
    /// </summary>
    public static HostMatrix SeparateHeads(HostMatrix matrix, int heads, HostMemory memory)
    {
        Tensor target = memory.Allocate(matrix.Type, matrix.Rows, matrix.Columns);
        SeparateHeads(matrix.Data, target.Data, matrix.Rows, (long)matrix.Columns * matrix.Type.SizeInBytes(), heads);
        return matrix with { Data = target.Data };
    }

    /// <summary>The same for rows of <paramref name="rowBytes"/> bytes of any format.</summary>
    public static void SeparateHeads(nint source, nint target, int rows, long rowBytes, int heads)
    {
        int half = rows / heads / 2;
        Parallel.For(0, heads, head =>
        {
            for (int within = 0; within < 2 * half; within++)
            {
                long row = (long)head * 2 * half + within;
                long from = (long)head * 2 * half + (within < half ? 2 * within : 2 * (within - half) + 1);
                Buffer.MemoryCopy((byte*)source + from * rowBytes, (byte*)target + row * rowBytes, rowBytes, rowBytes);
            }
        });
    }

    /// <summary>The values of packed rows in a plain type, in memory of <paramref name="memory"/>.</summary>
    public static HostMatrix Unpack(nint source, BlockFormat format, int rows, int columns, DType type, HostMemory memory)
    {
        Tensor target = memory.Allocate(type, rows, columns);
        var copy = new HostMatrix(target.Data, type, rows, columns);
        long rowBytes = format.RowBytes(columns);
        Parallel.For(0, rows, row =>
        {
            var values = new float[columns];
            BlockDecoding.Decode(format, new ReadOnlySpan<byte>((byte*)source + row * rowBytes, (int)rowBytes), values);
            fixed (float* address = values)
            {
                if (type == DType.F32)
                {
                    values.CopyTo(new Span<float>((float*)target.Data + (long)row * columns, columns));
                }
                else
                {
                    ConvertRow(
                        new HostMatrix((nint)address, DType.F32, 1, columns),
                        copy with { Data = target.Data + (nint)((long)row * columns * type.SizeInBytes()), Rows = 1 },
                        0);
                }
            }
        });
        return copy;
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
