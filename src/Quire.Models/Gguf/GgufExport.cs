using System;
using System.Collections.Generic;
using System.IO;
using Quire.Models.Config;
using Quire.Models.Weights;
using Quire.Tensors;

namespace Quire.Models.Gguf;

/// <summary>A tokenizer as keys of a GGUF file; lists are as long as the vocabulary.</summary>
public sealed record GgufTokenizerKeys
{
    /// <summary><c>gpt2</c> or <c>llama</c>.</summary>
    public required string Model { get; init; }

    /// <summary>The name of the pre-tokenizer.</summary>
    public required string Pre { get; init; }

    public required IReadOnlyList<string> Tokens { get; init; }

    public required IReadOnlyList<int> Types { get; init; }

    /// <summary>Empty for byte-level BPE.</summary>
    public IReadOnlyList<float> Scores { get; init; } = [];

    /// <summary>Empty for SentencePiece BPE.</summary>
    public IReadOnlyList<string> Merges { get; init; } = [];

    /// <summary>Ids by key, such as bos_token_id.</summary>
    public required IReadOnlyList<KeyValuePair<string, int>> Ids { get; init; }

    /// <summary>Flags by key, such as add_bos_token.</summary>
    public required IReadOnlyList<KeyValuePair<string, bool>> Flags { get; init; }

    /// <summary>The chat template, or null.</summary>
    public string? ChatTemplate { get; init; }
}

/// <summary>Writes a model folder as one GGUF file that llama.cpp loads as well.</summary>
public static class GgufExport
{
    /// <summary>Types that matrices can be written in, by the names of the option.</summary>
    public static IReadOnlyList<string> OutputTypes { get; } = ["f32", "f16", "bf16", "q8_0", "q4_0"];

    /// <summary>Converts a folder.</summary>
    /// <param name="folder">A model folder with safetensors files.</param>
    /// <param name="name">general.name.</param>
    /// <param name="outputType">One of <see cref="OutputTypes"/>.</param>
    /// <param name="tokenizer">The tokenizer's keys.</param>
    /// <param name="target">Where the file goes.</param>
    /// <param name="progress">Told after every tensor, or null.</param>
    /// <exception cref="CheckpointException">The folder cannot be read, or has no form in GGUF.</exception>
    public static void Write(
        string folder, string name, string outputType, GgufTokenizerKeys tokenizer, Stream target, IProgress<LoadProgress>? progress = null)
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        ArgumentNullException.ThrowIfNull(target);
        HfConfig config = HfConfig.Load(folder);
        if (config.IsGguf)
        {
            throw new CheckpointException(CheckpointProblem.Unsupported, $"{folder} is a GGUF file already; converting starts from a folder with safetensors files");
        }

        ModelDefinition definition = ArchitectureRegistry.Define(config, DType.F32);
        GgufArchitecture architecture = Architecture(definition.Spec.Architecture);
        GgufType type = TypeOf(outputType);
        using CheckpointFiles files = CheckpointFiles.Open(folder);
        using var conversion = new GgufConversion(definition, architecture, files, type);
        using var writer = new GgufWriter();
        writer.Set("general.architecture", architecture.Name);
        writer.Set("general.type", "model");
        writer.Set("general.name", name);
        writer.Set("general.file_type", type.FileType);
        writer.Set("general.quantization_version", 2);
        var keys = new GgufModelKeys(writer, architecture, definition.Spec);
        keys.Write();
        WriteTokenizer(writer, tokenizer);
        conversion.Write(writer, keys.RopeFactors, target, progress);
    }

    private static GgufArchitecture Architecture(string className) => GgufArchitecture.OfClass(className) ?? throw new CheckpointException(
        CheckpointProblem.Unsupported, $"the architecture {className} has no form in GGUF that Quire knows");

    private static GgufType TypeOf(string outputType)
    {
        foreach (GgufType type in GgufTypes.All)
        {
            if (string.Equals(type.Name, outputType, StringComparison.OrdinalIgnoreCase) && System.Linq.Enumerable.Contains(OutputTypes, outputType))
            {
                return type;
            }
        }

        throw new CheckpointException(CheckpointProblem.Configuration, $"outtype '{outputType}' is unknown; valid are {string.Join(", ", OutputTypes)}");
    }

    private static void WriteTokenizer(GgufWriter writer, GgufTokenizerKeys tokenizer)
    {
        const string Prefix = "tokenizer.ggml.";
        writer.Set(Prefix + "model", tokenizer.Model);
        writer.Set(Prefix + "pre", tokenizer.Pre);
        writer.Set(Prefix + "tokens", tokenizer.Tokens);
        if (tokenizer.Scores.Count > 0)
        {
            writer.Set(Prefix + "scores", tokenizer.Scores);
        }

        writer.Set(Prefix + "token_type", tokenizer.Types);
        if (tokenizer.Merges.Count > 0)
        {
            writer.Set(Prefix + "merges", tokenizer.Merges);
        }

        foreach ((string key, int id) in tokenizer.Ids)
        {
            writer.Set(Prefix + key, id);
        }

        foreach ((string key, bool value) in tokenizer.Flags)
        {
            writer.Set(Prefix + key, value);
        }

        if (tokenizer.ChatTemplate is not null)
        {
            writer.Set("tokenizer.chat_template", tokenizer.ChatTemplate);
        }
    }
}
