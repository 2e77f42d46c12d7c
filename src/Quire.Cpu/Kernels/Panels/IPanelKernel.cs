namespace Quire.Cpu.Kernels.Panels;

/// <summary>
/// Products of panels on one kind of instructions. What a kernel adds up for an output and a row depends on these alone, in a fixed order:
/// <list type="bullet">
/// <item>integers: <c>sum = fma(float(integer sum of group g), weightScale(g) · xScale(g), sum)</c> over the groups in order. Integer sums are
/// exact, so that every kernel, batch and cut of the work gives the same bits;</item>
/// <item>BF16: fused multiply-adds over chunks of <see cref="PanelChunks.Groups"/> groups, input after input from zero, and the sums of the
/// chunks in order.</item>
/// </list>
/// </summary>
internal unsafe interface IPanelKernel
{
    static abstract PanelFormat Format { get; }

    /// <summary>Scratch memory of one worker.</summary>
    static abstract long ScratchBytes { get; }

    /// <summary>How x is laid out for so many rows. The values may be null; scales and offsets follow from the form.</summary>
    static abstract PanelInput Input(int rows);

    /// <summary>Multiplies one panel with some blocks of rows.</summary>
    /// <param name="operands">Weights, x and y.</param>
    /// <param name="panel">The panel.</param>
    /// <param name="block">The first block of rows.</param>
    /// <param name="blocks">Blocks: at most <see cref="PanelLayout.MaxRows"/> rows.</param>
    /// <param name="sums">[rows of the blocks, 16]: the sums, without bias.</param>
    /// <param name="scratch">Memory of this worker.</param>
    static abstract void Multiply(ref readonly PanelOperands operands, int panel, int block, int blocks, float* sums, byte* scratch);

    /// <summary>The weights of an output as floats: the weight as an embedding.</summary>
    /// <param name="weight">A weight of integers.</param>
    /// <param name="output">The output.</param>
    /// <param name="target">[inputs].</param>
    static abstract void ExpandRow(ref readonly PanelRows weight, int output, float* target);
}

/// <summary>How float products are cut.</summary>
internal static class PanelChunks
{
    /// <summary>Groups that are added up before the sum joins those before: an expanded chunk of a panel is half of a first-level cache.</summary>
    public const int Groups = 8;
}
