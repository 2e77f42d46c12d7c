using System;
using System.Collections.Generic;
using Quire.Models.Architectures;
using Quire.Models.Config;
using Quire.Tensors;

namespace Quire.Models;

/// <summary>The architectures that can be computed, by the class name in config.json.</summary>
public static class ArchitectureRegistry
{
    /// <summary>Class names that are supported.</summary>
    public static IReadOnlyList<string> Supported { get; } =
    [
        "LlamaForCausalLM",
        "MistralForCausalLM",
        "MixtralForCausalLM",
        "Qwen2ForCausalLM",
        "Qwen3ForCausalLM",
        "Qwen3MoeForCausalLM",
        "Phi3ForCausalLM",
        "Gemma2ForCausalLM",
        "Gemma3ForCausalLM",
        "Gemma3ForConditionalGeneration",
        "GraniteForCausalLM",
        "Olmo2ForCausalLM",
        "OPTForCausalLM",
        "GPT2LMHeadModel",
    ];

    /// <summary>What the checkpoint's architecture makes of its config.json.</summary>
    /// <param name="config">The configuration.</param>
    /// <param name="type">Element type of the weights, to which some families round constants.</param>
    /// <exception cref="CheckpointException">No architecture, none that is supported, or an impossible value.</exception>
    public static ModelDefinition Define(HfConfig config, DType type)
    {
        ArgumentNullException.ThrowIfNull(config);
        foreach (string architecture in config.Architectures)
        {
            if (Define(architecture, config, type) is { } definition)
            {
                return config.Gguf?.Adapt(definition) ?? definition;
            }
        }

        throw Unknown(config);
    }

    private static ModelDefinition? Define(string architecture, HfConfig config, DType type) => architecture switch
    {
        "LlamaForCausalLM" => Llama.Define(config),
        "MistralForCausalLM" => Mistral.Define(config),
        "MixtralForCausalLM" => Mixtral.Define(config),
        "Qwen2ForCausalLM" => Qwen.DefineQwen2(config),
        "Qwen3ForCausalLM" => Qwen.DefineQwen3(config),
        "Qwen3MoeForCausalLM" => Qwen.DefineQwen3Moe(config),
        "Phi3ForCausalLM" => Phi3.Define(config),
        "Gemma2ForCausalLM" => Gemma.DefineGemma2(config, type),
        "Gemma3ForCausalLM" => Gemma.DefineGemma3(config, type),
        "Gemma3ForConditionalGeneration" => Gemma.DefineGemma3Wrapper(config, type),
        "GraniteForCausalLM" => Granite.Define(config),
        "Olmo2ForCausalLM" => Olmo2.Define(config),
        "OPTForCausalLM" => Opt.Define(config),
        "GPT2LMHeadModel" => Gpt2.Define(config),
        _ => null,
    };

    private static CheckpointException Unknown(HfConfig config)
    {
        string supported = $"supported are {string.Join(", ", Supported)}";
        if (config.Architectures.Count == 0)
        {
            return new CheckpointException(CheckpointProblem.Configuration, $"{HfConfig.FileName} names no architectures; {supported}");
        }

        string name = config.Architectures[0];
        string nearest = Supported[0];
        foreach (string candidate in Supported)
        {
            nearest = EditDistance.Between(name, candidate) < EditDistance.Between(name, nearest) ? candidate : nearest;
        }

        return new CheckpointException(
            CheckpointProblem.Unsupported, $"the architecture {name} is not supported; the nearest is {nearest}; {supported}");
    }
}
