using System;
using System.IO;
using System.Text.Json;
using Quire.Cli.CommandLine;
using Quire.Engine;
using Quire.Engine.Loading;
using Quire.Engine.Options;
using Quire.Models.Gguf;
using Quire.Models;
using Quire.Models.Config;

namespace Quire.Cli.Planning;

/// <summary>What can be known of a model without loading it.</summary>
internal sealed class ModelFiles
{
    private ModelFiles(string path, HfConfig config, ModelFacts facts)
    {
        Path = path;
        Config = config;
        Facts = facts;
    }

    /// <summary>The folder, or the config.json itself.</summary>
    public string Path { get; }

    public HfConfig Config { get; }

    public ModelFacts Facts { get; }

    /// <summary>Reads config.json of a folder, or a configuration file given directly.</summary>
    public static ModelFiles Open(OptionSet options)
    {
        string path = ModelLocator.Locate(options);
        string? overrides = options.GetJson("hf_overrides")?.GetRawText();
        try
        {
            HfConfig config = HfConfig.Load(path, overrides);
            return new ModelFiles(path, config, ModelFacts.Of(config));
        }
        catch (CheckpointException failure)
        {
            throw LoadErrors.From(failure);
        }
    }

    /// <summary>Bytes of the weight files, or what their index says; null when the folder holds none.</summary>
    public long? WeightFileBytes()
    {
        if (GgufFile.IsGguf(Path))
            return GgufCheckpoint.SizeOf(Path);
        if (!Directory.Exists(Path))
            return null;
        string index = System.IO.Path.Combine(Path, "model.safetensors.index.json");
        if (File.Exists(index))
        {
            using var document = JsonDocument.Parse(File.ReadAllBytes(index));
            if (document.RootElement.TryGetProperty("metadata", out JsonElement metadata) && metadata.ValueKind == JsonValueKind.Object
                && metadata.TryGetProperty("total_size", out JsonElement size) && size.TryGetInt64(out long total) && total > 0)
            {
                return total;
            }
        }

        long sum = 0;
        foreach (string file in Directory.GetFiles(Path, "*.safetensors"))
        {
            if (!System.IO.Path.GetFileName(file).StartsWith("consolidated", StringComparison.Ordinal))
                sum += (File.ResolveLinkTarget(file, returnFinalTarget: true) as FileInfo ?? new FileInfo(file)).Length;
        }

        return sum > 0 ? sum : null;
    }

    /// <summary>The folder of the tokenizer files.</summary>
    public static string TokenizerFolder(OptionSet options)
    {
        string path = ModelLocator.LocateTokenizer(options);
        return File.Exists(path) && !GgufFile.IsGguf(path) ? System.IO.Path.GetDirectoryName(System.IO.Path.GetFullPath(path))! : path;
    }

    /// <summary>Turns a resolution's mistake into an error.</summary>
    public static ResolvedOptions Resolve(OptionSet options, ModelFacts model, DeviceFacts device, UsageContext use, bool planning) =>
        OptionResolver.TryResolve(new EngineOptions(options), model, device, use, out OptionProblem? problem, planning)
        ?? throw Failures.From(problem!);
}
