using System;
using System.Collections.Generic;
using Quire.Engine.Lora;

namespace Quire.Engine.Options;

/// <summary>One option as it is in force.</summary>
/// <param name="Option">Which.</param>
/// <param name="Value">Its value as text.</param>
/// <param name="Origin">Who decided.</param>
/// <param name="Where">Exactly where it was set; empty when nobody did.</param>
/// <param name="Reason">Why it has this value, in a clause.</param>
public sealed record ResolvedOption(OptionDescriptor Option, string Value, OptionOrigin Origin, string Where, string Reason);

/// <summary>
/// The options in force, once the model and the device are known: every number that the engine needs, and for each option its value,
/// origin and reason (what <c>quire explain</c> prints).
/// </summary>
public sealed record ResolvedOptions
{
    /// <summary>What was asked for.</summary>
    public required EngineOptions Asked { get; init; }

    public required string Model { get; init; }

    public required string Tokenizer { get; init; }

    /// <summary>At least one; the first stands in responses.</summary>
    public required IReadOnlyList<string> ServedModelNames { get; init; }

    /// <summary>Tokens; with <see cref="FitMaxModelLen"/> an upper bound.</summary>
    public required int MaxModelLen { get; init; }

    /// <summary>True when max_model_len is auto: the engine lowers <see cref="MaxModelLen"/> to what the KV cache holds.</summary>
    public bool FitMaxModelLen { get; init; }

    public required int MaxNumSeqs { get; init; }

    public required int MaxNumBatchedTokens { get; init; }

    public required int MaxNumScheduledTokens { get; init; }

    public double GpuMemoryUtilization { get; init; } = 0.92;

    /// <summary>Bytes of KV cache when set by hand.</summary>
    public long? KvCacheMemoryBytes { get; init; }

    /// <summary>Blocks of KV cache when set by hand.</summary>
    public int? NumGpuBlocksOverride { get; init; }

    /// <summary>Tokens of one block.</summary>
    public int BlockSize { get; init; } = 16;

    public bool EnablePrefixCaching { get; init; } = true;

    public bool EnableChunkedPrefill { get; init; } = true;

    /// <summary>Whether all layers share one block table, also where only some of them have a window.</summary>
    public bool DisableHybridKvCacheManager { get; init; }

    /// <summary>0 sets no limit.</summary>
    public int LongPrefillTokenThreshold { get; init; }

    /// <summary><c>fcfs</c> or <c>priority</c>.</summary>
    public string SchedulingPolicy { get; init; } = "fcfs";

    /// <summary>In [0, 1).</summary>
    public double Watermark { get; init; }

    public bool SchedulerReserveFullIsl { get; init; } = true;

    public bool AsyncScheduling { get; init; } = true;

    public int StreamInterval { get; init; } = 1;

    public long Seed { get; init; }

    /// <summary>−1 is the whole vocabulary.</summary>
    public int MaxLogprobs { get; init; } = 20;

    public string LogprobsMode { get; init; } = "raw_logprobs";

    /// <summary>Type that weights are kept in: <c>float32</c>, <c>float16</c> or <c>bfloat16</c>.</summary>
    public required string DType { get; init; }

    /// <summary>Whether <see cref="DType"/> was asked for by name rather than taken from the checkpoint.</summary>
    public bool DTypeIsForced { get; init; }

    /// <summary><c>auto</c>, <c>float32</c>, <c>float16</c> or <c>bfloat16</c>.</summary>
    public string KvCacheDType { get; init; } = "auto";

    /// <summary><c>auto</c>, <c>safetensors</c> or <c>dummy</c>.</summary>
    public string LoadFormat { get; init; } = "auto";

    /// <summary>The quantization method that was asked for; null takes what the checkpoint says.</summary>
    public string? Quantization { get; init; }

    /// <summary><c>auto</c>, <c>vllm</c> or a folder.</summary>
    public string GenerationConfig { get; init; } = "auto";

    public bool DisableLogStats { get; init; }

    public bool SkipTokenizerInit { get; init; }

    /// <summary>The options of LoRA; null without enable_lora.</summary>
    public LoraSettings? Lora { get; init; }

    /// <summary>Worker threads of the CPU backend; 0 is one per core.</summary>
    public int Threads { get; init; }

    /// <summary>Every option of the engine, in catalogue order.</summary>
    public required IReadOnlyList<ResolvedOption> Explanations { get; init; }

    /// <summary>One line each, for the log.</summary>
    public IReadOnlyList<string> Warnings { get; init; } = [];

    /// <summary>The same with one explanation replaced: for values that are known only after memory has been planned.</summary>
    public ResolvedOptions Explain(string name, string value, OptionOrigin origin, string reason)
    {
        OptionDescriptor option = OptionCatalogue.Find(name) ?? throw new ArgumentException($"there is no option {name}", nameof(name));
        var entries = new List<ResolvedOption>(Explanations.Count);
        foreach (ResolvedOption entry in Explanations)
            entries.Add(entry.Option.Name == option.Name ? new ResolvedOption(option, value, origin, entry.Where, reason) : entry);
        return this with { Explanations = entries };
    }
}
