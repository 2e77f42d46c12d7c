using System;
using Quire.Models.Config;
using Quire.Models.Tests.Support;
using Quire.Tensors;

namespace Quire.Models.Tests;

public class ConfigTests
{
    /// <summary>Bytes that are no UTF-8, and half of a surrogate pair as an escape, in names and values, known or not.</summary>
    [Theory]
    [InlineData("{\"architectures\": [\"a\u00ECb\"]}", "it is not UTF-8")]
    [InlineData("{\"model_\u00ECtype\": 1}", "it is not UTF-8")]
    [InlineData("{\"other\": [{\"deep\": \"\\ud800\"}]}", "half a surrogate pair")]
    [InlineData("{\"\\udc00\": 1}", "half a surrogate pair")]
    public void Text_that_is_not_valid_Unicode_is_refused_wherever_it_stands(string json, string problem)
    {
        using var folder = new Support.TemporaryFolder();
        string path = folder.Write("config.json", System.Text.Encoding.Latin1.GetBytes(json));
        Assert.Contains(problem, Assert.Throws<CheckpointException>(() => HfConfig.Load(path)).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("\"vocab_size\": 19", "\"vocab_size\": -1", "vocab_size is -1, which is not between 1 and 16777216")]
    [InlineData("\"vocab_size\": 19", "\"vocab_size\": 1e12", "vocab_size is 1e12")]
    [InlineData("\"vocab_size\": 19", "\"vocab_size\": \"19\"", "vocab_size must be a whole number, but is \"19\"")]
    [InlineData("\"vocab_size\": 19", "\"vocab_size\": 19.5", "vocab_size must be a whole number")]
    [InlineData("\"vocab_size\": 19", "\"vocab_size\": null", "vocab_size is missing")]
    [InlineData("\"vocab_size\": 19,", "", "vocab_size is missing")]
    [InlineData("\"hidden_size\": 24", "\"hidden_size\": 0", "hidden_size is 0")]
    [InlineData("\"hidden_size\": 24", "\"hidden_size\": 2147483648", "hidden_size is 2147483648")]
    [InlineData("\"intermediate_size\": 20", "\"intermediate_size\": [20]", "intermediate_size must be a whole number")]
    [InlineData("\"num_hidden_layers\": 2", "\"num_hidden_layers\": 100000", "num_hidden_layers is 100000")]
    [InlineData("\"num_attention_heads\": 4", "\"num_attention_heads\": true", "num_attention_heads must be a whole number")]
    [InlineData("\"num_key_value_heads\": 2", "\"num_key_value_heads\": 3", "num_key_value_heads is 3, which does not divide num_attention_heads, 4")]
    [InlineData("\"num_attention_heads\": 4, \"num_key_value_heads\": 2, \"head_dim\": 8", "\"num_attention_heads\": 5", "does not divide hidden_size, 24")]
    [InlineData("\"rms_norm_eps\": 1e-5", "\"rms_norm_eps\": -1", "rms_norm_eps is -1")]
    [InlineData("\"rms_norm_eps\": 1e-5", "\"hidden_act\": \"mish\"", "hidden_act is 'mish'")]
    [InlineData("\"rms_norm_eps\": 1e-5", "\"attention_bias\": 1", "attention_bias must be true or false, but is 1")]
    [InlineData("\"rms_norm_eps\": 1e-5", "\"text_config\": 1", "text_config must be an object")]
    [InlineData("\"max_position_embeddings\": 64", "\"max_position_embeddings\": 0", "max_position_embeddings is 0")]
    [InlineData("\"rms_norm_eps\": 1e-5", "\"vocab_size\": 19", "not valid JSON")]
    [InlineData("\"rms_norm_eps\": 1e-5", "", "not valid JSON")]
    public void A_bad_value_is_refused_with_its_key_and_limit(string value, string replacement, string reason)
    {
        string json = Configs.TinyLlama();
        Assert.Contains(value, json, StringComparison.Ordinal);
        var error = Assert.Throws<CheckpointException>(
            () => ArchitectureRegistry.Define(HfConfig.Parse(json.Replace(value, replacement, StringComparison.Ordinal)), DType.F32));
        Assert.Contains(reason, error.Message, StringComparison.Ordinal);
        Assert.StartsWith("config.json", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Absent_keys_take_the_defaults_of_the_class()
    {
        const string json = """
            {"architectures": ["LlamaForCausalLM"], "vocab_size": 19, "hidden_size": 24, "intermediate_size": 20, "num_hidden_layers": 2, "num_attention_heads": 4}
            """;
        DecoderSpec spec = ArchitectureRegistry.Define(HfConfig.Parse(json), DType.F32).Spec;
        Assert.Equal(4, spec.Attention.KvHeads);
        Assert.Equal(6, spec.Attention.HeadDim);
        Assert.Equal(1e-6f, spec.Norm.Epsilon);
        Assert.Equal(2048, spec.MaxPositions);
        Assert.False(spec.TiedEmbeddings);
        Assert.Equal(10_000, spec.Layers[1].Rope!.Theta);
        Assert.Equal(Activation.Silu, spec.Layers[1].FeedForward.Activation);
        Assert.Equal(1 / Math.Sqrt(6), spec.Attention.Scale, 6);
    }

    [Theory]
    [InlineData("MistralForCausalLM", 8, 131_072)]
    [InlineData("MixtralForCausalLM", 8, 131_072)]
    [InlineData("Qwen2ForCausalLM", 32, 32_768)]
    [InlineData("Qwen3MoeForCausalLM", 4, 32_768)]
    [InlineData("Phi3ForCausalLM", 32, 4096)]
    [InlineData("Gemma2ForCausalLM", 4, 8192)]
    [InlineData("Gemma3ForCausalLM", 4, 131_072)]
    [InlineData("GraniteForCausalLM", 32, 2048)]
    public void Absent_key_value_heads_and_lengths_are_those_of_the_class(string architecture, int kvHeads, int positions)
    {
        string json = $$"""
            {"architectures": ["{{architecture}}"], "vocab_size": 19, "hidden_size": 64, "intermediate_size": 20, "num_hidden_layers": 2, "num_attention_heads": 32}
            """;
        DecoderSpec spec = ArchitectureRegistry.Define(HfConfig.Parse(json), DType.F32).Spec;
        Assert.Equal(kvHeads, spec.Attention.KvHeads);
        Assert.Equal(positions, spec.MaxPositions);
        string withNull = json.Replace("\"vocab_size\"", "\"num_key_value_heads\": null, \"vocab_size\"", StringComparison.Ordinal);
        Assert.Equal(32, ArchitectureRegistry.Define(HfConfig.Parse(withNull), DType.F32).Spec.Attention.KvHeads);
    }

    [Fact]
    public void A_text_config_is_the_configuration_of_the_language_model()
    {
        string json = $$"""{"architectures": ["LlamaForCausalLM"], "dtype": "float16", "eos_token_id": 5, "text_config": {{Configs.TinyLlama(""" "eos_token_id": [3, 4], """)}}}""";
        HfConfig config = HfConfig.Parse(json);
        Assert.Equal(19, ArchitectureRegistry.Define(config, DType.F32).Spec.VocabularySize);
        Assert.Equal("float32", config.DTypeName);
        Assert.Equal([3, 4], config.EosTokenIds);
    }

    [Fact]
    public void Overrides_are_merged_into_nested_objects_and_replace_everything_else()
    {
        string json = Configs.TinyLlama(""" "rope_parameters": {"rope_theta": 7, "rope_type": "linear", "factor": 2}, """);
        HfConfig config = HfConfig.Parse(json, """{"rope_parameters": {"factor": 3}, "vocab_size": 20, "new_key": [1]}""");
        Assert.Equal(20, config.Text.Int32("vocab_size", 1, 100));
        ConfigSection rope = config.Text.Section("rope_parameters")!;
        Assert.Equal(3, rope.Double("factor", 0, 10, 0));
        Assert.Equal(7, rope.Double("rope_theta", 0, 10, 0));
        Assert.Equal("linear", rope.String("rope_type"));
        Assert.True(config.Text.Has("new_key"));
        var error = Assert.Throws<CheckpointException>(() => HfConfig.Parse(json, "[1]"));
        Assert.Contains("hf_overrides must hold a JSON object", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("LlamaForCasualLM", "the nearest is LlamaForCausalLM")]
    [InlineData("Qwen2MoeForCausalLM", "the nearest is Qwen3MoeForCausalLM")]
    [InlineData("", "supported are LlamaForCausalLM")]
    public void An_unknown_architecture_names_the_nearest_and_all_supported(string name, string reason)
    {
        string json = Configs.TinyLlama().Replace("LlamaForCausalLM", name, StringComparison.Ordinal);
        var error = Assert.Throws<CheckpointException>(() => ArchitectureRegistry.Define(HfConfig.Parse(json), DType.F32));
        Assert.Equal(CheckpointProblem.Unsupported, error.Problem);
        Assert.Contains(reason, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Every_listed_architecture_is_defined()
    {
        foreach (string name in ArchitectureRegistry.Supported)
        {
            string json = Configs.TinyLlama(""" "ffn_dim": 96, "n_embd": 24, "n_head": 4, "n_layer": 2, """).Replace("LlamaForCausalLM", name, StringComparison.Ordinal);
            Assert.Equal(name, ArchitectureRegistry.Define(HfConfig.Parse(json), DType.F32).Spec.Architecture);
        }
    }

    [Fact]
    public void A_configuration_without_architectures_or_without_a_file_is_refused()
    {
        Assert.Contains("names no architectures", Assert.Throws<CheckpointException>(() => ArchitectureRegistry.Define(HfConfig.Parse("{}"), DType.F32)).Message, StringComparison.Ordinal);
        using var folder = new TemporaryFolder();
        Assert.Equal(CheckpointProblem.MissingFile, Assert.Throws<CheckpointException>(() => HfConfig.Load(folder.Path)).Problem);
        Assert.Equal(CheckpointProblem.MissingFile, Assert.Throws<CheckpointException>(() => HfConfig.Load(folder.File("absent"))).Problem);
        string gguf = folder.Write("m.gguf", "no such file");
        Assert.Contains("GGUF", Assert.Throws<CheckpointException>(() => HfConfig.Load(gguf)).Message, StringComparison.Ordinal);
        System.IO.File.Delete(gguf);
        folder.Write(HfConfig.FileName, new byte[17 << 20]);
        Assert.Contains("more than the limit", Assert.Throws<CheckpointException>(() => HfConfig.Load(folder.Path)).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("auto", "bfloat16", "llama", DType.BF16)]
    [InlineData("auto", "float16", "llama", DType.F16)]
    [InlineData("auto", "torch.float16", "llama", DType.F16)]
    [InlineData("auto", "float32", "llama", DType.BF16)]
    [InlineData("auto", "float16", "gemma2", DType.BF16)]
    [InlineData("half", "bfloat16", "llama", DType.F16)]
    [InlineData("Float", "bfloat16", "llama", DType.F32)]
    [InlineData("float32", "float16", "gemma2", DType.F32)]
    [InlineData("bfloat16", "float32", "llama", DType.BF16)]
    public void The_element_type_follows_the_option_or_the_checkpoint(string requested, string stored, string family, DType expected)
    {
        foreach (string key in new[] { "dtype", "torch_dtype" })
        {
            HfConfig config = HfConfig.Parse($$"""{"model_type": "{{family}}", "{{key}}": "{{stored}}"}""");
            Assert.Equal(expected, ModelDType.Resolve(requested, config));
        }
    }

    [Theory]
    [InlineData("int8", "llama", "Unknown dtype: 'int8'")]
    [InlineData("float16", "gemma2", "The model type 'gemma2' does not support float16. Reason: Numerical instability")]
    [InlineData("half", "gemma3_text", "does not support float16")]
    public void An_impossible_element_type_is_refused(string requested, string family, string reason)
    {
        HfConfig config = HfConfig.Parse($$"""{"model_type": "{{family}}"}""");
        Assert.Contains(reason, Assert.Throws<CheckpointException>(() => ModelDType.Resolve(requested, config)).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("Dummy", LoadFormat.Dummy)]
    [InlineData("auto", LoadFormat.Auto)]
    [InlineData("SAFETENSORS", LoadFormat.Safetensors)]
    public void Load_formats_are_read_whatever_their_case(string name, LoadFormat expected) => Assert.Equal(expected, LoadFormats.Parse(name));

    [Fact]
    public void Refused_and_unknown_load_formats_say_why()
    {
        Assert.Contains("pickle", Assert.Throws<CheckpointException>(() => LoadFormats.Parse("pt")).Message, StringComparison.OrdinalIgnoreCase);
        Assert.Contains("valid are auto, safetensors, gguf, dummy", Assert.Throws<CheckpointException>(() => LoadFormats.Parse("x")).Message, StringComparison.Ordinal);
    }
}
