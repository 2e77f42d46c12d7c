namespace Quire.Cpu.Kernels.Packed;

/// <summary>How a row of x is laid out for a packed weight: quantised first where the format says so, then put in the weight's order.</summary>
internal readonly unsafe struct PackedInput
{
    /// <summary>Columns of every packed weight come in whole blocks of so many: two of the widest vectors.</summary>
    public const int BlockColumns = 32;

    /// <summary>Columns of the packed weight, a multiple of <see cref="BlockColumns"/>; those past the inputs meet zeros of x.</summary>
    public int Columns { get; init; }

    /// <summary>[Columns]: the input that each column of the weight multiplies, or −1 for none. Null: input i for column i.</summary>
    public int* Map { get; init; }

    /// <summary>How inputs are rounded before they are multiplied.</summary>
    public RowQuantizer Quantizer { get; init; }

    /// <summary>Inputs as they are, padded to whole blocks.</summary>
    public static PackedInput InOrder(int inFeatures, RowQuantizer quantizer = default) =>
        new() { Columns = PadColumns(inFeatures), Quantizer = quantizer };

    /// <summary>So many columns, rounded up to whole blocks.</summary>
    public static int PadColumns(int columns) => checked((columns + BlockColumns - 1) / BlockColumns * BlockColumns);
}
