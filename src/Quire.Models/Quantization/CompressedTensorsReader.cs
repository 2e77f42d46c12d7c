using System;
using Quire.Models.Config;
using Quire.Tensors.Quantization;

namespace Quire.Models.Quantization;

/// <summary>Reads one entry of config_groups.</summary>
internal static class CompressedTensorsReader
{
    private const string Formats = "pack-quantized, int-quantized, float-quantized, naive-quantized";

    /// <summary>The layout of the group's layers (null when they are not quantised) and a line about it.</summary>
    public static (LinearLayout? Layout, string Description) Read(ConfigSection group, string format)
    {
        if (group.Section("weights") is not { } weights)
        {
            return (null, "weights as they are");
        }

        if (group.Section("output_activations") is not null)
        {
            throw group.Invalid("output_activations", "is not null; rounding of outputs is not supported");
        }

        int bits = weights.Int32("num_bits", 1, 32, 8);
        string type = weights.String("type") ?? "int";
        string strategy = weights.String("strategy") ?? (weights.Has("group_size") ? "group" : "tensor");
        bool symmetric = weights.Boolean("symmetric", true);
        InputRounding? inputs = group.Section("input_activations") is { } section ? ReadInputs(section) : null;
        string rounding = inputs is null ? "A16" : "A8";
        switch (type)
        {
            case "float" when bits == 8 && format is "float-quantized" or "naive-quantized" or "dense":
                return (Float8(weights, strategy, symmetric, inputs), $"FP8 W8{rounding} by {strategy}");
            case "int" when bits is 4 or 8 && format == "pack-quantized":
                var packed = new PackedLayout(bits, Group(weights, strategy), symmetric, inputs);
                return (packed, $"W{bits}{rounding}, {QuantizationKeys.Describe(packed.GroupSize)}");
            case "int" when bits == 8 && format is "int-quantized" or "naive-quantized" or "dense":
                return (new Int8Layout(Group(weights, strategy), symmetric, inputs), $"int8 W8{rounding} by {strategy}");
            case "int" or "float":
                throw weights.Invalid(
                    "num_bits", $"is {bits} with type {type} in the format {format}; supported are 4 and 8 bit integers and 8 bit floats in {Formats}");
            default:
                throw weights.Invalid("type", $"is '{type}'; supported are int and float");
        }
    }

    private static Float8Layout Float8(ConfigSection weights, string strategy, bool symmetric, InputRounding? inputs)
    {
        if (!symmetric)
        {
            throw weights.Invalid("symmetric", "is false; FP8 weights have no zero points");
        }

        (int, int)? block = null;
        switch (strategy)
        {
            case "tensor" or "channel":
                break;
            case "block":
                var sizes = weights.OneOrManyInt32("block_structure", 1, 1 << 20);
                block = sizes.Count == 2 ? (sizes[0], sizes[1]) : throw weights.Invalid("block_structure", "must have two entries, such as [128, 128]");
                break;
            default:
                throw weights.Invalid("strategy", $"is '{strategy}'; for FP8 weights tensor, channel and block are supported");
        }

        return new Float8Layout("weight_scale", block, inputs?.Dynamic, weightOnly: inputs is null);
    }

    /// <summary>Inputs in a group; −1 for all.</summary>
    private static int Group(ConfigSection weights, string strategy) => strategy switch
    {
        "tensor" or "channel" => -1,
        "group" => weights.Has("group_size")
            ? QuantizationKeys.GroupSize(weights, "group_size")
            : throw weights.Invalid("group_size", "is missing, but strategy is group"),
        _ => throw weights.Invalid("strategy", $"is '{strategy}'; for integer weights tensor, channel and group are supported"),
    };

    private static InputRounding ReadInputs(ConfigSection inputs)
    {
        int bits = inputs.Int32("num_bits", 1, 32, 8);
        string type = inputs.String("type") ?? "int";
        if (bits != 8 || type is not ("int" or "float"))
        {
            throw inputs.Invalid("num_bits", $"is {bits} with type {type}; inputs are rounded to 8 bit integers or 8 bit floats");
        }

        ActivationFormat format = type == "int" ? ActivationFormat.Int8 : ActivationFormat.Float8;
        bool symmetric = inputs.Boolean("symmetric", true);
        if (format == ActivationFormat.Float8 && !symmetric)
        {
            throw inputs.Invalid("symmetric", "is false; FP8 inputs have no zero points");
        }

        string strategy = inputs.String("strategy") ?? "token";
        if (!inputs.Boolean("dynamic", false))
        {
            return strategy == "tensor"
                ? new InputRounding(format, symmetric, null)
                : throw inputs.Invalid("strategy", $"is '{strategy}'; static inputs have one scale (tensor)");
        }

        int group = strategy switch
        {
            // A scale for all tokens of a step would make answers depend on what else is in the batch.
            "token" or "tensor" => 0,
            "group" => Math.Max(1, QuantizationKeys.GroupSize(inputs, "group_size", 128)),
            _ => throw inputs.Invalid("strategy", $"is '{strategy}'; for dynamic inputs token, tensor and group are supported"),
        };
        return new InputRounding(format, symmetric, new ActivationQuantization(format, Symmetric: symmetric, GroupColumns: group));
    }
}

/// <summary>How inputs are rounded.</summary>
/// <param name="Format">To what.</param>
/// <param name="Symmetric">False when 0 may have another place.</param>
/// <param name="Dynamic">The rounding; null when the checkpoint holds its scale (static).</param>
internal sealed record InputRounding(ActivationFormat Format, bool Symmetric, ActivationQuantization? Dynamic);
