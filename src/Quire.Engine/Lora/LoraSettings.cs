using System.Collections.Generic;
using Quire.Engine.Options;
using Quire.Models.Lora;

namespace Quire.Engine.Lora;

/// <summary>The options of LoRA in force, under enable_lora.</summary>
public sealed record LoraSettings
{
    /// <summary>max_loras: adapters in one step.</summary>
    public required int MaxLoras { get; init; }

    /// <summary>max_lora_rank.</summary>
    public required int MaxLoraRank { get; init; }

    /// <summary>max_cpu_loras: adapters in host memory.</summary>
    public required int MaxCpuLoras { get; init; }

    /// <summary>lora_dtype; auto is the type of activations.</summary>
    public required string DType { get; init; }

    /// <summary>lora_target_modules; null for every linear layer.</summary>
    public IReadOnlyList<string>? TargetModules { get; init; }

    /// <summary>The room that the model keeps.</summary>
    public LoraOptions Room => new(MaxLoras, MaxLoraRank, DType, TargetModules);

    /// <summary>The settings, or null without enable_lora.</summary>
    internal static LoraSettings? Of(OptionSet set)
    {
        if (set.GetFlag("enable_lora") != true)
        {
            return null;
        }

        int maxLoras = (int)(set.GetInteger("max_loras") ?? 1);
        return new LoraSettings
        {
            MaxLoras = maxLoras,
            MaxLoraRank = (int)(set.GetInteger("max_lora_rank") ?? 16),
            MaxCpuLoras = (int)(set.GetInteger("max_cpu_loras") ?? maxLoras),
            DType = set.GetText("lora_dtype") ?? "auto",
            TargetModules = set.GetList("lora_target_modules") is { Count: > 0 } modules ? modules : null,
        };
    }
}
