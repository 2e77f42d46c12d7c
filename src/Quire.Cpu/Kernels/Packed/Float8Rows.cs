using System.Runtime.CompilerServices;
using Quire.Cpu.Simd;

namespace Quire.Cpu.Kernels.Packed;

/// <summary>Rows of FP8 E4M3 numbers with a scale for each block of rows and group of columns: w = e4m3 · scale.</summary>
internal unsafe struct Float8Rows : IPackedRows<Float8Rows>
{
    /// <summary>[rows, columns].</summary>
    public byte* Values;
    public int Columns;

    /// <summary>[scale rows, groups].</summary>
    public float* Scales;
    public int Groups;

    /// <summary>[rows]: which row of the scales is theirs.</summary>
    public int* ScaleRow;

    /// <summary>[columns / 16]: the group of every span.</summary>
    public ushort* GroupOfSpan;

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Expand<TSimd, TVector>(ref readonly Float8Rows rows, int row, int column, int count, float* target)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
    {
        float* scales = rows.Scales + (nint)rows.ScaleRow[row] * rows.Groups;
        ushort* groups = rows.GroupOfSpan + column / ColumnOrder.SpanColumns;
        byte* values = rows.Values + (nint)row * rows.Columns + column;
        for (int i = 0; i < count; i += ColumnOrder.SpanColumns, groups++)
        {
            TVector scale = TSimd.Create(scales[*groups]);
            for (int j = i; j < i + ColumnOrder.SpanColumns; j += TSimd.Count)
            {
                TSimd.Store(target + j, TSimd.Multiply(TSimd.LoadFloat8(values + j), scale));
            }
        }
    }
}
