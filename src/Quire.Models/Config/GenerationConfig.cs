using System.Collections.Generic;
using System.IO;
using System.Text;
using System.Text.Json;
using Quire.Models.Gguf;

namespace Quire.Models.Config;

/// <summary>
/// The sampling defaults that a checkpoint brings in generation_config.json. Other keys, do_sample among them, are not read.
/// </summary>
public sealed record GenerationConfig
{
    public const string FileName = "generation_config.json";

    private const long MaxBytes = 1 << 20;
    private const int MaxTokens = 1 << 30;

    /// <summary>A model without the file.</summary>
    public static GenerationConfig Empty { get; } = new();

    /// <summary>Tokens that end a sequence; empty when the file names none.</summary>
    public IReadOnlyList<int> EosTokenIds { get; init; } = [];

    public double? Temperature { get; init; }

    public int? TopK { get; init; }

    public double? TopP { get; init; }

    public double? MinP { get; init; }

    public double? RepetitionPenalty { get; init; }

    /// <summary>Default and limit of max_tokens.</summary>
    public int? MaxNewTokens { get; init; }

    /// <summary>Reads the file of a folder; a missing file counts as an empty one.</summary>
    /// <param name="folder">A model folder, another folder that holds the file, or a GGUF file, whose general.sampling keys count.</param>
    /// <param name="overridesJson">A JSON object laid over the file (vLLM's override_generation_config), or null.</param>
    /// <exception cref="CheckpointException">Not valid JSON, or a value of the wrong type or out of range.</exception>
    public static GenerationConfig Load(string folder, string? overridesJson = null)
    {
        if (GgufFile.IsGguf(folder))
        {
            return Create(GgufSampling.Read(folder), overridesJson);
        }

        string path = Path.Combine(folder, FileName);
        JsonElement root = File.Exists(path) ? JsonFile.Read(path, MaxBytes) : JsonFile.Parse("{}"u8.ToArray(), FileName);
        return Create(root, overridesJson);
    }

    /// <summary>Only the values of <paramref name="overridesJson"/>: for generation_config = vllm, which ignores the file.</summary>
    public static GenerationConfig FromOverrides(string? overridesJson) => Create(JsonFile.Parse("{}"u8.ToArray(), FileName), overridesJson);

    private static GenerationConfig Create(JsonElement root, string? overridesJson)
    {
        if (overridesJson is not null)
        {
            root = JsonFile.Merge(root, JsonFile.Parse(Encoding.UTF8.GetBytes(overridesJson), "override_generation_config"));
        }

        var section = new ConfigSection(root, FileName);
        return new GenerationConfig
        {
            EosTokenIds = section.OneOrManyInt32("eos_token_id", 0, int.MaxValue),
            Temperature = section.OptionalDouble("temperature", 0, 1e6),
            TopK = section.OptionalInt32("top_k", -1, int.MaxValue),
            TopP = section.OptionalDouble("top_p", 0, 1),
            MinP = section.OptionalDouble("min_p", 0, 1),
            RepetitionPenalty = section.OptionalDouble("repetition_penalty", 1e-6, 1e6),
            MaxNewTokens = section.OptionalInt32("max_new_tokens", 1, MaxTokens),
        };
    }
}
