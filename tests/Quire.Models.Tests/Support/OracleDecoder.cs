using System;
using System.Collections.Generic;
using System.Linq;
using System.Text.Json.Nodes;

namespace Quire.Models.Tests.Support;

/// <summary>
/// Every decoder family in plain loops and double precision, straight from config.json, sharing nothing with the code under test: what a
/// checkpoint of such a configuration computes, and which tensors it holds (they are made up, from seed and name, as they are asked for).
/// </summary>
internal sealed class OracleDecoder(string family, JsonObject config, int seed, int maxModelLength)
{
    private readonly int _hidden = (int)Number(config, "hidden_size", Number(config, "n_embd", 0));
    private readonly int _layers = (int)Number(config, "num_hidden_layers", Number(config, "n_layer", 0));
    private readonly int _heads = (int)Number(config, "num_attention_heads", Number(config, "n_head", 0));
    private readonly bool _gemma = family.StartsWith("gemma", StringComparison.Ordinal);
    private readonly bool _layerNorm = family is "opt" or "gpt2";

    /// <summary>What a checkpoint writes before the names of the language model: set for multimodal wrappers.</summary>
    public string Prefix { get; init; } = "";

    /// <summary>All tensors that were used so far: the checkpoint, once <see cref="Logits"/> was called.</summary>
    public Dictionary<string, (int[] Shape, float[] Values)> Tensors { get; } = [];

    private int KvHeads => family is "opt" or "gpt2" ? _heads : (int)Number(config, "num_key_value_heads", DefaultKvHeads);

    private int DefaultKvHeads => family is "gemma2" or "gemma3" or "qwen3_moe" ? 4 : family is "mistral" or "mixtral" ? 8 : _heads;

    private int HeadDim => (int)Number(config, "head_dim", family switch { "gemma2" or "gemma3" => 256, "qwen3" => 128, _ => _hidden / _heads });

    /// <summary>The logits after every token.</summary>
    public double[][] Logits(int[] tokens)
    {
        int vocabulary = (int)Number(config, "vocab_size", 0);
        int embeddingSize = (int)Number(config, "word_embed_proj_dim", _hidden);
        double scale = _gemma ? Math.Sqrt(_hidden) : Number(config, "embedding_multiplier", 1);
        string embedding = family switch { "opt" => "model.decoder.embed_tokens", "gpt2" => "transformer.wte", _ => "model.embed_tokens" };
        double[][] h = [.. tokens.Select(token => Row(embedding + ".weight", token, vocabulary, embeddingSize).Select(x => x * (float)scale).ToArray())];
        if (embeddingSize != _hidden)
        {
            h = Linear("model.decoder.project_in", h, _hidden, bias: false);
        }

        if (_layerNorm)
        {
            string positions = family == "opt" ? "model.decoder.embed_positions" : "transformer.wpe";
            int offset = family == "opt" ? 2 : 0;
            int rows = (int)Number(config, "max_position_embeddings", Number(config, "n_positions", 0)) + offset;
            h = [.. h.Select((x, i) => Sum(x, Row(positions + ".weight", i + offset, rows, _hidden), 1))];
        }

        for (int layer = 0; layer < _layers; layer++)
        {
            h = Layer(layer, h);
        }

        bool postNorm = family == "opt" && !Flag("do_layer_norm_before", true);
        if (!postNorm && !Flag("_remove_final_layer_norm", false))
        {
            h = Norm(family switch { "opt" => "model.decoder.final_layer_norm", "gpt2" => "transformer.ln_f", _ => "model.norm" }, h, _hidden);
        }

        if (embeddingSize != _hidden)
        {
            h = Linear("model.decoder.project_out", h, embeddingSize, bias: false);
        }

        bool tied = Flag("tie_word_embeddings", _gemma || _layerNorm);
        double[][] logits = Linear(tied ? embedding : "lm_head", h, vocabulary, bias: false);
        double cap = Cap("final_logit_softcapping", family == "gemma2" ? 30 : 0);
        return [.. logits.Select(row => row.Select(x => SoftCap(x / Number(config, "logits_scaling", 1), cap)).ToArray())];
    }

    private double[][] Layer(int layer, double[][] h)
    {
        string prefix = family switch { "opt" => "model.decoder.layers.", "gpt2" => "transformer.h.", _ => "model.layers." } + layer + ".";
        bool postNorm = family == "opt" && !Flag("do_layer_norm_before", true);
        double residual = Number(config, "residual_multiplier", 1);
        string attentionNorm = prefix + family switch { "opt" => "self_attn_layer_norm", "gpt2" => "ln_1", "olmo2" => "post_attention_layernorm", _ => "input_layernorm" };
        string mlpNorm = prefix + family switch
        {
            "opt" => "final_layer_norm",
            "gpt2" => "ln_2",
            "olmo2" => "post_feedforward_layernorm",
            _ => _gemma ? "pre_feedforward_layernorm" : "post_attention_layernorm",
        };
        if (postNorm)
        {
            h = Norm(attentionNorm, Sum(h, Attention(layer, prefix, h), 1), _hidden);
            return Norm(mlpNorm, Sum(h, FeedForward(layer, prefix, h), 1), _hidden);
        }

        bool after = family == "olmo2";
        double[][] a = Attention(layer, prefix, after ? h : Norm(attentionNorm, h, _hidden));
        a = _gemma ? Norm(prefix + "post_attention_layernorm", a, _hidden) : after ? Norm(attentionNorm, a, _hidden) : a;
        h = Sum(h, a, residual);
        double[][] m = FeedForward(layer, prefix, after ? h : Norm(mlpNorm, h, _hidden));
        m = _gemma ? Norm(prefix + "post_feedforward_layernorm", m, _hidden) : after ? Norm(mlpNorm, m, _hidden) : m;
        return Sum(h, m, residual);
    }

    private double[][] Attention(int layer, string prefix, double[][] x)
    {
        int d = HeadDim;
        bool qkvBias = family == "qwen2" || (_layerNorm && Flag("enable_bias", true)) || Flag("attention_bias", false);
        bool outputBias = (_layerNorm && Flag("enable_bias", true)) || (family != "qwen2" && Flag("attention_bias", false));
        double[][] qkv = family switch
        {
            "gpt2" => Linear(prefix + "attn.c_attn", x, 3 * _hidden, true),
            "phi3" => Linear(prefix + "self_attn.qkv_proj", x, (_heads + 2 * KvHeads) * d, false),
            _ => Beside(
                Linear(prefix + "self_attn.q_proj", x, _heads * d, qkvBias), Linear(prefix + "self_attn.k_proj", x, KvHeads * d, qkvBias),
                Linear(prefix + "self_attn.v_proj", x, KvHeads * d, qkvBias)),
        };
        double[][] q = Columns(qkv, 0, _heads * d);
        double[][] k = Columns(qkv, _heads * d, KvHeads * d);
        double[][] v = Columns(qkv, (_heads + KvHeads) * d, KvHeads * d);
        if (family is "qwen3" or "qwen3_moe" or "gemma3" or "olmo2")
        {
            q = Norm(prefix + "self_attn.q_norm", q, family == "olmo2" ? _heads * d : d);
            k = Norm(prefix + "self_attn.k_norm", k, family == "olmo2" ? KvHeads * d : d);
        }

        int window = OracleRules.Window(family, config, layer, _layers);
        if (!_layerNorm)
        {
            (double[] inverse, double magnitude) = OracleRules.Rope(family, config, d, window > 0, maxModelLength);
            Rotate(q, d, inverse, magnitude);
            Rotate(k, d, inverse, magnitude);
        }

        double scale = _gemma ? 1 / Math.Sqrt(Number(config, "query_pre_attn_scalar", 256))
            : Number(config, "attention_multiplier", family == "gpt2" && !Flag("scale_attn_weights", true) ? 1 : 1 / Math.Sqrt(d));
        scale /= Flag("scale_attn_by_inverse_layer_idx", false) ? layer + 1 : 1;
        double cap = Cap("attn_logit_softcapping", family == "gemma2" ? 50 : 0);
        var y = new double[x.Length][];
        for (int i = 0; i < x.Length; i++)
        {
            y[i] = new double[_heads * d];
            for (int head = 0; head < _heads; head++)
            {
                int kv = head / (_heads / KvHeads) * d;
                int first = window > 0 ? Math.Max(0, i - window + 1) : 0;
                double[] weights = Softmax([.. Enumerable.Range(first, i - first + 1).Select(j =>
                    SoftCap(scale * Enumerable.Range(0, d).Sum(e => q[i][head * d + e] * k[j][kv + e]), cap))]);
                for (int e = 0; e < d; e++)
                {
                    y[i][head * d + e] = weights.Select((weight, j) => weight * v[first + j][kv + e]).Sum();
                }
            }
        }

        string output = family switch { "opt" => "self_attn.out_proj", "gpt2" => "attn.c_proj", _ => "self_attn.o_proj" };
        return Linear(prefix + output, y, _hidden, outputBias);
    }

    private double[][] FeedForward(int layer, string prefix, double[][] x)
    {
        bool bias = Flag("mlp_bias", false);
        if (_layerNorm)
        {
            (string up, string down) = family == "opt" ? ("fc1", "fc2") : ("mlp.c_fc", "mlp.c_proj");
            int inner = (int)Number(config, "ffn_dim", Number(config, "n_inner", 4 * _hidden));
            return Linear(prefix + down, Map(Linear(prefix + up, x, inner, Flag("enable_bias", true)), Activation), _hidden, Flag("enable_bias", true));
        }

        if (family == "mixtral")
        {
            return Experts(x, prefix + "block_sparse_moe.", "w1", "w3", "w2", (int)Number(config, "intermediate_size", 0), true);
        }

        bool listed = (config["mlp_only_layers"] as JsonArray)?.Any(item => item!.GetValue<int>() == layer) == true;
        if (family == "qwen3_moe" && !listed && (layer + 1) % (int)Number(config, "decoder_sparse_step", 1) == 0)
        {
            int inner = (int)Number(config, "moe_intermediate_size", 768);
            return Experts(x, prefix + "mlp.", "gate_proj", "up_proj", "down_proj", inner, Flag("norm_topk_prob", false));
        }

        int size = (int)Number(config, "intermediate_size", 0);
        double[][] gateUp = family == "phi3"
            ? Linear(prefix + "mlp.gate_up_proj", x, 2 * size, false)
            : Beside(Linear(prefix + "mlp.gate_proj", x, size, bias), Linear(prefix + "mlp.up_proj", x, size, bias));
        return Linear(prefix + "mlp.down_proj", Gated(gateUp), _hidden, bias);
    }

    private double[][] Experts(double[][] x, string prefix, string gate, string up, string down, int size, bool normalise)
    {
        int count = (int)Number(config, "num_local_experts", Number(config, "num_experts", family == "mixtral" ? 8 : 128));
        int perToken = (int)Number(config, "num_experts_per_tok", family == "mixtral" ? 2 : 8);
        double[][] probabilities = [.. Linear(prefix + "gate", x, count, false).Select(row => Softmax(row))];
        var outputs = new double[count][][];
        for (int e = 0; e < count; e++)
        {
            string expert = $"{prefix}experts.{e}.";
            outputs[e] = Linear(expert + down, Gated(Beside(Linear(expert + gate, x, size, false), Linear(expert + up, x, size, false))), _hidden, false);
        }

        return [.. x.Select((_, t) =>
        {
            int[] chosen = [.. Enumerable.Range(0, count).OrderByDescending(e => probabilities[t][e]).ThenBy(e => e).Take(perToken)];
            double total = normalise ? chosen.Sum(e => probabilities[t][e]) : 1;
            return Enumerable.Range(0, _hidden).Select(c => chosen.Sum(e => probabilities[t][e] / total * outputs[e][t][c])).ToArray();
        })];
    }

    private double[][] Gated(double[][] gateUp) =>
        [.. gateUp.Select(row => Enumerable.Range(0, row.Length / 2).Select(i => Activation(row[i]) * row[row.Length / 2 + i]).ToArray())];

    private double Activation(double x)
    {
        string name = Text("hidden_activation") ?? Text("hidden_act") ?? Text("activation_function")
            ?? (_gemma ? "gelu_pytorch_tanh" : family switch { "opt" => "relu", "gpt2" => "gelu_new", _ => "silu" });
        return name switch
        {
            "silu" => x / (1 + Math.Exp(-x)),
            "relu" => Math.Max(0, x),
            "gelu_pytorch_tanh" or "gelu_new" => 0.5 * x * (1 + Math.Tanh(Math.Sqrt(2 / Math.PI) * (x + 0.044715 * Math.Pow(x, 3)))),
            _ => throw new ArgumentOutOfRangeException(nameof(x), name, "no such activation"),
        };
    }

    private double[][] Norm(string name, double[][] x, int group)
    {
        double[] weight = Vector(name + ".weight", group, _gemma ? 0 : 1);
        if (_layerNorm)
        {
            double[] bias = Vector(name + ".bias", group, 0);
            return [.. x.Select(row =>
            {
                double mean = row.Average();
                double variance = row.Average(value => (value - mean) * (value - mean));
                return row.Select((value, c) => (value - mean) / Math.Sqrt(variance + Number(config, "layer_norm_epsilon", 1e-5)) * weight[c] + bias[c]).ToArray();
            })];
        }

        double epsilon = Number(config, "rms_norm_eps", family is "phi3" or "mixtral" or "olmo2" ? 1e-5 : 1e-6);
        return [.. x.Select(row => row.Chunk(group).SelectMany(part =>
        {
            double root = Math.Sqrt(part.Average(value => value * value) + epsilon);
            return part.Select((value, c) => value / root * (weight[c] + (_gemma ? 1 : 0)));
        }).ToArray())];
    }

    private double[][] Linear(string name, double[][] x, int rows, bool bias)
    {
        int columns = x[0].Length;
        bool transposed = family == "gpt2" && name != "lm_head" && name != "transformer.wte";
        float[] w = transposed ? Tensor(name + ".weight", [columns, rows], 0, 1.7 / Math.Sqrt(columns)) : Tensor(name + ".weight", [rows, columns], 0, 1.7 / Math.Sqrt(columns));
        double[]? b = bias ? Vector(name + ".bias", rows, 0) : null;
        return [.. x.Select(row => Enumerable.Range(0, rows).Select(o =>
        {
            double sum = b?[o] ?? 0;
            for (int c = 0; c < columns; c++)
            {
                sum += row[c] * w[transposed ? c * rows + o : o * columns + c];
            }

            return sum;
        }).ToArray())];
    }

    private double[] Row(string name, int row, int rows, int columns) =>
        [.. Tensor(name, [rows, columns], 0, 1.7 / Math.Sqrt(columns)).AsSpan(row * columns, columns).ToArray().Select(x => (double)x)];

    private double[] Vector(string name, int length, double center) => [.. Tensor(name, [length], center, 0.3).Select(x => (double)x)];

    /// <summary>Uniform numbers around a centre that depend on the seed and the name alone.</summary>
    private float[] Tensor(string name, int[] shape, double center, double spread)
    {
        string stored = Prefix + name;
        if (!Tensors.TryGetValue(stored, out (int[] Shape, float[] Values) tensor))
        {
            var random = new Random(seed + name.Aggregate(17, (hash, c) => unchecked(hash * 31 + c)));
            tensor = (shape, [.. Enumerable.Range(0, shape.Aggregate(1, (a, b) => a * b)).Select(_ => (float)(center + spread * (2 * random.NextDouble() - 1)))]);
            Tensors.Add(stored, tensor);
        }

        Assert.Equal(shape, tensor.Shape);
        return tensor.Values;
    }

    private bool Flag(string key, bool fallback) => config[key]?.GetValue<bool>() ?? fallback;

    private string? Text(string key) => config[key]?.GetValue<string>();

    /// <summary>A cap that is null is none; one that is absent is the class's.</summary>
    private double Cap(string key, double fallback) => config.ContainsKey(key) ? Number(config, key, 0) : fallback;

    private static double Number(JsonObject config, string key, double fallback) => config[key]?.GetValue<double>() ?? fallback;

    private static double SoftCap(double x, double cap) => cap > 0 ? cap * Math.Tanh(x / cap) : x;

    private static double[] Softmax(double[] x)
    {
        double[] exponentials = [.. x.Select(value => Math.Exp(value - x.Max()))];
        return [.. exponentials.Select(value => value / exponentials.Sum())];
    }

    private static void Rotate(double[][] x, int headDim, double[] inverse, double magnitude)
    {
        for (int position = 0; position < x.Length; position++)
        {
            for (int head = 0; head < x[position].Length; head += headDim)
            {
                for (int j = 0; j < inverse.Length; j++)
                {
                    (double sine, double cosine) = Math.SinCos(position * inverse[j]);
                    double a = x[position][head + j];
                    double b = x[position][head + j + inverse.Length];
                    x[position][head + j] = magnitude * (a * cosine - b * sine);
                    x[position][head + j + inverse.Length] = magnitude * (b * cosine + a * sine);
                }
            }
        }
    }

    private static double[][] Map(double[][] x, Func<double, double> function) => [.. x.Select(row => row.Select(function).ToArray())];

    private static double[] Sum(double[] a, double[] b, double scale) => [.. a.Zip(b, (x, y) => x + scale * y)];

    private static double[][] Sum(double[][] a, double[][] b, double scale) => [.. a.Zip(b, (x, y) => Sum(x, y, scale))];

    private static double[][] Beside(params double[][][] parts) => [.. parts[0].Select((_, i) => parts.SelectMany(part => part[i]).ToArray())];

    private static double[][] Columns(double[][] x, int start, int count) => [.. x.Select(row => row[start..(start + count)])];
}
