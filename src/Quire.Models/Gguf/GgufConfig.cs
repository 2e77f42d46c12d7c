using System;
using System.Collections.Generic;
using System.Globalization;
using System.Text.Json.Nodes;
using Quire.Models.Weights;
using Quire.Tensors;

namespace Quire.Models.Gguf;

/// <summary>
/// Says in the words of config.json what the metadata of a GGUF file says, so that one path leads from either to a model. Keys are those of
/// https://github.com/ggml-org/ggml/blob/master/docs/gguf.md.
/// </summary>
internal sealed class GgufConfig
{
    private const int WidthMax = 1 << 20;
    private const int LayersMax = 4096;
    private const int PositionsMax = 1 << 30;
    private const int HeadsMax = 4096;
    private const int ExpertsMax = 4096;

    /// <summary>Layers of the two Gemma models whose queries are scaled by hidden / heads: nothing else in the file tells them.</summary>
    private const int Gemma2LargeLayers = 46;
    private const int Gemma3LargeLayers = 62;

    private readonly GgufCheckpoint _file;
    private readonly GgufMetadata _metadata;
    private readonly string _name;
    private readonly JsonObject _json = [];

    private GgufConfig(GgufCheckpoint file)
    {
        _file = file;
        _metadata = file.Metadata;
        _name = file.Architecture.Name;
    }

    /// <summary>The configuration of a model as a JSON text.</summary>
    /// <exception cref="CheckpointException">A key is missing or impossible.</exception>
    public static string Read(GgufCheckpoint file)
    {
        var config = new GgufConfig(file);
        config.Write();
        return config._json.ToJsonString();
    }

    private void Write()
    {
        int hidden = Required("embedding_length", WidthMax);
        int heads = Required("attention.head_count", HeadsMax);
        int layers = Required("block_count", LayersMax);
        int headDim = HeadDim(hidden, heads);
        _json["architectures"] = new JsonArray(_file.Architecture.ClassName);
        _json["model_type"] = _name;
        _json["torch_dtype"] = ElementType();
        _json["vocab_size"] = VocabularySize();
        _json["tie_word_embeddings"] = _file.Find("output.weight") is null;
        WriteTokens();
        if (_name == "gpt2")
        {
            WriteGpt2(hidden, heads, layers);
            return;
        }

        _json["hidden_size"] = hidden;
        _json["num_hidden_layers"] = layers;
        _json["intermediate_size"] = Required("feed_forward_length", WidthMax);
        _json["num_attention_heads"] = heads;
        _json["num_key_value_heads"] = _metadata.Integer(Key("attention.head_count_kv"), 1, HeadsMax) ?? heads;
        _json["head_dim"] = headDim;
        _json["rms_norm_eps"] = Number("attention.layer_norm_rms_epsilon", 0, 1)
            ?? throw _metadata.Invalid(Key("attention.layer_norm_rms_epsilon"), "is missing and has no default");
        _json["max_position_embeddings"] = Required("context_length", PositionsMax);
        _json["attention_bias"] = _name is not "qwen2" && _file.Find("blk.0.attn_q.bias") is not null;
        _json["mlp_bias"] = _file.Find("blk.0.ffn_down.bias") is not null;
        WriteRope(headDim);
        WriteFamily(hidden, heads, layers, headDim);
    }

    private void WriteGpt2(int hidden, int heads, int layers)
    {
        _json["n_embd"] = hidden;
        _json["n_head"] = heads;
        _json["n_layer"] = layers;
        _json["n_inner"] = Required("feed_forward_length", WidthMax);
        _json["n_positions"] = Required("context_length", PositionsMax);
        _json["layer_norm_epsilon"] = Number("attention.layer_norm_epsilon", 0, 1) ?? 1e-5;
    }

    private void WriteFamily(int hidden, int heads, int layers, int headDim)
    {
        int? window = _metadata.Integer(Key("attention.sliding_window"), 0, PositionsMax);
        switch (_name)
        {
            case "llama" or "phi3":
                _json["sliding_window"] = window;
                WriteExperts();
                break;
            case "qwen3moe":
                WriteExperts();
                _json["moe_intermediate_size"] = Required("expert_feed_forward_length", WidthMax);
                _json["norm_topk_prob"] = true;
                break;
            case "gemma2":
                _json["sliding_window"] = window ?? 4096;
                _json["query_pre_attn_scalar"] = QueryScalar(layers == Gemma2LargeLayers ? hidden / heads : headDim);
                _json["attn_logit_softcapping"] = Number("attn_logit_softcapping", 0, 1e6) ?? 50;
                _json["final_logit_softcapping"] = Number("final_logit_softcapping", 0, 1e6) ?? 30;
                break;
            case "gemma3":
                _json["sliding_window"] = window ?? 1024;
                _json["query_pre_attn_scalar"] = QueryScalar(layers == Gemma3LargeLayers ? hidden / heads : headDim);
                _json["final_logit_softcapping"] = Number("final_logit_softcapping", 0, 1e6);
                _json["sliding_window_pattern"] = _metadata.Integer(Key("attention.sliding_window_pattern"), 1, LayersMax) ?? 6;
                _json["rope_local_base_freq"] = Number("rope.freq_base_swa", 1 + 1e-6, 1e15) ?? 10_000;
                break;
            case "granite":
                _json["embedding_multiplier"] = Number("embedding_scale", 1e-6, 1e6) ?? 1;
                _json["residual_multiplier"] = Number("residual_scale", 1e-6, 1e6) ?? 1;
                _json["attention_multiplier"] = Number("attention.scale", 1e-6, 1e6) ?? 1 / Math.Sqrt(headDim);
                _json["logits_scaling"] = Number("logit_scale", 1e-6, 1e6) ?? 1;
                break;
        }
    }

    /// <summary>What queries are scaled by the inverse root of, where a file states the scale itself.</summary>
    private double QueryScalar(int usual) => Number("attention.scale", 1e-6, 1e6) is { } scale ? 1 / (scale * scale) : usual;

    private void WriteExperts()
    {
        if (_metadata.Integer(Key("expert_count"), 0, ExpertsMax) is > 0 and { } experts)
        {
            _json["num_local_experts"] = experts;
            _json["num_experts_per_tok"] = Required("expert_used_count", experts);
        }
    }

    private void WriteRope(int headDim)
    {
        _json["rope_theta"] = Number("rope.freq_base", 1 + 1e-6, 1e15) ?? (_name == "gemma3" ? 1_000_000 : 10_000);
        int rotaryDim = _metadata.Integer(Key("rope.dimension_count"), 2, 4096) ?? headDim;
        if (rotaryDim > headDim)
        {
            throw _metadata.Invalid(Key("rope.dimension_count"), $"is {rotaryDim}, more than the {headDim} elements of a head");
        }

        if (rotaryDim != headDim)
        {
            // A little more, so that the product rounds down to the dimension again.
            _json["partial_rotary_factor"] = (rotaryDim + 0.25) / headDim;
        }

        if (RopeScaling(rotaryDim) is { } scaling)
        {
            _json["rope_scaling"] = scaling;
        }
    }

    private JsonObject? RopeScaling(int rotaryDim)
    {
        int context = Required("context_length", PositionsMax);
        int original = _metadata.Integer(Key("rope.scaling.original_context_length"), 1, PositionsMax) ?? context;
        if (_file.Find("rope_factors_long.weight") is not null || _file.Find("rope_factors_short.weight") is not null)
        {
            var longRope = new JsonObject
            {
                ["rope_type"] = "longrope",
                ["short_factor"] = Factors("rope_factors_short.weight", rotaryDim),
                ["long_factor"] = Factors("rope_factors_long.weight", rotaryDim),
                ["original_max_position_embeddings"] = original,
            };
            if (Number("rope.scaling.attn_factor", 1e-6, 1e6) is { } factor)
            {
                longRope["attention_factor"] = factor;
            }

            return longRope;
        }

        if (_file.Find("rope_freqs.weight") is not null)
        {
            // Llama 3's scaling comes as one divisor per frequency, whatever the length: longrope with both lists equal.
            return new JsonObject
            {
                ["rope_type"] = "longrope",
                ["short_factor"] = Factors("rope_freqs.weight", rotaryDim),
                ["long_factor"] = Factors("rope_freqs.weight", rotaryDim),
                ["original_max_position_embeddings"] = context,
                ["attention_factor"] = 1,
            };
        }

        double? scale = Number("rope.scaling.factor", 1e-3, 1e6) ?? Number("rope.scale_linear", 1e-3, 1e6);
        string kind = _metadata.Text(Key("rope.scaling.type")) ?? (scale is null ? "none" : "linear");
        return kind switch
        {
            "none" => null,
            "linear" => scale is null or 1 ? null : new JsonObject { ["rope_type"] = "linear", ["factor"] = scale },
            "yarn" => new JsonObject
            {
                ["rope_type"] = "yarn",
                ["factor"] = scale ?? 1,
                ["original_max_position_embeddings"] = original,
                ["attn_factor"] = Number("rope.scaling.attn_factor", 1e-6, 1e6) ?? 1,
                ["beta_fast"] = Number("rope.scaling.yarn_beta_fast", 1e-6, 1e6) ?? 32,
                ["beta_slow"] = Number("rope.scaling.yarn_beta_slow", 1e-6, 1e6) ?? 1,
            },
            _ => throw _metadata.Invalid(Key("rope.scaling.type"), $"is '{kind}'; supported are none, linear, yarn, longrope"),
        };
    }

    private unsafe JsonArray Factors(string tensor, int rotaryDim)
    {
        WeightTensor found = _file.Find(tensor) ?? throw new CheckpointException(
            CheckpointProblem.WeightMismatch, $"the tensor {tensor} is missing, although the other list of rotary factors is there");
        if (found.Type != DType.F32 || found.SizeInBytes != sizeof(float) * (rotaryDim / 2))
        {
            throw new CheckpointException(
                CheckpointProblem.WeightMismatch,
                $"{tensor} has the type {found.TypeName} and the shape {WeightTensor.Describe(found.Shape)} instead of F32 [{rotaryDim / 2}]");
        }

        var factors = new JsonArray();
        foreach (float factor in new ReadOnlySpan<float>((void*)found.Data, rotaryDim / 2))
        {
            factors.Add(float.IsFinite(factor)
                ? (JsonNode)JsonValue.Create((double)factor)
                : throw new CheckpointException(CheckpointProblem.WeightMismatch, $"{tensor} holds {factor.ToString(CultureInfo.InvariantCulture)}"));
        }

        return factors;
    }

    /// <summary>Tokens that begin and end a sequence; besides the named ones, every control token that ends a turn by its spelling.</summary>
    private void WriteTokens()
    {
        _json["bos_token_id"] = GgufTokens.Id(_metadata, "bos_token_id");
        var ends = new JsonArray();
        foreach (int id in GgufTokens.EndIds(_metadata))
        {
            ends.Add((JsonNode)id);
        }

        if (ends.Count > 0)
        {
            _json["eos_token_id"] = ends;
        }
    }

    private int HeadDim(int hidden, int heads)
    {
        int? key = _metadata.Integer(Key("attention.key_length"), 1, 4096);
        int? value = _metadata.Integer(Key("attention.value_length"), 1, 4096);
        if (value is not null && value != (key ?? hidden / heads))
        {
            throw _metadata.Invalid(Key("attention.value_length"), $"is {value}, but keys have {key ?? hidden / heads} elements; such models are not supported");
        }

        return key ?? (hidden % heads == 0 ? hidden / heads : throw _metadata.Invalid(Key("attention.head_count"), $"is {heads}, which does not divide {hidden}"));
    }

    private int VocabularySize()
    {
        WeightTensor embedding = _file.Find("token_embd.weight") ?? throw new CheckpointException(
            CheckpointProblem.WeightMismatch, "the tensor token_embd.weight is missing");
        return embedding.Shape.Count == 2
            ? (int)embedding.Shape[0]
            : throw new CheckpointException(
                CheckpointProblem.WeightMismatch, $"token_embd.weight has the shape {WeightTensor.Describe(embedding.Shape)} instead of [vocabulary, hidden]");
    }

    /// <summary>The plain type of the matrices; bfloat16 beside quantised ones.</summary>
    private string ElementType()
    {
        var types = new HashSet<DType>();
        foreach (string name in _file.Names)
        {
            WeightTensor tensor = _file.Find(name)!;
            if (tensor.Shape.Count > 1)
            {
                types.Add(tensor.Type ?? DType.BF16);
            }
        }

        return types.Count == 1 && !types.Contains(DType.BF16) ? types.Contains(DType.F16) ? "float16" : "float32" : "bfloat16";
    }

    private string Key(string name) => _name + "." + name;

    private int Required(string name, int maximum) =>
        _metadata.Integer(Key(name), 1, maximum) ?? throw _metadata.Invalid(Key(name), "is missing and has no default");

    private double? Number(string name, double minimum, double maximum) => _metadata.Number(Key(name), minimum, maximum);
}
