using System;
using Quire.Models.Weights;

namespace Quire.Models.Quantization;

/// <summary>Integers with scales for groups of inputs: what AWQ, GPTQ and compressed-tensors share.</summary>
internal abstract class GroupLayout(string method, int bits, int groupSize, bool zeros) : LinearLayout
{
    public int Bits { get; } = bits;

    /// <summary>Inputs in a group; −1 for all of them.</summary>
    public int GroupSize { get; } = groupSize;

    /// <summary>True when every group has a zero point of its own.</summary>
    protected bool HasZeros { get; } = zeros;

    public override long SizeInBytes(TensorSlot slot)
    {
        int group = Group(slot);
        long groups = Groups(slot);
        long columns = groups * ((group + 15) / 16 * 16);
        columns = Math.Min(columns, (slot.Columns + 31L) / 32 * 32 + groups * 16);
        return slot.Rows * ((columns + 31) / 32 * 32 * Bits / 8 + groups * (HasZeros ? 3 : 2));
    }

    /// <summary>Inputs in a group of this weight.</summary>
    protected int Group(TensorSlot slot) => GroupSize <= 0 ? slot.Columns : GroupSize;

    protected int Groups(TensorSlot slot) => (slot.Columns + Group(slot) - 1) / Group(slot);

    /// <summary>32-bit words for so many integers of a row.</summary>
    protected long WordsFor(int count) => ((long)count * Bits + 31) / 32;

    /// <summary>Integers must fill their words.</summary>
    protected void CheckWhole(TensorSlot slot, int count, string what)
    {
        if (count % (32 / Bits) != 0)
        {
            throw new CheckpointException(
                CheckpointProblem.Unsupported,
                $"{slot.Module} has {count} {what}, which {method} cannot pack in words of {32 / Bits}; the layer cannot be quantised so");
        }
    }
}
