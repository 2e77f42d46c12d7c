namespace Quire.Cpu.Kernels.Panels;

/// <summary>
/// How weights lie that are multiplied with one output a lane. Outputs come in panels of 16; a panel is a run of groups of 32 inputs, and
/// a group a run of 32-bit lanes, one an output, each with some adjacent inputs of it: the operand of the instructions that multiply
/// bytes, or pairs of BF16, and add them into 32-bit lanes, whatever the width of the vector.
/// </summary>
internal static class PanelLayout
{
    /// <summary>Outputs in a panel; the last panel is padded with outputs of zeros.</summary>
    public const int PanelOutputs = 16;

    /// <summary>Inputs in a group: those that share a scale, of weights and of x. The last group is padded with zeros.</summary>
    public const int GroupInputs = 32;

    /// <summary>8-bit inputs in one lane.</summary>
    public const int QuadInputs = 4;

    /// <summary>Quads in a group.</summary>
    public const int GroupQuads = GroupInputs / QuadInputs;

    /// <summary>
    /// Bytes of x that the second-level cache holds beside weights: so many rows of x are multiplied with one panel after the other.
    /// </summary>
    public const int CachedInputBytes = 256 << 10;

    /// <summary>Most rows of x that are multiplied with a panel at once.</summary>
    public const int MaxRows = 128;

    /// <summary>Groups of so many inputs.</summary>
    public static int Groups(int inFeatures) => (inFeatures + GroupInputs - 1) / GroupInputs;

    /// <summary>Panels of so many outputs.</summary>
    public static int Panels(int outFeatures) => (outFeatures + PanelOutputs - 1) / PanelOutputs;

    /// <summary>Bytes of the values of one group of a panel, without scales.</summary>
    public static int GroupBytes(this PanelFormat format) => format switch
    {
        PanelFormat.Integers4 or PanelFormat.Affine4 or PanelFormat.Q41 or PanelFormat.Q4K => PanelOutputs * GroupInputs / 2,
        PanelFormat.Q50 or PanelFormat.Q51 or PanelFormat.Q5K => PanelOutputs * GroupInputs / 8 * 5,
        PanelFormat.Q6K => PanelOutputs * GroupInputs / 8 * 6,
        PanelFormat.Q3K => PanelOutputs * GroupInputs / 8 * 3,
        PanelFormat.BFloat16 => PanelOutputs * GroupInputs * 2,
        _ => PanelOutputs * GroupInputs,
    };

    /// <summary>What integers are stored above their value.</summary>
    public static int ZeroPoint(this PanelFormat format) => format switch
    {
        PanelFormat.Integers4 => 8,
        PanelFormat.Unsigned8 => 128,
        PanelFormat.Q3K => 4,
        PanelFormat.Q50 => 16,
        PanelFormat.Q6K => 32,
        _ => 0,
    };
}

/// <summary>What the values of a panel are.</summary>
internal enum PanelFormat
{
    /// <summary>Four bits: quad i of a group is the lower, quad i + 4 the upper half of the bytes. A scale a group.</summary>
    Integers4,

    /// <summary>Bytes with sign, a quad a lane. A scale a group.</summary>
    Integers8,

    /// <summary>The same bytes 128 higher.</summary>
    Unsigned8,

    /// <summary>Pairs of BF16.</summary>
    BFloat16,

    /// <summary>Blocks of one group of 4 bits, as <see cref="IBlockQuants"/> says.</summary>
    Q41,

    /// <summary>The same with 5 bits, 16 above their value.</summary>
    Q50,

    /// <summary>The same with 5 bits.</summary>
    Q51,

    /// <summary>Blocks of eight groups of 3 bits, 4 above their value.</summary>
    Q3K,

    /// <summary>The same with 4 bits.</summary>
    Q4K,

    /// <summary>The same with 5 bits.</summary>
    Q5K,

    /// <summary>The same with 6 bits.</summary>
    Q6K,

    /// <summary>Four bits as in <see cref="Integers4"/>, with scales and zero points of their own for groups of a checkpoint.</summary>
    Affine4,

    /// <summary>The same with bytes, as in <see cref="Integers8"/>.</summary>
    Affine8,
}

/// <summary>How rows of x lie for a kernel: in blocks of rows, within which the same inputs of each row are adjacent.</summary>
internal enum PanelInputForm
{
    /// <summary>[groups, 8 quads, rows] of four bytes.</summary>
    Bytes,

    /// <summary>[groups, 8 quads, rows] of four 16-bit integers in the order 0, 2, 1, 3.</summary>
    Words,

    /// <summary>The same, of integers up to 32,767.</summary>
    Wide,

    /// <summary>[inputs, rows] of floats.</summary>
    Floats,

    /// <summary>[inputs / 2, rows] of two BF16 numbers, rounded to nearest even.</summary>
    BFloat16Pairs,
}
