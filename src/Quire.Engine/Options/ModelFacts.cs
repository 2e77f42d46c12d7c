using System;
using System.Text.Json;

namespace Quire.Engine.Options;

/// <summary>What the defaults of options depend on in a model: read from its config.json alone.</summary>
public sealed record ModelFacts
{
    private static readonly string[] LengthKeys =
    [
        "max_position_embeddings", "n_positions", "max_seq_len", "seq_length", "model_max_length", "max_target_positions",
        "max_sequence_length", "max_seq_length", "seq_len",
    ];

    private const int LengthWithoutKey = 2048;

    /// <summary>config.json's <c>model_type</c>; empty when absent.</summary>
    public string ModelType { get; init; } = "";

    /// <summary>The checkpoint's type by vLLM's name, such as <c>bfloat16</c>.</summary>
    public string CheckpointDType { get; init; } = "float32";

    /// <summary>Longest sequence by the config, RoPE scaling included.</summary>
    public int DerivedMaxModelLen { get; init; } = LengthWithoutKey;

    /// <summary>The config key that <see cref="DerivedMaxModelLen"/> comes from; null when the config has none.</summary>
    public string? DerivedMaxModelLenKey { get; init; }

    /// <summary>What is taken when the user sets no length; differs from the derived one for longrope only.</summary>
    public int DefaultMaxModelLen { get; init; } = LengthWithoutKey;

    /// <summary>config.json's own <c>model_max_length</c>, which allows longer user values.</summary>
    public int? ModelMaxLength { get; init; }

    /// <summary>Tokens of the vocabulary; 0 when unknown.</summary>
    public int VocabularySize { get; init; }

    /// <summary>config.json's <c>quantization_config.quant_method</c>; null for plain weights.</summary>
    public string? QuantizationMethod { get; init; }

    /// <summary>Reads a config.json; of a multi-part model the text part counts.</summary>
    public static ModelFacts FromConfig(JsonElement config)
    {
        JsonElement text = config.TryGetProperty("text_config", out JsonElement part) && part.ValueKind == JsonValueKind.Object ? part : config;
        (int derived, string? key, int? unset) = DeriveLength(text, Text(config, "model_type") ?? "");
        return new ModelFacts
        {
            ModelType = Text(config, "model_type") ?? "",
            CheckpointDType = Text(text, "dtype") ?? Text(text, "torch_dtype") ?? Text(config, "dtype") ?? Text(config, "torch_dtype") ?? "float32",
            DerivedMaxModelLen = derived,
            DerivedMaxModelLenKey = key,
            DefaultMaxModelLen = unset ?? derived,
            ModelMaxLength = Integer(text, "model_max_length"),
            VocabularySize = Integer(text, "vocab_size") ?? 0,
            QuantizationMethod = config.TryGetProperty("quantization_config", out JsonElement quantization) ? Text(quantization, "quant_method") : null,
        };
    }

    private static (int Derived, string? Key, int? Unset) DeriveLength(JsonElement config, string modelType)
    {
        int? smallest = null;
        string? found = null;
        foreach (string key in LengthKeys)
        {
            if (Integer(config, key) is { } value && (smallest is null || value < smallest))
                (smallest, found) = (value, key);
        }

        if (Integer(config, "model_max_length") is { } own)
            (smallest, found) = (own, "model_max_length");
        if (smallest is not { } length)
            return (LengthWithoutKey, null, null);

        if (RopeScaling(config) is not { } rope)
            return (length, found, null);
        string type = Text(rope, "rope_type") ?? Text(rope, "type") ?? "default";
        int? original = Integer(rope, "original_max_position_embeddings") ?? Integer(config, "original_max_position_embeddings");
        if (type is "su" or "longrope")
            return (length, found, original);
        if (type is "llama3" or "default" or "mrope" || modelType.StartsWith("gemma3", StringComparison.Ordinal))
            return (length, found, null);
        double factor = rope.TryGetProperty("factor", out JsonElement f) && f.ValueKind == JsonValueKind.Number ? f.GetDouble() : 1.0;
        if (type == "yarn" && original is { } yarnBase)
            length = yarnBase;
        return ((int)Math.Min(int.MaxValue, length * factor), found, null);
    }

    private static JsonElement? RopeScaling(JsonElement config)
    {
        foreach (string key in (ReadOnlySpan<string>)["rope_parameters", "rope_scaling"])
        {
            if (config.TryGetProperty(key, out JsonElement rope) && rope.ValueKind == JsonValueKind.Object)
                return rope;
        }

        return null;
    }

    private static string? Text(JsonElement owner, string key) =>
        owner.ValueKind == JsonValueKind.Object && owner.TryGetProperty(key, out JsonElement value) && value.ValueKind == JsonValueKind.String
            ? value.GetString() : null;

    private static int? Integer(JsonElement owner, string key)
    {
        if (owner.ValueKind != JsonValueKind.Object || !owner.TryGetProperty(key, out JsonElement value) || value.ValueKind != JsonValueKind.Number)
            return null;

        // A tokenizer's "no limit" (1e30) written as a float is no length.
        return value.TryGetInt32(out int number) && number > 0 ? number : null;
    }
}

/// <summary>What the defaults of options depend on in a machine.</summary>
/// <param name="Kind"><c>cpu</c> or <c>cuda</c>.</param>
/// <param name="Name">The device's own name.</param>
/// <param name="TotalMemoryBytes">All of its memory.</param>
/// <param name="AvailableMemoryBytes">What is free now.</param>
public sealed record DeviceFacts(string Kind, string Name, long TotalMemoryBytes, long AvailableMemoryBytes);

/// <summary>What an engine is started for: servers get smaller steps, for latency.</summary>
public enum UsageContext
{
    Unknown,
    OfflineBatch,
    ApiServer,
}
