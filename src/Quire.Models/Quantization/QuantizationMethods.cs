using System;
using System.Collections.Generic;
using Quire.Models.Config;

namespace Quire.Models.Quantization;

/// <summary>The names of quantisation methods, and which of them a model is run with.</summary>
public static class QuantizationMethods
{
    private const string Gguf = "gguf";

    private static readonly string[] Stored = [Awq.Name, Gptq.Name, Float8.Name, CompressedTensors.Name, SqueezeLlm.Name];

    /// <summary>Names that the option takes: methods of checkpoints, vLLM's other names for them, and methods for plain weights.</summary>
    public static IReadOnlyList<string> Names { get; } =
    [
        Awq.Name, "auto_awq", "awq_marlin", Gptq.Name, "auto_gptq", "gptq_marlin", Float8.Name, CompressedTensors.Name, SqueezeLlm.Name, Gguf,
        .. OnlineQuantization.Names,
    ];

    /// <summary>The method that a checkpoint states; null for plain weights.</summary>
    /// <exception cref="CheckpointException">It is not supported, or its settings are not.</exception>
    public static QuantizationScheme? OfCheckpoint(HfConfig config)
    {
        ArgumentNullException.ThrowIfNull(config);
        if (config.Quantization is not { } section)
        {
            return null;
        }

        string method = StatedMethod(section);
        return method switch
        {
            Awq.Name => new Awq(section),
            Gptq.Name => new Gptq(section),
            Float8.Name => new Float8(section),
            CompressedTensors.Name => new CompressedTensors(section),
            SqueezeLlm.Name => new SqueezeLlm(section),
            _ => throw section.Invalid(
                "quant_method", $"is '{method}'; supported are {string.Join(", ", Stored)}. Use a checkpoint in one of these formats, or the unquantised one"),
        };
    }

    /// <summary>The method in force: the checkpoint's own, or the one to quantise plain weights with.</summary>
    /// <param name="config">The model.</param>
    /// <param name="requested">As the option quantization; null leaves it to the checkpoint.</param>
    /// <exception cref="CheckpointException">The two do not agree, or the name is unknown.</exception>
    public static QuantizationScheme? Resolve(HfConfig config, string? requested)
    {
        QuantizationScheme? stored = OfCheckpoint(config);
        if (requested is null)
        {
            return stored;
        }

        string name = Canonical(requested);
        if (config.IsGguf)
        {
            return name == Gguf ? null : throw new CheckpointException(
                CheckpointProblem.Configuration,
                $"Quantization method specified in the model config (gguf) does not match the quantization method specified in the `quantization` argument "
                + $"({requested}). Leave the argument out: a GGUF file says itself how each of its tensors is stored.");
        }

        if (stored is not null)
        {
            return name == stored.Method || (name == "int8" && stored.Summary.Contains("int8 W8A8", StringComparison.Ordinal))
                ? stored
                : throw new CheckpointException(
                    CheckpointProblem.Configuration,
                    $"Quantization method specified in the model config ({stored.Method}) does not match the quantization method specified "
                    + $"in the `quantization` argument ({requested}). Leave the argument out, or use the unquantised model.");
        }

        return OnlineQuantization.Find(name) ?? throw new CheckpointException(
            CheckpointProblem.Configuration,
            name == Gguf ? "quantization gguf needs a .gguf file as model, not a folder; leave the argument out"
            : Array.IndexOf(Stored, name) >= 0
                ? $"quantization {requested} needs a checkpoint in that format, but {HfConfig.FileName} has no quantization_config: use such a "
                    + $"checkpoint, or quantise this one at load with one of {string.Join(", ", OnlineQuantization.Names)}"
                : $"Unknown quantization method: {requested}. Must be one of [{string.Join(", ", Names)}].");
    }

    /// <summary>What users of vLLM should know about a name, or null.</summary>
    public static string? Note(string? requested, QuantizationScheme? scheme) => requested?.ToLowerInvariant() switch
    {
        "awq_marlin" or "gptq_marlin" =>
            $"quantization {requested} names a GPU kernel of vLLM; here {scheme?.Method} is the same thing, and the kernels are chosen by the device",
        "auto_awq" or "auto_gptq" => $"quantization {requested} is run as {scheme?.Method}",
        "int8" when scheme is not null => $"quantization int8 is not a name of vLLM's; here it means {scheme.Summary}",
        _ => null,
    };

    /// <summary>quant_method, or what old files without it mean by their other keys.</summary>
    private static string StatedMethod(ConfigSection section)
    {
        string? stated = section.String("quant_method")?.ToLowerInvariant();
        return stated switch
        {
            null when section.Has("wbits") => SqueezeLlm.Name,
            null when section.Has("w_bit") || section.Has("zero_point") => Awq.Name,
            null when section.Has("desc_act") || section.Has("sym") => Gptq.Name,
            null => throw section.Invalid("quant_method", $"is missing; supported are {string.Join(", ", Stored)}"),
            "auto_awq" or "awq_marlin" => Awq.Name,
            "auto_gptq" or "gptq_marlin" => Gptq.Name,
            _ => stated,
        };
    }

    private static string Canonical(string requested) => requested.ToLowerInvariant() switch
    {
        "auto_awq" or "awq_marlin" => Awq.Name,
        "auto_gptq" or "gptq_marlin" => Gptq.Name,
        { } name => name,
    };
}
