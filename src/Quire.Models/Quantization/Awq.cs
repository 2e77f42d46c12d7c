using System;
using System.Collections.Generic;
using Quire.Models.Config;
using Quire.Models.Weights;
using Quire.Tensors;
using Quire.Tensors.Quantization;

namespace Quire.Models.Quantization;

/// <summary>AWQ (Lin et al., arXiv 2306.00978) in the layout of AutoAWQ's "gemm" kernels.</summary>
internal sealed class Awq : QuantizationScheme
{
    public const string Name = "awq";

    private readonly AwqLayout _layout;
    private readonly IReadOnlyList<string> _skipped;

    /// <exception cref="CheckpointException">Another version or number of bits.</exception>
    public Awq(ConfigSection config)
    {
        string bitsKey = config.Has("w_bit") ? "w_bit" : "bits";
        int bits = config.Int32(bitsKey, 1, 32);
        if (bits != 4)
        {
            throw config.Invalid(bitsKey, $"is {bits}; AWQ is supported with 4 bits");
        }

        string version = config.String("version") ?? "gemm";
        if (!version.Equals("gemm", StringComparison.OrdinalIgnoreCase))
        {
            throw config.Invalid("version", $"is '{version}'; AWQ is supported in the version gemm");
        }

        string groupKey = config.Has("q_group_size") ? "q_group_size" : "group_size";
        _layout = new AwqLayout(QuantizationKeys.GroupSize(config, groupKey));
        _skipped = config.Strings("modules_to_not_convert") ?? [];
    }

    public override string Method => Name;

    public override string Summary => $"awq, 4 bits, {QuantizationKeys.Describe(_layout.GroupSize)}";

    /// <remarks>As vLLM: any part of the name will do, and the output head is never quantised.</remarks>
    private protected override LinearLayout? Layout(string module, bool isHead)
    {
        foreach (string skipped in _skipped)
        {
            if (module.Contains(skipped, StringComparison.Ordinal))
            {
                return null;
            }
        }

        return isHead ? null : _layout;
    }

    /// <summary>qweight [in, out / 8], qzeros [groups, out / 8], scales [groups, out].</summary>
    private sealed class AwqLayout(int groupSize) : GroupLayout(Name, 4, groupSize, zeros: true)
    {
        public override IReadOnlyList<TensorRequirement> Requirements(TensorSlot slot)
        {
            CheckWhole(slot, slot.Rows, "output features");
            return
            [
                new($"{slot.Module}.qweight", Words, [slot.Columns, WordsFor(slot.Rows)]),
                new($"{slot.Module}.qzeros", Words, [Groups(slot), WordsFor(slot.Rows)]),
                new($"{slot.Module}.scales", Floats, [Groups(slot), slot.Rows]),
            ];
        }

        public override LinearPart Bind(TensorSlot slot, LayoutTensors tensors) => new GroupAffinePart(
            new PackedIntegers(tensors["qweight"].Data, Bits, IntegerOrder.OutputsInterleaved, slot.Rows, slot.Columns),
            tensors.Scales("scales", Groups(slot), slot.Rows),
            ScalesByGroup: true,
            new PackedIntegers(tensors["qzeros"].Data, Bits, IntegerOrder.OutputsInterleaved, slot.Rows, Groups(slot)),
            Group(slot));
    }
}
