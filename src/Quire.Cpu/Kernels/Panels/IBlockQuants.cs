namespace Quire.Cpu.Kernels.Panels;

/// <summary>
/// Weights of 3 to 6 bits without sign in panels whose groups have scales of their own below that of a block of groups. A block of a
/// panel is its parameters, then of each group the lower four bits of all weights (quad i of a group is the lower, quad i + 4 the upper half
/// of the bytes), then the bits above:
/// <list type="bullet">
/// <item>the fifth: [16 outputs, 4] bytes, of which bit i belongs to quad i;</item>
/// <item>the fifth and sixth: [2, 16 outputs, 4] bytes, of which the bits 2i and 2i + 1 belong to quad i of the first or second half.</item>
/// </list>
/// Of 3-bit weights the lower two bits come first, as the fifth and sixth lie above, then the third as the fifth does.
/// </summary>
/// <remarks>
/// A unit is what shares a scale: the group of 4-bit weights, else half a group. The sum of an output and a row is, over the blocks in order,
/// <c>sum = fma(scale, t, sum)</c> and then <c>sum = fma(−minimum, u, sum)</c>, where t = fma(float(integer sum of a unit · its scale), xScale, t)
/// and u = fma(the group's minimum, xScale · sum of the group's rounded x, u) from zero. The integers are below 2²⁴ and therefore exact.
/// </remarks>
internal unsafe interface IBlockQuants
{
    static abstract PanelFormat Format { get; }

    /// <summary>Bits of a weight: 3 to 6.</summary>
    static abstract int Bits { get; }

    /// <summary>What weights are stored above their value.</summary>
    static abstract int ZeroPoint { get; }

    /// <summary>What the scales of units are.</summary>
    static abstract UnitScales Scales { get; }

    /// <summary>Whether groups have minima.</summary>
    static abstract bool HasMinima { get; }

    /// <summary>Groups in a block.</summary>
    static abstract int BlockGroups { get; }

    /// <summary>Bytes of the parameters of a block: a multiple of 32.</summary>
    static abstract int ParameterBytes { get; }

    /// <summary>Expands the parameters of a block of a panel.</summary>
    static abstract void Expand(byte* parameters, BlockParameters* target);
}

/// <summary>What the scales of units are.</summary>
internal enum UnitScales
{
    /// <summary>There are none.</summary>
    None,

    /// <summary>A byte without sign for each group.</summary>
    OfGroups,

    /// <summary>A byte with sign for each half of a group.</summary>
    OfHalves,
}

/// <summary>The parameters of a block of a panel, for 16 outputs.</summary>
internal unsafe struct BlockParameters
{
    /// <summary>Most groups in a block.</summary>
    public const int MaxGroups = 8;

    /// <summary>The factor of all units.</summary>
    public fixed float Scale[PanelLayout.PanelOutputs];

    /// <summary>The factor of all minima; assembled kernels find it behind the other.</summary>
    public fixed float Minimum[PanelLayout.PanelOutputs];

    /// <summary>[units or groups, 16].</summary>
    public fixed byte UnitScales[2 * MaxGroups * PanelLayout.PanelOutputs];

    /// <summary>[groups, 16].</summary>
    public fixed byte Minima[MaxGroups * PanelLayout.PanelOutputs];
}
