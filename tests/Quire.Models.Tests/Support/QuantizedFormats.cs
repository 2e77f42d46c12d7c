using System;
using System.Collections.Generic;
using System.Linq;

namespace Quire.Models.Tests.Support;

/// <summary>A layout: what its config says, and how a layer is stored in it.</summary>
internal sealed record QuantizedFormat(string Name, string Config, Action<QuantizedWriter, string, int, int> Pack)
{
    /// <summary>How inputs of quantised layers are rounded.</summary>
    public Func<double[], double[]>? Round { get; init; }

    /// <summary>Layers that are left plain.</summary>
    public Func<string, bool>? IsPlain { get; init; }

    /// <summary>The file that holds <see cref="Config"/> instead of config.json, or null.</summary>
    public string? File { get; init; }

    public override string ToString() => Name;
}

/// <summary>Every variant of the published layouts.</summary>
internal static class QuantizedFormats
{
    public static IReadOnlyList<QuantizedFormat> All { get; } =
    [
        Awq(24), Awq(8), Awq(-1), Awq(36),
        Awq(24) with { Name = "awq, old file", Config = """{"w_bit": 4, "q_group_size": 24, "zero_point": true, "version": "GEMM"}""", File = "quant_config.json" },
        Awq(24) with
        {
            Name = "awq, parts left plain",
            Config = """{"quant_method": "awq", "bits": 4, "group_size": 24, "zero_point": true, "modules_to_not_convert": ["k_proj", "layers.1.mlp.up"]}""",
            IsPlain = module => module.Contains("k_proj", StringComparison.Ordinal) || module.Contains("layers.1.mlp.up", StringComparison.Ordinal),
        },
        Gptq(4, 24, true, false, 1), Gptq(4, 24, true, true, 1), Gptq(4, 36, false, true, 1), Gptq(4, -1, false, false, 2), Gptq(8, 24, true, false, 1),
        Gptq(8, 8, false, true, 2), Gptq(8, -1, true, false, 1), Gptq(4, 16, false, false, 1),
        Gptq(4, 24, true, false, 1) with { Name = "gptq, old file", Config = """{"bits": 4, "group_size": 24, "desc_act": false, "sym": true}""", File = "quantize_config.json" },
        Gptq(4, 24, true, false, 1) with
        {
            Name = "gptq, dynamic",
            Config = """{"quant_method": "gptq", "bits": 4, "group_size": 24, "desc_act": false, "sym": true, "dynamic": {"-:.*\\.down_proj": {}, "+:.*\\.1\\.self_attn\\.v": {"bits": 8}}}""",
            IsPlain = module => module.Contains("down_proj", StringComparison.Ordinal),
            Pack = (writer, module, n, k) => PackGptq(writer, module, n, k, module.Contains(".1.self_attn.v", StringComparison.Ordinal) ? 8 : 4, 24, true, false, 1),
        },
        Packed(4, 24, true, false), Packed(4, 24, false, false), Packed(8, 8, true, false), Packed(8, -1, false, false), Packed(4, 36, true, true), Packed(4, -1, true, false),
        Packed(4, 24, true, false) with
        {
            Name = "pack-quantized, ignored parts",
            Config = Compressed("pack-quantized", """{"num_bits": 4, "type": "int", "strategy": "group", "group_size": 24, "symmetric": true}""", "null", "\"lm_head\", \"re:.*v_proj\", \"model.layers.0.mlp.gate_proj\""),
            IsPlain = module => module.Contains("v_proj", StringComparison.Ordinal) || module == "model.layers.0.mlp.gate_proj",
        },
        Int8("channel", true, "dynamic", true), Int8("tensor", true, "static", true), Int8("channel", false, "static", false), Int8("channel", true, "dynamic", false), Int8("channel", true, "none", true),
        Float8("tensor", "dynamic"), Float8("tensor", "static"), Float8("channel", "dynamic"), Float8("block", "dynamic"),
        Compressed8("tensor", "static"), Compressed8("channel", "dynamic"), Compressed8("block", "dynamic"), Compressed8("channel", "none"),
        new("squeezellm", """{"quant_method": "squeezellm", "wbits": 4}""", PackTable),
        new("squeezellm, old file", """{"wbits": 4}""", PackTable) { File = "quant_config.json" },
    ];

    private static QuantizedFormat Awq(int group) => new(
        $"awq, group {group}",
        $$"""{"quant_method": "awq", "bits": 4, "group_size": {{group}}, "zero_point": true, "version": "gemm"}""",
        (writer, module, outputs, inputs) =>
        {
            int size = group < 0 ? inputs : group;
            int groups = (inputs + size - 1) / size;
            int[] q = writer.Integers(outputs * inputs, 16);
            int[] z = writer.Integers(outputs * groups, 16);
            float[] s = writer.Scales(outputs * groups, inputs, 16);
            int[] nibble = [0, 4, 1, 5, 2, 6, 3, 7];
            writer.AddWords($"{module}.qweight", [inputs, outputs / 8], Words(inputs * outputs / 8, 4, inputs, outputs, (k, n) => (k * (outputs / 8) + n / 8, nibble[n % 8], q[n * inputs + k])));
            writer.AddWords($"{module}.qzeros", [groups, outputs / 8], Words(groups * outputs / 8, 4, groups, outputs, (g, n) => (g * (outputs / 8) + n / 8, nibble[n % 8], z[n * groups + g])));
            writer.AddHalves($"{module}.scales", [groups, outputs], Transposed(s, outputs, groups));
            writer.Mean(module, outputs, inputs, (n, k) => (q[n * inputs + k] - z[n * groups + k / size]) * s[n * groups + k / size]);
        });

    private static QuantizedFormat Gptq(int bits, int group, bool symmetric, bool actOrder, int version) => new(
        $"gptq, {bits} bits, group {group}, {(symmetric ? "symmetric" : "asymmetric")}{(actOrder ? ", act-order" : "")}, format {version}",
        $$"""{"quant_method": "gptq", "bits": {{bits}}, "group_size": {{group}}, "sym": {{Json(symmetric)}}, "desc_act": {{Json(actOrder)}}, "checkpoint_format": "{{(version == 1 ? "gptq" : "gptq_v2")}}"}""",
        (writer, module, outputs, inputs) => PackGptq(writer, module, outputs, inputs, bits, group, symmetric, actOrder, version));

    private static void PackGptq(QuantizedWriter writer, string module, int outputs, int inputs, int bits, int group, bool symmetric, bool actOrder, int version)
    {
        int size = group < 0 ? inputs : group;
        int groups = (inputs + size - 1) / size;
        int levels = 1 << bits;
        int perWord = 32 / bits;
        int[] groupOf = [.. Enumerable.Range(0, inputs).Select(k => k / size)];
        if (actOrder)
        {
            writer.Random.Shuffle(groupOf);
        }

        int[] q = writer.Integers(outputs * inputs, levels);
        int[] z = symmetric ? [.. Enumerable.Repeat(levels / 2, outputs * groups)] : writer.Integers(outputs * groups, levels);
        float[] s = writer.Scales(outputs * groups, inputs, levels);
        int less = version == 1 ? 1 : 0;
        writer.AddWords($"{module}.qweight", [inputs / perWord, outputs], Words(inputs / perWord * outputs, bits, outputs, inputs, (n, k) => (k / perWord * outputs + n, k % perWord, q[n * inputs + k])));
        writer.AddWords(
            $"{module}.qzeros",
            [groups, outputs / perWord],
            Words(groups * outputs / perWord, bits, groups, outputs, (g, n) => (g * (outputs / perWord) + n / perWord, n % perWord, (z[n * groups + g] - less) & (levels - 1))));
        writer.AddHalves($"{module}.scales", [groups, outputs], Transposed(s, outputs, groups));
        writer.AddHalves($"{module}.bias", [outputs], new float[outputs]);
        if (actOrder || writer.Random.Next(2) == 0)
        {
            writer.AddWords($"{module}.g_idx", [inputs], [.. groupOf.Select(g => (uint)g)]);
        }

        writer.Mean(module, outputs, inputs, (n, k) => (q[n * inputs + k] - z[n * groups + groupOf[k]]) * s[n * groups + groupOf[k]]);
    }

    private static QuantizedFormat Packed(int bits, int group, bool symmetric, bool actOrder) => new(
        $"pack-quantized, {bits} bits, group {group}, {(symmetric ? "symmetric" : "asymmetric")}{(actOrder ? ", actorder" : "")}",
        Compressed(
            "pack-quantized",
            group < 0
                ? $$"""{"num_bits": {{bits}}, "type": "int", "strategy": "channel", "symmetric": {{Json(symmetric)}}}"""
                : $$"""{"num_bits": {{bits}}, "type": "int", "strategy": "group", "group_size": {{group}}, "symmetric": {{Json(symmetric)}}, "actorder": {{(actOrder ? "\"group\"" : "null")}}}""",
            "null"),
        (writer, module, outputs, inputs) =>
        {
            int size = group < 0 ? inputs : group;
            int groups = (inputs + size - 1) / size;
            int levels = 1 << bits;
            int perWord = 32 / bits;
            int words = (inputs + perWord - 1) / perWord;
            int[] groupOf = [.. Enumerable.Range(0, inputs).Select(k => k / size)];
            if (actOrder)
            {
                writer.Random.Shuffle(groupOf);
                writer.AddWords($"{module}.weight_g_idx", [inputs], [.. groupOf.Select(g => (uint)g)]);
            }

            int[] q = writer.Integers(outputs * inputs, levels);
            int[] z = symmetric ? [.. Enumerable.Repeat(levels / 2, outputs * groups)] : writer.Integers(outputs * groups, levels);
            float[] s = writer.Scales(outputs * groups, inputs, levels);
            writer.AddWords($"{module}.weight_packed", [outputs, words], Words(outputs * words, bits, outputs, inputs, (n, k) => (n * words + k / perWord, k % perWord, q[n * inputs + k])));
            writer.AddHalves($"{module}.weight_scale", [outputs, groups], s);
            writer.Add($"{module}.weight_shape", "I64", [2], [.. BitConverter.GetBytes((long)outputs), .. BitConverter.GetBytes((long)inputs)]);
            if (!symmetric)
            {
                int zeroWords = (outputs + perWord - 1) / perWord;
                writer.AddWords($"{module}.weight_zero_point", [zeroWords, groups], Words(zeroWords * groups, bits, outputs, groups, (n, g) => (n / perWord * groups + g, n % perWord, z[n * groups + g])));
            }

            writer.Mean(module, outputs, inputs, (n, k) => (q[n * inputs + k] - z[n * groups + groupOf[k]]) * s[n * groups + groupOf[k]]);
        });

    private static QuantizedFormat Int8(string strategy, bool symmetric, string inputRounding, bool symmetricInputs) => new(
        $"int-quantized, {strategy}, {(symmetric ? "symmetric" : "asymmetric")}, inputs {inputRounding}{(symmetricInputs ? "" : " asymmetric")}",
        Compressed(
            "int-quantized",
            $$"""{"num_bits": 8, "type": "int", "strategy": "{{strategy}}", "symmetric": {{Json(symmetric)}}}""",
            Inputs("int", inputRounding, symmetricInputs)),
        (writer, module, outputs, inputs) =>
        {
            int scales = strategy == "tensor" ? 1 : outputs;
            int[] q = [.. writer.Integers(outputs * inputs, 256).Select(value => value - 128)];
            int[] z = symmetric ? new int[scales] : [.. writer.Integers(scales, 40).Select(value => value - 20)];
            float[] s = writer.Scales(scales, inputs, 256);
            writer.Add($"{module}.weight", "I8", [outputs, inputs], [.. q.Select(value => (byte)value)]);
            writer.AddFloats($"{module}.weight_scale", scales == 1 ? [1] : [outputs, 1], s);
            if (!symmetric)
            {
                writer.Add($"{module}.weight_zero_point", "I8", [outputs, 1], [.. z.Select(value => (byte)value)]);
            }

            AddStatic(writer, module, inputRounding, symmetricInputs, 0.02f, 7);
            writer.Mean(module, outputs, inputs, (n, k) => (q[n * inputs + k] - z[n % scales]) * s[n % scales]);
        })
    { Round = Rounding.Int8(inputRounding, symmetricInputs, 0.02f, symmetricInputs ? 0 : 7) };

    private static QuantizedFormat Float8(string strategy, string inputRounding) => new(
        $"fp8, {strategy}, inputs {inputRounding}",
        $$"""{"quant_method": "fp8", "activation_scheme": "{{inputRounding}}"{{(strategy == "block" ? ", \"weight_block_size\": [16, 32]" : "")}}, "modules_to_not_convert": ["lm_head"]}""",
        (writer, module, outputs, inputs) => PackFloat8(writer, module, outputs, inputs, strategy, inputRounding, strategy == "block" ? "weight_scale_inv" : "weight_scale"))
    { Round = Rounding.Float8(inputRounding, strategy == "block" ? 32 : 0, 0.01f) };

    private static QuantizedFormat Compressed8(string strategy, string inputRounding) => new(
        $"float-quantized, {strategy}, inputs {inputRounding}",
        Compressed(
            "float-quantized",
            $$"""{"num_bits": 8, "type": "float", "strategy": "{{strategy}}", "symmetric": true{{(strategy == "block" ? ", \"block_structure\": [16, 32]" : "")}}}""",
            Inputs("float", inputRounding, true)),
        (writer, module, outputs, inputs) => PackFloat8(writer, module, outputs, inputs, strategy, inputRounding, "weight_scale"))
    { Round = Rounding.Float8(inputRounding, 0, 0.01f) };

    private static void PackFloat8(QuantizedWriter writer, string module, int outputs, int inputs, string strategy, string inputRounding, string ending)
    {
        (int rows, int columns) = strategy switch { "tensor" => (outputs, inputs), "channel" => (1, inputs), _ => (16, 32) };
        int scaleRows = (outputs + rows - 1) / rows;
        int scaleColumns = (inputs + columns - 1) / columns;
        byte[] bytes = [.. writer.Integers(outputs * inputs, 254).Select(value => (byte)(value >= 127 ? value + 1 : value))];
        float[] s = writer.Scales(scaleRows * scaleColumns, inputs, 200);
        writer.Add($"{module}.weight", "F8_E4M3", [outputs, inputs], bytes);
        writer.AddFloats($"{module}.{ending}", strategy == "tensor" ? [] : [scaleRows, scaleColumns], s);
        AddStatic(writer, module, inputRounding, true, 0.01f, 0);
        writer.Mean(module, outputs, inputs, (n, k) => (float)Rounding.FromE4M3(bytes[n * inputs + k]) * s[n / rows * scaleColumns + k / columns]);
    }

    private static void PackTable(QuantizedWriter writer, string module, int outputs, int inputs)
    {
        int[] q = writer.Integers(outputs * inputs, 16);
        float[] table = [.. writer.Scales(outputs * 16, inputs, 2).Select(value => writer.Random.Next(2) == 0 ? value : -value)];
        writer.AddWords($"{module}.qweight", [inputs / 8, outputs], Words(inputs / 8 * outputs, 4, outputs, inputs, (n, k) => (k / 8 * outputs + n, k % 8, q[n * inputs + k])));
        writer.AddHalves($"{module}.lookup_table", [outputs, 16], table);
        writer.Mean(module, outputs, inputs, (n, k) => table[n * 16 + q[n * inputs + k]]);
    }

    private static void AddStatic(QuantizedWriter writer, string module, string inputRounding, bool symmetric, float scale, int zero)
    {
        if (inputRounding == "static")
        {
            writer.AddFloats($"{module}.input_scale", [1], [scale]);
            if (!symmetric)
            {
                writer.Add($"{module}.input_zero_point", "I8", [1], [(byte)zero]);
            }
        }
    }

    private static string Compressed(string format, string weights, string inputs, string ignore = "\"lm_head\"") =>
        $$$"""{"quant_method": "compressed-tensors", "format": "{{{format}}}", "ignore": [{{{ignore}}}], "config_groups": {"group_0": {"targets": ["Linear"], "weights": {{{weights}}}, "input_activations": {{{inputs}}}, "output_activations": null} } }""";

    private static string Inputs(string type, string rounding, bool symmetric) => rounding switch
    {
        "none" => "null",
        "dynamic" => $$"""{"num_bits": 8, "type": "{{type}}", "strategy": "token", "dynamic": true, "symmetric": {{Json(symmetric)}}}""",
        _ => $$"""{"num_bits": 8, "type": "{{type}}", "strategy": "tensor", "dynamic": false, "symmetric": {{Json(symmetric)}}}""",
    };

    private static uint[] Words(int count, int bits, int rows, int columns, Func<int, int, (int Word, int Place, int Value)> element)
    {
        var words = new uint[count];
        for (int i = 0; i < rows; i++)
        {
            for (int j = 0; j < columns; j++)
            {
                (int word, int place, int value) = element(i, j);
                words[word] |= (uint)value << (place * bits);
            }
        }

        return words;
    }

    private static IEnumerable<float> Transposed(float[] values, int rows, int columns) =>
        Enumerable.Range(0, columns).SelectMany(column => Enumerable.Range(0, rows).Select(row => values[row * columns + column]));

    private static string Json(bool value) => value ? "true" : "false";
}
