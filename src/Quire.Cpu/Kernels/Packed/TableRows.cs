using System.Runtime.CompilerServices;
using Quire.Cpu.Simd;
using Quire.Tensors;
using Quire.Tensors.Quantization;

namespace Quire.Cpu.Kernels.Packed;

/// <summary>Rows of 4-bit integers, laid out as <see cref="Integers4"/>, that choose from a table of 16 numbers of each row.</summary>
internal unsafe struct TableRows : IPackedRows<TableRows>
{
    /// <summary>Blocks of integers, row after row.</summary>
    public byte* Values;
    public nint RowBytes;

    /// <summary>[rows, 16].</summary>
    public byte* Tables;
    public DType TableType;

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    [SkipLocalsInit]
    public static void Expand<TSimd, TVector>(ref readonly TableRows rows, int row, int column, int count, float* target)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
    {
        float* table = stackalloc float[TablePart.Entries];
        nint first = (nint)row * TablePart.Entries;
        for (int i = 0; i < TablePart.Entries; i += TSimd.Count)
        {
            TSimd.Store(table + i, rows.TableType switch
            {
                DType.F16 => TSimd.LoadHalf((ushort*)rows.Tables + first + i),
                DType.BF16 => TSimd.LoadBFloat16((ushort*)rows.Tables + first + i),
                _ => TSimd.Load((float*)rows.Tables + first + i),
            });
        }

        byte* block = rows.Values + row * rows.RowBytes + column / PackedInput.BlockColumns * (nint)Integers4.BlockBytes;
        for (int i = 0; i < count; i += PackedInput.BlockColumns, block += Integers4.BlockBytes)
        {
            for (int j = 0; j < 16; j += TSimd.Count)
            {
                TVector pairs = TSimd.LoadBytes(block + j);
                TSimd.Store(target + i + j, TSimd.LookUpLowNibbles(pairs, table));
                TSimd.Store(target + i + 16 + j, TSimd.LookUpHighNibbles(pairs, table));
            }
        }
    }
}
