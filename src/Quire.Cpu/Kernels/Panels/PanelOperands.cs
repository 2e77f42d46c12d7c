namespace Quire.Cpu.Kernels.Panels;

/// <summary>A weight in <see cref="PanelLayout"/>, rows of x laid out for it, and y.</summary>
internal unsafe struct PanelOperands
{
    /// <summary>[panels, groups, <see cref="PanelLayout.GroupBytes"/>].</summary>
    public byte* Values;

    /// <summary>F16, [panels, groups, 16]; null for formats without scales.</summary>
    public ushort* Scales;

    /// <summary>The assembled kernel for the rows of a block of x, where the kernel is one.</summary>
    public nint Code;

    /// <summary>[out] or null.</summary>
    public float* Bias;
    public int Groups;

    /// <summary>Of the scales, where they are not F16.</summary>
    public Tensors.DType ScaleType;

    /// <summary>[panels, <see cref="ParameterGroups"/>, 16], or null.</summary>
    public byte* Zeros;

    /// <summary>[groups / <see cref="BlockGroups"/>]: the parameters of a block, of formats whose groups are those of a checkpoint.</summary>
    public ushort* GroupOfBlock;
    public int ParameterGroups;

    /// <summary>Groups in a block of weights, of formats that have blocks.</summary>
    public int BlockGroups;
    public int OutFeatures;
    public PanelInput X;

    /// <summary>Rows of x that are there; the last block is filled up with zeros.</summary>
    public int Rows;
    public float* Y;
    public nint YStride;
}

/// <summary>Rows of x in blocks, as a <see cref="PanelInputForm"/> says; what is beyond the last row and the last input is zero.</summary>
internal unsafe struct PanelInput
{
    public PanelInputForm Form;

    /// <summary>[blocks, inputs and rows as the form says].</summary>
    public byte* Values;

    /// <summary>For integers: [blocks, groups, rows of a block].</summary>
    public float* Scales;

    /// <summary>
    /// For bytes: [blocks, groups, rows of a block], the sums of the inputs 4i and 4i + 1 of a group in the lower 16 bits and of the others
    /// in the upper, each times minus the zero point of the weights; or, with <see cref="WholeOffsets"/>, the sum of both in 32 bits.
    /// For <see cref="PanelInputForm.Wide"/> the sum of the inputs.
    /// </summary>
    public int* Offsets;

    public bool WholeOffsets;

    /// <summary>Whether there are offsets for each half of a group: [blocks, groups, 2, rows of a block].</summary>
    public bool HasHalfOffsets;

    /// <summary>Whether there are <see cref="Sums"/>.</summary>
    public bool HasSums;

    /// <summary>For weights with minima: [blocks, groups, rows of a block], what the rounded inputs of a group stand for, added up.</summary>
    public float* Sums;

    /// <summary>Rows in a block.</summary>
    public int BlockRows;
    public int Groups;

    /// <summary>Bytes of the values of one block of rows.</summary>
    public readonly nint BlockBytes => (nint)Groups * PanelLayout.GroupInputs * BlockRows * ElementBytes;

    public readonly bool HasScales => Form is PanelInputForm.Bytes or PanelInputForm.Words or PanelInputForm.Wide;

    private readonly int ElementBytes => Form switch
    {
        PanelInputForm.Bytes => 1,
        PanelInputForm.Floats => 4,
        _ => 2,
    };
}
