using System;
using System.Linq;

namespace Quire.GpuBench;

/// <summary>Published models by their shapes; weights are random.</summary>
internal sealed record ModelShape(string Name, int Hidden, int Layers, int Heads, int KvHeads, int HeadDim, int Inner, int Vocabulary, bool Tied)
{
    private static readonly ModelShape[] All =
    [
        new("llama-3.2-1b", 2048, 16, 32, 8, 64, 8192, 128256, true),
        new("llama-3.1-8b", 4096, 32, 32, 8, 128, 14336, 128256, false),
        new("llama-2-7b", 4096, 32, 32, 32, 128, 11008, 32000, false),
    ];

    public string Config => $$"""
        {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": {{Hidden}}, "num_hidden_layers": {{Layers}},
         "num_attention_heads": {{Heads}}, "num_key_value_heads": {{KvHeads}}, "head_dim": {{HeadDim}}, "intermediate_size": {{Inner}},
         "vocab_size": {{Vocabulary}}, "max_position_embeddings": 131072, "rms_norm_eps": 1e-5, "rope_theta": 500000.0, "hidden_act": "silu",
         "tie_word_embeddings": {{(Tied ? "true" : "false")}}, "torch_dtype": "bfloat16", "bos_token_id": 1, "eos_token_id": 2}
        """;

    public static ModelShape Find(string name) =>
        All.FirstOrDefault(shape => shape.Name == name) ?? throw new ArgumentException($"unknown model {name}; known: {string.Join(", ", All.Select(s => s.Name))}");
}
