using System;
using System.Collections.Generic;
using Quire.Models.Config;
using Quire.Models.Weights;
using Quire.Tensors;
using Quire.Tensors.Quantization;

namespace Quire.Models.Quantization;

/// <summary>
/// GPTQ (Frantar et al., arXiv 2210.17323) in the layouts of AutoGPTQ and GPTQModel: 4 and 8 bits, with or without act-order, symmetric or
/// not, format 1 (which stores zero points less 1) and 2.
/// </summary>
internal sealed class Gptq : QuantizationScheme
{
    public const string Name = "gptq";

    private readonly ConfigSection _config;
    private readonly Settings _settings;
    private readonly bool _head;
    private readonly IReadOnlyList<string>? _modules;
    private readonly IReadOnlyList<string> _skipped;
    private readonly List<(string Pattern, Settings? Override)> _dynamic = [];

    /// <exception cref="CheckpointException">An unknown format or number of bits.</exception>
    public Gptq(ConfigSection config)
    {
        _config = config;
        string format = config.String("checkpoint_format") ?? "gptq";
        if (format is not ("gptq" or "gptq_v2"))
        {
            throw config.Invalid("checkpoint_format", $"is '{format}'; supported are gptq and gptq_v2");
        }

        var defaults = new Settings(4, -1, false, true, format == "gptq" ? 1 : 0);
        _settings = Read(config, defaults);
        _head = config.Boolean("lm_head", false);
        _modules = config.FlatStrings("modules_in_block_to_quantize");
        _skipped = config.Strings("modules_to_not_convert") ?? [];
        if (config.Section("dynamic") is { } dynamic)
        {
            foreach (string key in dynamic.Keys())
            {
                bool skip = key.StartsWith("-:", StringComparison.Ordinal);
                string pattern = skip || key.StartsWith("+:", StringComparison.Ordinal) ? key[2..] : key;
                _dynamic.Add((pattern, skip ? null : dynamic.Section(key) is { } section ? Read(section, _settings) : _settings));
            }
        }
    }

    public override string Method => Name;

    public override string Summary =>
        $"gptq, {_settings.Bits} bits, {QuantizationKeys.Describe(_settings.GroupSize)}{(_settings.ActOrder ? ", act-order" : "")}";

    /// <summary>Old tools store a bias of zeros for every layer.</summary>
    internal override bool Ignores(string name) => name.EndsWith(".bias", StringComparison.Ordinal) || base.Ignores(name);

    private protected override LinearLayout? Layout(string module, bool isHead)
    {
        if ((isHead && !_head) || QuantizationKeys.Names(_skipped, module))
        {
            return null;
        }

        foreach ((string pattern, Settings? settings) in _dynamic)
        {
            if (QuantizationKeys.Matches(pattern, module, _config, "dynamic"))
            {
                return settings is null ? null : new GptqLayout(settings);
            }
        }

        bool listed = isHead || _modules is null or { Count: 0 } || QuantizationKeys.Names(_modules, module);
        return listed ? new GptqLayout(_settings) : null;
    }

    private static Settings Read(ConfigSection config, Settings defaults)
    {
        int bits = config.Int32("bits", 1, 32, defaults.Bits);
        if (bits is not (4 or 8))
        {
            throw config.Invalid("bits", $"is {bits}; GPTQ is supported with 4 and 8 bits");
        }

        return new Settings(
            bits,
            QuantizationKeys.GroupSize(config, "group_size", defaults.GroupSize),
            config.Boolean("desc_act", defaults.ActOrder),
            config.Boolean("sym", defaults.Symmetric),
            defaults.AddedToZeros);
    }

    private sealed record Settings(int Bits, int GroupSize, bool ActOrder, bool Symmetric, int AddedToZeros);

    /// <summary>qweight [in / p, out], qzeros [groups, out / p], scales [groups, out], and perhaps g_idx [in].</summary>
    private sealed class GptqLayout(Settings settings) : GroupLayout(Name, settings.Bits, settings.GroupSize, !settings.Symmetric)
    {
        public override IReadOnlyList<TensorRequirement> Requirements(TensorSlot slot)
        {
            CheckWhole(slot, slot.Columns, "input features");
            CheckWhole(slot, slot.Rows, "output features");
            return
            [
                new($"{slot.Module}.qweight", Words, [WordsFor(slot.Columns), slot.Rows]),
                new($"{slot.Module}.qzeros", Words, [Groups(slot), WordsFor(slot.Rows)]) { Optional = settings.Symmetric },
                new($"{slot.Module}.scales", Floats, [Groups(slot), slot.Rows]),
                new($"{slot.Module}.g_idx", Words, [slot.Columns]) { Optional = !settings.ActOrder || settings.GroupSize < 0 },
            ];
        }

        public override LinearPart Bind(TensorSlot slot, LayoutTensors tensors)
        {
            int groups = Groups(slot);
            PackedIntegers? zeros = tensors.Optional("qzeros") is { } stored
                ? new PackedIntegers(stored.Data, Bits, IntegerOrder.OutputsLast, slot.Rows, groups, settings.AddedToZeros)
                : null;
            return new GroupAffinePart(
                new PackedIntegers(tensors["qweight"].Data, Bits, IntegerOrder.ColumnsFirst, slot.Rows, slot.Columns),
                tensors.Scales("scales", groups, slot.Rows),
                ScalesByGroup: true,
                zeros,
                Group(slot),
                tensors.GroupOfInput("g_idx", slot.Columns, groups, Group(slot)));
        }
    }
}
