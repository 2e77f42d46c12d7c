using System;

namespace Quire.Tensors.Quantization;

/// <summary>
/// Where a matrix of small integers keeps its element (output, column); a column is an input feature, or a group of them. p is the
/// number of integers in a 32-bit word; integers of a word begin at its lowest bits unless told otherwise.
/// </summary>
public enum IntegerOrder
{
    /// <summary>[outputs, columns], a byte each.</summary>
    Bytes,

    /// <summary>[outputs, ⌈columns / p⌉] words of adjacent columns: compressed-tensors' weights.</summary>
    RowsOfColumns,

    /// <summary>[⌈columns / p⌉, outputs] words of adjacent columns: GPTQ's and SqueezeLLM's weights.</summary>
    ColumnsFirst,

    /// <summary>[columns, ⌈outputs / p⌉] words of adjacent outputs: GPTQ's zero points.</summary>
    OutputsLast,

    /// <summary>[columns, ⌈outputs / 8⌉] words of adjacent outputs of 4 bits in the order 0, 2, 4, 6, 1, 3, 5, 7: AWQ.</summary>
    OutputsInterleaved,

    /// <summary>[⌈outputs / p⌉, columns] words of adjacent outputs: compressed-tensors' zero points.</summary>
    OutputsFirst,
}

/// <summary>A matrix [outputs, columns] of integers of 4 or 8 bits, packed as a checkpoint has it.</summary>
/// <param name="Words">Address of the first word or byte.</param>
/// <param name="Bits">4 or 8.</param>
/// <param name="Order">Which element is where.</param>
/// <param name="Outputs">Rows of the matrix that is meant.</param>
/// <param name="Columns">Columns of the matrix that is meant.</param>
/// <param name="Added">What is added to every stored integer, modulo 2^bits: 1 for the zero points of GPTQ's first format, 128 for signed bytes.</param>
public readonly unsafe record struct PackedIntegers(nint Words, int Bits, IntegerOrder Order, int Outputs, int Columns, int Added = 0)
{
    /// <summary>The element, from 0 to 2^bits − 1.</summary>
    public int this[int output, int column]
    {
        get
        {
            int mask = (1 << Bits) - 1;
            if (Order == IntegerOrder.Bytes)
            {
                return (((byte*)Words)[(long)output * Columns + column] + Added) & mask;
            }

            int perWord = 32 / Bits;
            int packed = Order is IntegerOrder.RowsOfColumns or IntegerOrder.ColumnsFirst ? column : output;
            int place = packed % perWord;
            if (Order == IntegerOrder.OutputsInterleaved)
            {
                place = place / 2 + place % 2 * 4;
            }

            long word = Order switch
            {
                IntegerOrder.RowsOfColumns => (long)output * WordsFor(Columns) + column / perWord,
                IntegerOrder.ColumnsFirst => (long)(column / perWord) * Outputs + output,
                IntegerOrder.OutputsFirst => (long)(output / perWord) * Columns + column,
                _ => (long)column * WordsFor(Outputs) + output / perWord,
            };
            return ((int)(((uint*)Words)[word] >> (place * Bits)) + Added) & mask;
        }
    }

    /// <summary>Bytes of the whole matrix.</summary>
    public long SizeInBytes => Order switch
    {
        IntegerOrder.Bytes => (long)Outputs * Columns,
        IntegerOrder.RowsOfColumns => 4L * Outputs * WordsFor(Columns),
        IntegerOrder.ColumnsFirst => 4L * WordsFor(Columns) * Outputs,
        IntegerOrder.OutputsFirst => 4L * WordsFor(Outputs) * Columns,
        _ => 4L * Columns * WordsFor(Outputs),
    };

    /// <summary>The row of an output, one byte an element.</summary>
    public void ReadRow(int output, Span<byte> row)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(row.Length, Columns, nameof(row));
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)output, (uint)Outputs, nameof(output));
        int mask = (1 << Bits) - 1;
        int perWord = 32 / Bits;
        switch (Order)
        {
            case IntegerOrder.Bytes:
                byte* bytes = (byte*)Words + (long)output * Columns;
                for (int column = 0; column < Columns; column++)
                {
                    row[column] = (byte)((bytes[column] + Added) & mask);
                }

                break;
            case IntegerOrder.RowsOfColumns or IntegerOrder.ColumnsFirst:
                bool first = Order == IntegerOrder.ColumnsFirst;
                uint* word = (uint*)Words + (first ? output : (long)output * WordsFor(Columns));
                for (int column = 0; column < Columns; column += perWord, word += first ? Outputs : 1)
                {
                    uint bits = *word;
                    for (int i = column; i < Math.Min(column + perWord, Columns); i++, bits >>= Bits)
                    {
                        row[i] = (byte)(((int)bits + Added) & mask);
                    }
                }

                break;
            default:
                for (int column = 0; column < Columns; column++)
                {
                    row[column] = (byte)this[output, column];
                }

                break;
        }
    }

    private int WordsFor(int count) => (int)(((long)count * Bits + 31) / 32);
}
