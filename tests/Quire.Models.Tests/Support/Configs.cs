using System.Globalization;

namespace Quire.Models.Tests.Support;

/// <summary>Small configurations.</summary>
internal static class Configs
{
    /// <summary>A Llama of a few hundred parameters; <paramref name="extra"/> are further keys, ending with a comma.</summary>
    public static string TinyLlama(string extra = "", int heads = 4, int kvHeads = 2, int headDim = 8) => string.Create(
        CultureInfo.InvariantCulture,
        $$"""
        {
          {{extra}}
          "architectures": ["LlamaForCausalLM"], "model_type": "llama", "dtype": "float32",
          "vocab_size": 19, "hidden_size": 24, "intermediate_size": 20, "num_hidden_layers": 2,
          "num_attention_heads": {{heads}}, "num_key_value_heads": {{kvHeads}}, "head_dim": {{headDim}},
          "max_position_embeddings": 64, "rms_norm_eps": 1e-5
        }
        """);
}
