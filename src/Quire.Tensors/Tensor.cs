using System;
using System.Diagnostics;

namespace Quire.Tensors;

/// <summary>
/// A view of rows in the memory of one device: an address, an element type and a two-dimensional shape. It owns nothing; whoever
/// allocated the memory frees it. Elements of a row are adjacent; rows may be further apart than they are wide, so a column range of
/// a fused projection is a tensor too. A vector of n is one row of n columns.
/// </summary>
public readonly struct Tensor
{
    /// <summary>Address of the first element: of host memory on the CPU, of device memory on a GPU.</summary>
    public nint Data { get; }

    public DType Type { get; }

    public int Rows { get; }

    public int Columns { get; }

    /// <summary>Elements from the start of one row to the start of the next; at least <see cref="Columns"/>.</summary>
    public int Stride { get; }

    public Tensor(nint data, DType type, int rows, int columns)
        : this(data, type, rows, columns, columns)
    {
    }

    public Tensor(nint data, DType type, int rows, int columns, int stride)
    {
        Debug.Assert(rows >= 0 && columns >= 0 && stride >= columns);
        Data = data;
        Type = type;
        Rows = rows;
        Columns = columns;
        Stride = stride;
    }

    /// <summary>True for the default value, which stands for "there is none", such as the bias of a layer without bias.</summary>
    public bool IsNone => Data == 0;

    /// <summary>True when the rows follow each other without gaps.</summary>
    public bool IsContiguous => Stride == Columns || Rows <= 1;

    public long ElementCount => (long)Rows * Columns;

    /// <summary>The rows [start, start + count).</summary>
    public Tensor RowRange(int start, int count)
    {
        Debug.Assert(start >= 0 && count >= 0 && start + count <= Rows);
        return new Tensor(Data + (nint)start * Stride * Type.SizeInBytes(), Type, count, Columns, Stride);
    }

    /// <summary>The columns [start, start + count) of every row.</summary>
    public Tensor ColumnRange(int start, int count)
    {
        Debug.Assert(start >= 0 && count >= 0 && start + count <= Columns);
        return new Tensor(Data + (nint)start * Type.SizeInBytes(), Type, Rows, count, Stride);
    }

    /// <summary>The first <paramref name="count"/> rows.</summary>
    public Tensor Take(int count) => RowRange(0, count);

    /// <summary>One row as a span. Only for tensors in host memory; <typeparamref name="T"/> must have the size of <see cref="Type"/>.</summary>
    public unsafe Span<T> HostRow<T>(int row)
        where T : unmanaged
    {
        Debug.Assert(sizeof(T) == Type.SizeInBytes() && row >= 0 && row < Rows);
        return new Span<T>((T*)Data + (nint)row * Stride, Columns);
    }

    public override string ToString() => $"{Type}[{Rows}, {Columns}]";
}
