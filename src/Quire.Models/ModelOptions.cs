using System;
using System.Collections.Generic;
using Quire.Models.Lora;

namespace Quire.Models;

/// <summary>Where weights come from.</summary>
public enum LoadFormat
{
    /// <summary>Whatever the folder holds.</summary>
    Auto,

    /// <summary>safetensors files.</summary>
    Safetensors,

    /// <summary>A GGUF file.</summary>
    Gguf,

    /// <summary>Seeded random values in the shapes of config.json.</summary>
    Dummy,
}

/// <summary>How a model is loaded.</summary>
public sealed record ModelOptions
{
    /// <summary>auto, float32 (float), float16 (half) or bfloat16: element type of the weights.</summary>
    public string DType { get; init; } = "auto";

    public LoadFormat LoadFormat { get; init; }

    /// <summary>One of <see cref="Quantization.QuantizationMethods.Names"/>; null takes what the checkpoint says.</summary>
    public string? Quantization { get; init; }

    /// <summary>Seed of dummy weights.</summary>
    public ulong Seed { get; init; }

    /// <summary>Most tokens of one step: sizes the activation buffers.</summary>
    public int MaxBatchedTokens { get; init; } = 2048;

    /// <summary>Most rows that go through the output head at once: sizes the logits.</summary>
    public int MaxLogitRows { get; init; } = 256;

    /// <summary>Longest sequence: sizes the tables of rotary embeddings. Null takes the length that config.json implies.</summary>
    public int? MaxModelLength { get; init; }

    /// <summary>Room for LoRA adapters, or null for none.</summary>
    public LoraOptions? Lora { get; init; }

    /// <summary>A JSON object laid over config.json, or null.</summary>
    public string? HfOverrides { get; init; }
}

/// <summary>Names of <see cref="LoadFormat"/> on the command line.</summary>
public static class LoadFormats
{
    /// <summary>Names that are accepted.</summary>
    public static IReadOnlyList<string> Names { get; } = ["auto", "safetensors", "gguf", "dummy"];

    /// <summary>Reads a name, whatever its case.</summary>
    /// <exception cref="CheckpointException">An unknown name, or one of vLLM's that is refused or not available.</exception>
    public static LoadFormat Parse(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        return name.ToUpperInvariant() switch
        {
            "AUTO" => LoadFormat.Auto,
            "SAFETENSORS" => LoadFormat.Safetensors,
            "GGUF" => LoadFormat.Gguf,
            "DUMMY" => LoadFormat.Dummy,
            "PT" or "NPCACHE" => throw new CheckpointException(
                CheckpointProblem.Unsupported,
                $"load_format '{name}' is refused: it reads Python pickles, which can run code; convert the model to safetensors"),
            _ => throw new CheckpointException(
                CheckpointProblem.Unsupported, $"load_format '{name}' is unknown; valid are {string.Join(", ", Names)}"),
        };
    }
}
