using System;
using Quire.Models.Config;
using Quire.Models.Quantization;

namespace Quire.Engine.Options;

/// <summary>What the defaults of options depend on in a model: read from its config.json alone.</summary>
public sealed record ModelFacts
{
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

    /// <summary>config.json's <c>quantization_config.quant_method</c>, by its usual name; null for plain weights.</summary>
    public string? QuantizationMethod { get; init; }

    /// <summary>What nobody set is told to the user in this line; null when config.json says everything.</summary>
    public string? Warning { get; init; }

    /// <exception cref="Quire.Models.CheckpointException">config.json has values that cannot be.</exception>
    public static ModelFacts Of(HfConfig config)
    {
        ArgumentNullException.ThrowIfNull(config);
        ModelLength length = ModelLength.Of(config);
        return new ModelFacts
        {
            ModelType = config.ModelType,
            CheckpointDType = config.DTypeName ?? "float32",
            DerivedMaxModelLen = length.Derived,
            DerivedMaxModelLenKey = length.Key,
            DefaultMaxModelLen = length.Default,
            ModelMaxLength = length.ModelMaxLength,
            VocabularySize = config.Text.OptionalInt32("vocab_size", 1, int.MaxValue) ?? 0,
            QuantizationMethod = QuantizationMethods.OfCheckpoint(config)?.Method,
            Warning = length.Warning,
        };
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
