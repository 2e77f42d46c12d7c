using System;
using System.Collections.Generic;
using System.Threading.Tasks;
using Quire.Tensors;
using Quire.Tensors.Quantization;

namespace Quire.Cpu.Kernels.Packed;

/// <summary>Packs parts with tables into one weight for <see cref="TableRows"/>.</summary>
internal static unsafe class TablePacker
{
    /// <summary>True when two parts can be rows of one weight.</summary>
    public static bool Match(TablePart a, TablePart b) => a.InFeatures == b.InFeatures && a.Table.Type == b.Table.Type;

    /// <summary>Packs parts that match; arguments as of <see cref="AffinePacker"/>.</summary>
    public static CpuLinear Create(ICpuOps ops, HostMemory memory, IReadOnlyList<TablePart> parts, Tensor bias)
    {
        int outFeatures = 0;
        foreach (TablePart part in parts)
        {
            outFeatures = checked(outFeatures + part.OutFeatures);
        }

        int inFeatures = parts[0].InFeatures;
        PackedInput input = PackedInput.InOrder(inFeatures);
        nint rowBytes = (nint)input.Columns / PackedInput.BlockColumns * Integers4.BlockBytes;
        int tableBytes = TablePart.Entries * parts[0].Table.Type.SizeInBytes();
        var rows = new TableRows
        {
            Values = (byte*)memory.AllocateBytes(checked(outFeatures * (long)rowBytes)),
            RowBytes = rowBytes,
            Tables = (byte*)memory.AllocateBytes((long)outFeatures * tableBytes),
            TableType = parts[0].Table.Type,
        };
        int output = 0;
        foreach (TablePart part in parts)
        {
            long bytes = (long)part.OutFeatures * tableBytes;
            Buffer.MemoryCopy((void*)part.Table.Data, rows.Tables + (long)output * tableBytes, bytes, bytes);
            Pack(part, rows, input.Columns, output);
            output += part.OutFeatures;
        }

        return ops.CreatePacked(in rows, outFeatures, inFeatures, in input, bias, outFeatures * ((long)rowBytes + tableBytes));
    }

    private static void Pack(TablePart part, TableRows rows, int columns, int output)
    {
        Parallel.For(0, part.OutFeatures, () => new byte[columns], (row, _, values) =>
        {
            part.Values.ReadRow(row, values);
            fixed (byte* from = values)
            {
                byte* block = rows.Values + (output + row) * rows.RowBytes;
                for (int column = 0; column < columns; column += PackedInput.BlockColumns, block += Integers4.BlockBytes)
                {
                    Integers4.Pack(from + column, block);
                }
            }

            return values;
        }, static _ => { });
    }
}
