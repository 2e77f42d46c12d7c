using System.Collections.Generic;
using Quire.Models.Config;
using Quire.Models.Weights;
using Quire.Tensors;
using Quire.Tensors.Quantization;

namespace Quire.Models.Quantization;

/// <summary>
/// FP8 E4M3 weights and activations (Micikevicius et al., arXiv 2209.05433) as <c>quant_method</c> fp8 has them: one scale for a weight,
/// for each output, or for each block of <c>weight_block_size</c> (DeepSeek-V3, arXiv 2412.19437).
/// </summary>
internal sealed class Float8 : QuantizationScheme
{
    public const string Name = "fp8";

    private readonly Float8Layout _layout;
    private readonly IReadOnlyList<string> _skipped;
    private readonly string _summary;

    /// <exception cref="CheckpointException">An impossible block size or activation scheme.</exception>
    public Float8(ConfigSection config)
    {
        string activations = config.String("activation_scheme") ?? "dynamic";
        if (activations is not ("dynamic" or "static"))
        {
            throw config.Invalid("activation_scheme", $"is '{activations}'; supported are dynamic and static");
        }

        bool isStatic = activations == "static";
        (int Outputs, int Inputs)? block = null;
        if (config.Has("weight_block_size"))
        {
            IReadOnlyList<int> sizes = config.OneOrManyInt32("weight_block_size", 1, 1 << 20);
            if (sizes.Count != 2)
            {
                throw config.Invalid("weight_block_size", $"has {sizes.Count} entries; it must have two, such as [128, 128]");
            }

            block = (sizes[0], sizes[1]);
            if (isStatic)
            {
                throw config.Invalid("activation_scheme", "is static, but weights with weight_block_size need dynamic activations");
            }
        }

        _layout = new Float8Layout(
            block is null ? "weight_scale" : "weight_scale_inv",
            block,
            isStatic ? null : new ActivationQuantization(ActivationFormat.Float8, GroupColumns: block?.Inputs ?? 0));
        _skipped = [.. config.Strings("ignored_layers") ?? [], .. config.Strings("modules_to_not_convert") ?? []];
        _summary = block is { } b ? $"fp8, blocks of {b.Outputs} x {b.Inputs}" : $"fp8, {activations} activations";
    }

    public override string Method => Name;

    public override string Summary => _summary;

    /// <summary>Files made for static activations may be run with dynamic ones.</summary>
    internal override bool Ignores(string name) => name.EndsWith(".input_scale", System.StringComparison.Ordinal) || base.Ignores(name);

    private protected override LinearLayout? Layout(string module, bool isHead) =>
        isHead || QuantizationKeys.Names(_skipped, module) ? null : _layout;
}

/// <summary>
/// weight [out, in] in E4M3 and its scales: one, one for each output, or one for each block. With static activations also input_scale.
/// </summary>
/// <param name="scaleEnding">End of the name of the scales.</param>
/// <param name="block">Outputs and inputs of a block; null for one scale or one for each output, whichever is stored.</param>
/// <param name="activations">How inputs are rounded; null when input_scale says so.</param>
/// <param name="weightOnly">True when inputs are not rounded at all.</param>
internal sealed class Float8Layout(
    string scaleEnding, (int Outputs, int Inputs)? block, ActivationQuantization? activations, bool weightOnly = false) : LinearLayout
{
    private static readonly DType[] E4M3 = [DType.F8E4M3];

    public override IReadOnlyList<TensorRequirement> Requirements(TensorSlot slot)
    {
        LinearLayouts.RefuseTransposed(slot, "fp8");
        var requirements = new List<TensorRequirement>
        {
            new($"{slot.Module}.weight", E4M3, [slot.Rows, slot.Columns]),
            block is { } b
                ? new($"{slot.Module}.{scaleEnding}", Floats, [(slot.Rows + b.Outputs - 1L) / b.Outputs, (slot.Columns + b.Inputs - 1L) / b.Inputs])
                : new($"{slot.Module}.{scaleEnding}", Floats, [1], [], [slot.Rows, 1], [slot.Rows], [1, 1]),
        };
        if (activations is null && !weightOnly)
        {
            requirements.Add(new($"{slot.Module}.input_scale", Floats, [1], [], [1, 1]));
        }

        return requirements;
    }

    public override LinearPart Bind(TensorSlot slot, LayoutTensors tensors)
    {
        ActivationQuantization? rounding = activations is null && !weightOnly
            ? new ActivationQuantization(ActivationFormat.Float8, tensors.Scale("input_scale"))
            : activations;
        HostMatrix weight = tensors.Float8("weight", slot.Rows, slot.Columns);
        if (block is { } b)
        {
            HostMatrix blocks = tensors.Scales(
                scaleEnding, (slot.Rows + b.Outputs - 1) / b.Outputs, (slot.Columns + b.Inputs - 1) / b.Inputs);
            return new Float8Part(weight, blocks, b.Outputs, b.Inputs, rounding);
        }

        // One scale is of the shape [], [1] or [1, 1]; a weight with one output has one either way.
        bool perOutput = slot.Rows > 1 && LinearLayouts.Count(tensors[scaleEnding]) == slot.Rows;
        HostMatrix scales = tensors.Scales(scaleEnding, perOutput ? slot.Rows : 1, 1);
        return new Float8Part(weight, scales, perOutput ? 1 : slot.Rows, slot.Columns, rounding);
    }

    public override long SizeInBytes(TensorSlot slot)
    {
        long columns = (slot.Columns + 31L) / 32 * 32;
        long scales = block is { } b ? (slot.Rows + b.Outputs - 1L) / b.Outputs * ((slot.Columns + b.Inputs - 1L) / b.Inputs) : slot.Rows;
        return slot.Rows * columns + 4 * scales;
    }
}

/// <summary>Checks that layouts share.</summary>
internal static class LinearLayouts
{
    /// <summary>Numbers in a tensor.</summary>
    public static long Count(WeightTensor tensor)
    {
        long count = 1;
        foreach (long size in tensor.Shape)
        {
            count *= size;
        }

        return count;
    }

    /// <summary>Formats that hold [out, in] know no weights stored as [in, out].</summary>
    public static void RefuseTransposed(TensorSlot slot, string format)
    {
        if (slot.Transposed)
        {
            throw new CheckpointException(
                CheckpointProblem.Unsupported, $"{slot.Name} is stored as [in, out], for which {format} weights are not supported");
        }
    }
}
