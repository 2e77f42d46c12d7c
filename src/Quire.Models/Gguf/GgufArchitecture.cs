using System;
using System.Collections.Generic;

namespace Quire.Models.Gguf;

/// <summary>
/// One architecture as GGUF files have it: its name there, the class that computes it, where its tensors are and what llama.cpp's
/// converter does to them.
/// </summary>
internal sealed record GgufArchitecture
{
    private static readonly DecoderNames CommonNames = new()
    {
        Embedding = "token_embd",
        PositionEmbedding = "position_embd",
        LayerPrefix = "blk.{0}.",
        AttentionNorm = "attn_norm",
        Qkv = ["attn_q", "attn_k", "attn_v"],
        QueryNorm = "attn_q_norm",
        KeyNorm = "attn_k_norm",
        AttentionOutput = "attn_output",
        AfterAttentionNorm = "post_attention_norm",
        FeedForwardNorm = "ffn_norm",
        FeedForwardInput = ["ffn_gate", "ffn_up"],
        FeedForwardOutput = "ffn_down",
        Router = "ffn_gate_inp",
        ExpertPrefix = GgufExperts.Prefix,
        ExpertInput = ["ffn_gate", "ffn_up"],
        ExpertOutput = "ffn_down",
        AfterFeedForwardNorm = "post_ffw_norm",
        FinalNorm = "output_norm",
        Head = "output",

        // Factors of rotary frequencies, which the configuration takes up.
        IgnoredEndings = ["rope_freqs.weight", "rope_factors_long.weight", "rope_factors_short.weight"],
    };

    private static readonly DecoderNames Gpt2Names = CommonNames with { Qkv = ["attn_qkv"], FeedForwardInput = ["ffn_up"] };

    /// <summary>Every architecture that can be read.</summary>
    public static IReadOnlyList<GgufArchitecture> All { get; } =
    [
        new() { Name = "llama", ClassName = "LlamaForCausalLM", Interleaved = true },
        new() { Name = "llama", ClassName = "MistralForCausalLM", Interleaved = true, Condition = GgufCondition.SlidingWindow },
        new() { Name = "llama", ClassName = "MixtralForCausalLM", Interleaved = true, Condition = GgufCondition.Experts },
        new() { Name = "qwen2", ClassName = "Qwen2ForCausalLM" },
        new() { Name = "qwen3", ClassName = "Qwen3ForCausalLM" },
        new() { Name = "qwen3moe", ClassName = "Qwen3MoeForCausalLM" },
        new() { Name = "gemma2", ClassName = "Gemma2ForCausalLM", NormsIncludeOffset = true },
        new() { Name = "gemma3", ClassName = "Gemma3ForCausalLM", NormsIncludeOffset = true },
        new() { Name = "phi3", ClassName = "Phi3ForCausalLM", Names = Gpt2Names },
        new() { Name = "granite", ClassName = "GraniteForCausalLM", Interleaved = true },
        new() { Name = "olmo2", ClassName = "Olmo2ForCausalLM" },
        new() { Name = "gpt2", ClassName = "GPT2LMHeadModel", Names = Gpt2Names },
    ];

    /// <summary>general.architecture.</summary>
    public required string Name { get; init; }

    /// <summary>The class name that <see cref="ArchitectureRegistry"/> knows.</summary>
    public required string ClassName { get; init; }

    public DecoderNames Names { get; init; } = CommonNames;

    /// <summary>Whether the halves of each head of queries and keys are interleaved row by row (for rotations of neighbouring elements).</summary>
    public bool Interleaved { get; init; }

    /// <summary>Whether norms are stored with the offset already added (Gemma's 1 + weight).</summary>
    public bool NormsIncludeOffset { get; init; }

    /// <summary>What a file of a shared name must have to be this architecture.</summary>
    public GgufCondition Condition { get; init; }

    /// <summary>The architecture of a class, or null when GGUF has none that is supported.</summary>
    public static GgufArchitecture? OfClass(string className)
    {
        foreach (GgufArchitecture architecture in All)
        {
            if (architecture.ClassName == className)
            {
                return architecture;
            }
        }

        return null;
    }

    /// <summary>The architecture of a file.</summary>
    /// <exception cref="CheckpointException">None is named, or one that is not supported.</exception>
    public static GgufArchitecture Of(GgufMetadata metadata)
    {
        string name = metadata.Text("general.architecture") ?? throw metadata.Invalid("general.architecture", "is missing and has no default");
        GgufArchitecture? found = null;
        foreach (GgufArchitecture architecture in All)
        {
            if (architecture.Name == name && (architecture.Condition == GgufCondition.None || Holds(architecture.Condition, name, metadata)))
            {
                found = architecture;
            }
        }

        return found ?? throw new CheckpointException(
            CheckpointProblem.Unsupported,
            metadata.Invalid("general.architecture", $"is '{name}', which is not supported; supported are {string.Join(", ", SupportedNames())}").Message);
    }

    /// <summary>A definition made for Hugging Face's layout, as it is for this layout.</summary>
    public ModelDefinition Adapt(ModelDefinition definition)
    {
        DecoderSpec spec = definition.Spec;
        return new ModelDefinition(NormsIncludeOffset ? spec with { Norm = spec.Norm with { WeightOffset = 0 } } : spec, Names)
        {
            AdapterNames = definition.Names,
        };
    }

    private static bool Holds(GgufCondition condition, string name, GgufMetadata metadata) => condition switch
    {
        GgufCondition.SlidingWindow => metadata.Integer(name + ".attention.sliding_window", 0, int.MaxValue) > 0,
        GgufCondition.Experts => metadata.Integer(name + ".expert_count", 0, int.MaxValue) > 0,
        _ => throw new ArgumentOutOfRangeException(nameof(condition), condition, "unknown condition"),
    };

    private static SortedSet<string> SupportedNames()
    {
        var names = new SortedSet<string>(StringComparer.Ordinal);
        foreach (GgufArchitecture architecture in All)
        {
            names.Add(architecture.Name);
        }

        return names;
    }
}

/// <summary>What tells apart architectures that share a name.</summary>
internal enum GgufCondition
{
    None,

    /// <summary>attention.sliding_window is above 0.</summary>
    SlidingWindow,

    /// <summary>expert_count is above 0.</summary>
    Experts,
}
