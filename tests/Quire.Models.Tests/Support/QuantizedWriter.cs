using System;
using System.Collections.Generic;
using System.Linq;

namespace Quire.Models.Tests.Support;

/// <summary>
/// Makes a small random Llama whose linear layers are quantised in a published layout, and the plain weights that it stands for. Packs
/// integer by integer as the formats are described; shares no code with the product.
/// </summary>
internal sealed class QuantizedWriter(int seed)
{
    public const int Hidden = 72;
    public const int Inner = 104;
    public const int Vocabulary = 19;

    private readonly Random _random = new(seed);

    /// <summary>Tensors as stored.</summary>
    public Dictionary<string, (string Type, long[] Shape, byte[] Bytes)> Stored { get; } = [];

    /// <summary>What they mean.</summary>
    public Dictionary<string, (int[] Shape, float[] Values)> Plain { get; } = [];

    public Random Random => _random;

    public static NaiveShape Shape { get; } = new(Hidden, Inner, 2, 3, 1, 24, 24, 10_000, 1e-5, false);

    /// <summary>Names, outputs and inputs of the linear layers.</summary>
    public static IEnumerable<(string Module, int Outputs, int Inputs)> Linears()
    {
        for (int layer = 0; layer < 2; layer++)
        {
            string prefix = $"model.layers.{layer}.";
            yield return (prefix + "self_attn.q_proj", 72, Hidden);
            yield return (prefix + "self_attn.k_proj", 24, Hidden);
            yield return (prefix + "self_attn.v_proj", 24, Hidden);
            yield return (prefix + "self_attn.o_proj", Hidden, 72);
            yield return (prefix + "mlp.gate_proj", Inner, Hidden);
            yield return (prefix + "mlp.up_proj", Inner, Hidden);
            yield return (prefix + "mlp.down_proj", Hidden, Inner);
        }
    }

    public static string Config(string quantization) => $$"""
        {
          {{(quantization.Length > 0 ? "\"quantization_config\": " + quantization + "," : "")}}
          "architectures": ["LlamaForCausalLM"], "model_type": "llama", "dtype": "float32",
          "vocab_size": 19, "hidden_size": 72, "intermediate_size": 104, "num_hidden_layers": 2,
          "num_attention_heads": 3, "num_key_value_heads": 1, "head_dim": 24, "max_position_embeddings": 64, "rms_norm_eps": 1e-5
        }
        """;

    /// <summary>Everything but the linear layers, which <paramref name="pack"/> adds; true from <paramref name="isPlain"/> leaves one plain.</summary>
    public void Build(Action<QuantizedWriter, string, int, int> pack, Func<string, bool>? isPlain = null)
    {
        Matrix("model.embed_tokens", Vocabulary, Hidden);
        Matrix("lm_head", Vocabulary, Hidden);
        foreach (string norm in (string[])["model.norm", .. Enumerable.Range(0, 2).SelectMany(i =>
            new[] { $"model.layers.{i}.input_layernorm", $"model.layers.{i}.post_attention_layernorm" })])
        {
            AddPlain(norm + ".weight", [Hidden], [.. Enumerable.Range(0, Hidden).Select(_ => (float)(0.5 + _random.NextDouble()))]);
        }

        foreach ((string module, int outputs, int inputs) in Linears())
        {
            if (isPlain?.Invoke(module) == true)
            {
                Matrix(module, outputs, inputs);
            }
            else
            {
                pack(this, module, outputs, inputs);
            }
        }
    }

    public void Matrix(string module, int rows, int columns) => AddPlain(
        module + ".weight", [rows, columns], [.. Enumerable.Range(0, rows * columns).Select(_ => (float)((2 * _random.NextDouble() - 1) * 2 / Math.Sqrt(columns)))]);

    public void Add(string name, string type, long[] shape, byte[] bytes) => Stored[name] = (type, shape, bytes);

    public void AddWords(string name, long[] shape, uint[] words) => Add(name, "I32", shape, [.. words.SelectMany(BitConverter.GetBytes)]);

    public void AddFloats(string name, long[] shape, IEnumerable<float> values) => Add(name, "F32", shape, [.. values.SelectMany(BitConverter.GetBytes)]);

    public void AddHalves(string name, long[] shape, IEnumerable<float> values) =>
        Add(name, "F16", shape, [.. values.SelectMany(value => BitConverter.GetBytes((Half)value))]);

    /// <summary>Random numbers near what makes a layer keep its input's size, exact in F16.</summary>
    public float[] Scales(int count, int inputs, int levels) =>
        [.. Enumerable.Range(0, count).Select(_ => (float)(Half)((0.5 + _random.NextDouble()) * 3 / levels / Math.Sqrt(inputs)))];

    public int[] Integers(int count, int below) => [.. Enumerable.Range(0, count).Select(_ => _random.Next(below))];

    /// <summary>Records what a weight means.</summary>
    public void Mean(string module, int outputs, int inputs, Func<int, int, float> weight)
    {
        var values = new float[outputs * inputs];
        for (int n = 0; n < outputs; n++)
        {
            for (int k = 0; k < inputs; k++)
            {
                values[n * inputs + k] = weight(n, k);
            }
        }

        Plain[module + ".weight"] = ([outputs, inputs], values);
    }

    /// <summary>The safetensors file.</summary>
    public byte[] File()
    {
        var entries = new List<string>();
        var data = new List<byte>();
        foreach ((string name, (string type, long[] shape, byte[] bytes)) in Stored)
        {
            entries.Add($"\"{name}\":{{\"dtype\":\"{type}\",\"shape\":[{string.Join(',', shape)}],\"data_offsets\":[{data.Count},{data.Count + bytes.Length}]}}");
            data.AddRange(bytes);
        }

        string header = "{" + string.Join(',', entries) + "}";
        byte[] file = SafetensorsBytes.File(header.PadRight((header.Length + 7) / 8 * 8), data.Count);
        data.CopyTo(file, file.Length - data.Count);
        return file;
    }

    private void AddPlain(string name, int[] shape, float[] values)
    {
        Plain[name] = (shape, values);
        AddFloats(name, [.. shape.Select(size => (long)size)], values);
    }
}
