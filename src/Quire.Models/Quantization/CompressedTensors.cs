using System;
using System.Collections.Generic;
using Quire.Models.Config;

namespace Quire.Models.Quantization;

/// <summary>
/// The compressed-tensors format (https://github.com/neuralmagic/compressed-tensors): groups of layers, each with its scheme for weights
/// and activations. Supported are integer weights of 4 and 8 bits (pack-quantized, int-quantized) and FP8 (float-quantized), both also
/// as naive-quantized.
/// </summary>
internal sealed class CompressedTensors : QuantizationScheme
{
    public const string Name = "compressed-tensors";

    private const string Pattern = "re:";

    private readonly ConfigSection _config;
    private readonly IReadOnlyList<string> _ignore;
    private readonly List<(IReadOnlyList<string> Targets, LinearLayout? Layout)> _groups = [];
    private readonly List<string> _descriptions = [];

    /// <exception cref="CheckpointException">A scheme that is not supported.</exception>
    public CompressedTensors(ConfigSection config)
    {
        _config = config;
        if (config.Section("sparsity_config") is { } sparsity && (sparsity.String("format") ?? "dense") != "dense")
        {
            throw sparsity.Invalid("format", $"is '{sparsity.String("format")}'; sparse weights are not supported");
        }

        _ignore = config.Strings("ignore") ?? [];
        string format = config.String("format") ?? "dense";
        ConfigSection groups = config.Section("config_groups")
            ?? throw config.Invalid("config_groups", "is missing; it says which layers are quantised, and how");
        foreach (string key in groups.Keys())
        {
            ConfigSection group = groups.Section(key) ?? throw groups.Invalid(key, "is null; it must be an object");
            IReadOnlyList<string> targets = group.Strings("targets") ?? throw group.Invalid("targets", "is missing; it lists layers");
            (LinearLayout? layout, string description) = CompressedTensorsReader.Read(group, group.String("format") ?? format);
            _groups.Add((targets, layout));
            _descriptions.Add(description);
        }
    }

    public override string Method => Name;

    public override string Summary => $"compressed-tensors, {string.Join("; ", _descriptions)}";

    /// <summary>Symmetric weights may come with zero points of 0, and dynamic activations with scales of a calibration.</summary>
    internal override bool Ignores(string name) =>
        name.EndsWith(".weight_zero_point", StringComparison.Ordinal)
        || name.EndsWith(".input_scale", StringComparison.Ordinal)
        || name.EndsWith(".input_zero_point", StringComparison.Ordinal)
        || name.EndsWith(".output_scale", StringComparison.Ordinal)
        || name.EndsWith(".output_zero_point", StringComparison.Ordinal)
        || base.Ignores(name);

    private protected override LinearLayout? Layout(string module, bool isHead)
    {
        if (IsTarget(_ignore, module, "ignore"))
        {
            return null;
        }

        foreach ((IReadOnlyList<string> targets, LinearLayout? layout) in _groups)
        {
            if (IsTarget(targets, module, "targets"))
            {
                return layout;
            }
        }

        return null;
    }

    /// <summary>A list holds names of modules, <c>re:</c> patterns, and names of classes, of which only Linear is one.</summary>
    private bool IsTarget(IReadOnlyList<string> list, string module, string key)
    {
        foreach (string entry in list)
        {
            bool match = entry.StartsWith(Pattern, StringComparison.Ordinal)
                ? QuantizationKeys.Matches(entry[Pattern.Length..], module, _config, key)
                : entry == "Linear" || entry == module || module.EndsWith("." + entry, StringComparison.Ordinal);
            if (match)
            {
                return true;
            }
        }

        return false;
    }
}
