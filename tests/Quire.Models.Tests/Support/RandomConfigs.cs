using System;
using System.Collections.Generic;
using System.Linq;
using System.Text.Json.Nodes;

namespace Quire.Models.Tests.Support;

/// <summary>Small random configurations of every family, with the keys of transformers 4 or of 5, given or left to their defaults.</summary>
internal sealed class RandomConfigs(string family, int seed)
{
    private readonly Random _random = new(seed * 7919 + family.Aggregate(7, (hash, c) => unchecked(hash * 31 + c)));

    public static IReadOnlyDictionary<string, string> Classes { get; } = new Dictionary<string, string>
    {
        ["llama"] = "LlamaForCausalLM",
        ["mistral"] = "MistralForCausalLM",
        ["mixtral"] = "MixtralForCausalLM",
        ["qwen2"] = "Qwen2ForCausalLM",
        ["qwen3"] = "Qwen3ForCausalLM",
        ["qwen3_moe"] = "Qwen3MoeForCausalLM",
        ["phi3"] = "Phi3ForCausalLM",
        ["gemma2"] = "Gemma2ForCausalLM",
        ["gemma3"] = "Gemma3ForCausalLM",
        ["granite"] = "GraniteForCausalLM",
        ["olmo2"] = "Olmo2ForCausalLM",
        ["opt"] = "OPTForCausalLM",
        ["gpt2"] = "GPT2LMHeadModel",
    };

    public JsonObject Make() => family switch
    {
        "opt" => Opt(),
        "gpt2" => Gpt2(),
        _ => Common(),
    };

    private JsonObject Common()
    {
        bool v5 = Chance(2);
        int kvHeads = Pick(1, 2, 4);
        int heads = kvHeads * Pick(1, 2, 3);
        int headDim = Pick(8, 12, 16);
        bool stated = family is "gemma2" or "gemma3" or "qwen3" or "qwen3_moe" || Chance(2);
        var config = new JsonObject
        {
            ["vocab_size"] = 30 + _random.Next(40),
            ["hidden_size"] = stated ? Pick(24, 40, 52) : heads * headDim,
            ["intermediate_size"] = Pick(18, 36, 61),
            ["num_hidden_layers"] = family is "gemma3" ? 7 : 3,
            ["num_attention_heads"] = heads,
            ["num_key_value_heads"] = kvHeads,
            ["head_dim"] = stated ? headDim : null,
            ["max_position_embeddings"] = 64,
            [v5 ? "dtype" : "torch_dtype"] = "float32",
        };
        if (!Chance(3))
        {
            config["tie_word_embeddings"] = Chance(2);
        }

        if (Chance(2))
        {
            config["rms_norm_eps"] = Pick(1e-5, 1e-3);
        }

        if (family is "llama" or "qwen3" or "qwen3_moe" or "gemma2" or "gemma3" or "granite" or "olmo2" && Chance(2))
        {
            config["attention_bias"] = Chance(2);
        }

        if (family is "llama" or "granite" && Chance(2))
        {
            config["mlp_bias"] = true;
        }

        Windows(config);
        Family(config);
        Rope(config, v5, headDim);
        return config;
    }

    private void Windows(JsonObject config)
    {
        int layers = config["num_hidden_layers"]!.GetValue<int>();
        if (family is "mistral" or "mixtral" or "phi3" or "gemma2" or "gemma3" or "qwen2" or "qwen3" or "qwen3_moe" && !Chance(4))
        {
            config["sliding_window"] = family is "mistral" or "phi3" && Chance(3) ? null : Pick(1, 5, 9);
        }

        if (family is "qwen2" or "qwen3" or "qwen3_moe")
        {
            config["use_sliding_window"] = Chance(2);
            config["max_window_layers"] = _random.Next(layers + 1);
        }

        if (family is "mistral" or "qwen2" or "qwen3" or "gemma2" or "gemma3" && Chance(2))
        {
            config["layer_types"] = new JsonArray([.. Enumerable.Range(0, layers).Select(_ => (JsonNode)(Chance(2) ? "sliding_attention" : "full_attention"))]);
        }
    }

    private void Family(JsonObject config)
    {
        switch (family)
        {
            case "mixtral":
                config["num_local_experts"] = Pick(2, 5, 8);
                config["num_experts_per_tok"] = Pick(1, 2);
                break;
            case "qwen3_moe":
                config[Chance(2) ? "num_experts" : "num_local_experts"] = Pick(4, 9);
                config["num_experts_per_tok"] = Pick(1, 3);
                config["moe_intermediate_size"] = Pick(10, 24);
                config["norm_topk_prob"] = Chance(2);
                config["decoder_sparse_step"] = Pick(1, 2);
                config["mlp_only_layers"] = Chance(2) ? new JsonArray(1) : new JsonArray();
                break;
            case "gemma2" or "gemma3":
                config["query_pre_attn_scalar"] = Pick(8, 30);
                if (Chance(2))
                {
                    config["final_logit_softcapping"] = Chance(2) ? null : 3.0;
                    config["attn_logit_softcapping"] = Chance(2) ? null : 1.5;
                }

                if (family == "gemma3" && Chance(2))
                {
                    config["sliding_window_pattern"] = Pick(2, 3);
                }

                break;
            case "granite":
                config["embedding_multiplier"] = Pick(1.0, 3.5);
                config["attention_multiplier"] = Pick(0.1, 0.4);
                config["residual_multiplier"] = Pick(1.0, 0.22);
                config["logits_scaling"] = Pick(1.0, 4.0);
                break;
        }
    }

    private void Rope(JsonObject config, bool v5, int headDim)
    {
        double theta = Pick(500.0, 10_000.0, 1e6);
        bool partial = family is "phi3" or "llama" && Chance(2);
        int rotary = partial ? headDim / 2 : headDim;
        JsonObject? scaling = Scaling(config, rotary);
        if (!v5)
        {
            config["rope_scaling"] = scaling;
            if (!Chance(4))
            {
                config["rope_theta"] = theta;
            }

            if (partial)
            {
                config["partial_rotary_factor"] = 0.5;
            }

            if (family == "gemma3" && Chance(2))
            {
                config["rope_local_base_freq"] = 100.0;
            }

            return;
        }

        JsonObject parameters = scaling ?? new JsonObject { ["rope_type"] = "default" };
        parameters["rope_theta"] = theta;
        if (partial)
        {
            parameters["partial_rotary_factor"] = 0.5;
        }

        config["rope_parameters"] = family != "gemma3" ? parameters : new JsonObject
        {
            ["full_attention"] = parameters,
            ["sliding_attention"] = new JsonObject { ["rope_type"] = "default", ["rope_theta"] = 100.0 },
        };
    }

    private JsonObject? Scaling(JsonObject config, int rotary)
    {
        string type = Chance(2) ? "rope_type" : "type";
        switch (family == "phi3" ? Pick(0, 6) : _random.Next(7))
        {
            case 1:
                return new JsonObject { [type] = "linear", ["factor"] = 2.5 };
            case 2:
                return new JsonObject { [type] = "dynamic", ["factor"] = 2.0 };
            case 3:
                return new JsonObject
                {
                    [type] = "llama3",
                    ["factor"] = 8.0,
                    ["low_freq_factor"] = 1.0,
                    ["high_freq_factor"] = 4.0,
                    ["original_max_position_embeddings"] = 16,
                };
            case 4:
                return new JsonObject { [type] = "yarn", ["factor"] = 4.0, ["original_max_position_embeddings"] = 16, ["beta_fast"] = 8.0 };
            case 5:
                return new JsonObject { [type] = "yarn", ["factor"] = 4.0, ["truncate"] = false, ["attention_factor"] = 1.3, ["original_max_position_embeddings"] = 16 };
            case 6:
                config["original_max_position_embeddings"] = Pick(8, 64);
                return new JsonObject { [type] = Chance(2) ? "longrope" : "su", ["short_factor"] = Factors(rotary), ["long_factor"] = Factors(rotary) };
            default:
                return null;
        }
    }

    private JsonArray Factors(int rotary) => new([.. Enumerable.Range(0, rotary / 2).Select(_ => (JsonNode)(1 + 3 * _random.NextDouble()))]);

    private JsonObject Opt()
    {
        int heads = Pick(2, 4);
        int hidden = heads * Pick(6, 16);
        bool before = !Chance(3);
        return new JsonObject
        {
            ["vocab_size"] = 30 + _random.Next(40),
            ["hidden_size"] = hidden,
            ["word_embed_proj_dim"] = Chance(2) ? hidden : 20,
            ["ffn_dim"] = Pick(30, 70),
            ["num_hidden_layers"] = 3,
            ["num_attention_heads"] = heads,
            ["max_position_embeddings"] = 64,
            ["do_layer_norm_before"] = before,
            ["_remove_final_layer_norm"] = before && Chance(4),
            ["enable_bias"] = !Chance(3),
            ["activation_function"] = Chance(2) ? "relu" : "gelu_new",
            ["tie_word_embeddings"] = !Chance(3),
        };
    }

    private JsonObject Gpt2()
    {
        int heads = Pick(2, 4);
        return new JsonObject
        {
            ["vocab_size"] = 30 + _random.Next(40),
            ["n_embd"] = heads * Pick(6, 16),
            ["n_inner"] = Chance(2) ? null : 50,
            ["n_layer"] = 3,
            ["n_head"] = heads,
            ["n_positions"] = 64,
            ["scale_attn_weights"] = !Chance(4),
            ["scale_attn_by_inverse_layer_idx"] = Chance(3),
            ["layer_norm_epsilon"] = 1e-4,
        };
    }

    private bool Chance(int oneIn) => _random.Next(oneIn) == 0;

    private T Pick<T>(params T[] values) => values[_random.Next(values.Length)];
}
