using System.Linq;
using System.Text.Json.Nodes;
using Quire.Models.Config;
using Quire.Tensors;

namespace Quire.Models.Tests;

/// <summary>
/// Shapes of published models, as their config.json states them, keys that they leave out left out. Their known
/// number of parameters (of Gemma 3 4B that of the language model alone, summed by hand) checks every matrix, bias and norm that the architecture
/// asks a checkpoint for.
/// </summary>
public class PublishedShapeTests
{
    private const string Llama3 = """ "rope_theta": 500000.0, "rope_scaling": {"factor": 32.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 8192, "rope_type": "llama3"}, "max_position_embeddings": 131072 """;

    public static TheoryData<string, long, string> Models => new()
    {
        { "Llama 3.2 1B", 1_235_814_400, Shape("LlamaForCausalLM", 128256, 2048, 8192, 16, 32, 8, $$"""{"head_dim": 64, "tie_word_embeddings": true, "attention_bias": false, {{Llama3}}}""") },
        { "Llama 3.2 3B", 3_212_749_824, Shape("LlamaForCausalLM", 128256, 3072, 8192, 28, 24, 8, $$"""{"head_dim": 128, "tie_word_embeddings": true, {{Llama3}}}""") },
        { "Llama 3.1 8B", 8_030_261_248, Shape("LlamaForCausalLM", 128256, 4096, 14336, 32, 32, 8, $$"""{"tie_word_embeddings": false, "eos_token_id": [128001, 128008, 128009], {{Llama3}}}""") },
        { "Llama 2 7B", 6_738_415_616, Shape("LlamaForCausalLM", 32000, 4096, 11008, 32, 32, 32, """{"max_position_embeddings": 4096}""") },
        { "Mistral 7B v0.1", 7_241_732_096, Shape("MistralForCausalLM", 32000, 4096, 14336, 32, 32, 8, """{"sliding_window": 4096, "max_position_embeddings": 32768}""") },
        { "Mistral Nemo", 12_247_782_400, Shape("MistralForCausalLM", 131072, 5120, 14336, 40, 32, 8, """{"head_dim": 128, "sliding_window": null, "rope_theta": 1000000.0}""") },
        { "Mixtral 8x7B", 46_702_792_704, Shape("MixtralForCausalLM", 32000, 4096, 14336, 32, 32, 8, """{"num_local_experts": 8, "num_experts_per_tok": 2, "sliding_window": null}""") },
        { "Qwen2.5 0.5B", 494_032_768, Shape("Qwen2ForCausalLM", 151936, 896, 4864, 24, 14, 2, """{"tie_word_embeddings": true, "use_sliding_window": false, "sliding_window": 32768, "max_window_layers": 21}""") },
        { "Qwen2.5 7B", 7_615_616_512, Shape("Qwen2ForCausalLM", 152064, 3584, 18944, 28, 28, 4, """{"tie_word_embeddings": false}""") },
        { "Qwen3 0.6B", 596_049_920, Shape("Qwen3ForCausalLM", 151936, 1024, 3072, 28, 16, 8, """{"head_dim": 128, "tie_word_embeddings": true, "sliding_window": null, "use_sliding_window": false}""") },
        { "Qwen3 8B", 8_190_735_360, Shape("Qwen3ForCausalLM", 151936, 4096, 12288, 36, 32, 8, """{"head_dim": 128, "tie_word_embeddings": false}""") },
        { "Qwen3 30B-A3B", 30_532_122_624, Shape("Qwen3MoeForCausalLM", 151936, 2048, 6144, 48, 32, 4, """{"head_dim": 128, "num_experts": 128, "num_experts_per_tok": 8, "moe_intermediate_size": 768, "norm_topk_prob": true, "decoder_sparse_step": 1, "mlp_only_layers": []}""") },
        { "Phi-3 mini 4k", 3_821_079_552, Shape("Phi3ForCausalLM", 32064, 3072, 8192, 32, 32, 32, """{"sliding_window": 2047, "max_position_embeddings": 4096, "original_max_position_embeddings": 4096, "rope_scaling": null}""") },
        { "Phi-3 mini 128k", 3_821_079_552, Shape("Phi3ForCausalLM", 32064, 3072, 8192, 32, 32, 32, LongRope("su", 48, """ "sliding_window": 262144 """)) },
        { "Phi-4 mini", 3_836_021_760, Shape("Phi3ForCausalLM", 200064, 3072, 8192, 32, 24, 8, LongRope("longrope", 48, """ "partial_rotary_factor": 0.75, "tie_word_embeddings": true, "sliding_window": 262144 """)) },
        { "Phi-4", 14_659_507_200, Shape("Phi3ForCausalLM", 100352, 5120, 17920, 40, 40, 10, """{"max_position_embeddings": 16384, "original_max_position_embeddings": 16384, "rope_scaling": null, "sliding_window": null, "rope_theta": 250000}""") },
        { "Gemma 2 2B", 2_614_341_888, Shape("Gemma2ForCausalLM", 256000, 2304, 9216, 26, 8, 4, """{"head_dim": 256, "query_pre_attn_scalar": 256, "sliding_window": 4096, "hidden_activation": "gelu_pytorch_tanh", "attn_logit_softcapping": 50.0, "final_logit_softcapping": 30.0}""") },
        { "Gemma 2 27B", 27_227_128_320, Shape("Gemma2ForCausalLM", 256000, 4608, 36864, 46, 32, 16, """{"head_dim": 128, "query_pre_attn_scalar": 144, "sliding_window": 4096}""") },
        { "Gemma 3 1B", 999_885_952, Shape("Gemma3ForCausalLM", 262144, 1152, 6912, 26, 4, 1, """{"head_dim": 256, "query_pre_attn_scalar": 256, "sliding_window": 512, "sliding_window_pattern": 6, "rope_local_base_freq": 10000, "rope_theta": 1000000, "rope_scaling": null}""") },
        { "Gemma 3 4B, text", 3_880_263_168, """{"architectures": ["Gemma3ForConditionalGeneration"], "torch_dtype": "bfloat16", "eos_token_id": [1, 106], "text_config": {"hidden_size": 2560, "intermediate_size": 10240, "model_type": "gemma3_text", "num_hidden_layers": 34, "rope_scaling": {"factor": 8.0, "rope_type": "linear"}, "sliding_window": 1024}, "vision_config": {"hidden_size": 1152}}""" },
        { "OLMo 2 7B", 7_298_617_344, Shape("Olmo2ForCausalLM", 100352, 4096, 11008, 32, 32, 32, """{"rope_theta": 500000}""") },
        { "Granite 3.1 2B", 2_533_531_648, Shape("GraniteForCausalLM", 49155, 2048, 8192, 40, 32, 8, """{"tie_word_embeddings": true, "embedding_multiplier": 12.0, "attention_multiplier": 0.015625, "residual_multiplier": 0.22, "logits_scaling": 8.0, "rope_theta": 5000000.0}""") },
        { "OPT 125M", 125_239_296, """{"architectures": ["OPTForCausalLM"], "vocab_size": 50272, "hidden_size": 768, "ffn_dim": 3072, "num_hidden_layers": 12, "num_attention_heads": 12, "word_embed_proj_dim": 768, "max_position_embeddings": 2048, "do_layer_norm_before": true, "activation_function": "relu", "torch_dtype": "bfloat16"}""" },
        { "OPT 350M", 331_196_416, """{"architectures": ["OPTForCausalLM"], "vocab_size": 50272, "hidden_size": 1024, "ffn_dim": 4096, "num_hidden_layers": 24, "num_attention_heads": 16, "word_embed_proj_dim": 512, "max_position_embeddings": 2048, "do_layer_norm_before": false, "torch_dtype": "bfloat16"}""" },
        { "GPT-2", 124_439_808, """{"architectures": ["GPT2LMHeadModel"], "vocab_size": 50257, "n_embd": 768, "n_layer": 12, "n_head": 12, "n_positions": 1024, "n_ctx": 1024, "activation_function": "gelu_new", "torch_dtype": "bfloat16"}""" },
        { "GPT-2 XL", 1_557_611_200, """{"architectures": ["GPT2LMHeadModel"], "vocab_size": 50257, "n_embd": 1600, "n_layer": 48, "n_head": 25, "n_positions": 1024, "torch_dtype": "bfloat16"}""" },
    };

    [Theory]
    [MemberData(nameof(Models))]
    public void A_published_shape_has_the_published_number_of_parameters(string name, long parameters, string json)
    {
        HfConfig config = HfConfig.Parse(json);
        ModelDefinition definition = ArchitectureRegistry.Define(config, DType.BF16);
        long bytes = ModelMemory.From(config).WeightBytes;
        Assert.True(bytes == 2 * parameters, $"{name}: {bytes / 2} parameters instead of {parameters}");
        Assert.All(definition.Spec.Layers, layer => Assert.True(layer.SlidingWindow >= 0));
    }

    private static string Shape(string architecture, int vocabulary, int hidden, int inner, int layers, int heads, int kvHeads, string rest)
    {
        JsonObject config = JsonNode.Parse(rest)!.AsObject();
        config["architectures"] = new JsonArray(architecture);
        config["vocab_size"] = vocabulary;
        config["hidden_size"] = hidden;
        config["intermediate_size"] = inner;
        config["num_hidden_layers"] = layers;
        config["num_attention_heads"] = heads;
        config["num_key_value_heads"] = kvHeads;
        config["torch_dtype"] = "bfloat16";
        return config.ToJsonString();
    }

    private static string LongRope(string type, int factors, string rest)
    {
        string list = string.Join(", ", Enumerable.Repeat("1.25", factors));
        return $$"""{"max_position_embeddings": 131072, "original_max_position_embeddings": 4096, "rope_scaling": {"type": "{{type}}", "short_factor": [{{list}}], "long_factor": [{{list}}]}, {{rest}}}""";
    }
}
