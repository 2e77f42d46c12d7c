using System.Collections.Generic;
using System.IO;
using System.Text;
using System.Text.Json;
using Quire.Models.Gguf;

namespace Quire.Models.Config;

/// <summary>
/// The config.json of a Hugging Face checkpoint, in the spellings of transformers 4 (rope_theta, rope_scaling, torch_dtype) and 5
/// (rope_parameters, dtype). Values are read through checked getters; nothing in it is trusted. The metadata of a GGUF file is read into
/// the same form.
/// </summary>
public sealed class HfConfig
{
    public const string FileName = "config.json";

    private const long MaxBytes = 16 << 20;

    /// <summary>Files in which old tools left what is now quantization_config.</summary>
    private static readonly string[] QuantizationFiles = ["quantize_config.json", "quant_config.json"];

    private HfConfig(JsonElement root, string file, GgufArchitecture? gguf, ConfigSection? quantization)
    {
        Gguf = gguf;
        Root = new ConfigSection(root, file);
        Text = Root.Section("text_config") ?? Root;
        Architectures = Root.Strings("architectures") ?? Text.Strings("architectures") ?? [];
        Quantization = Root.Section("quantization_config") ?? Text.Section("quantization_config") ?? Root.Section("compression_config") ?? quantization;
        ModelType = Text.String("model_type") ?? Root.String("model_type") ?? "";
    }

    /// <summary>True when this was made from the metadata of a GGUF file.</summary>
    public bool IsGguf => Gguf is not null;

    /// <summary>How the weights are quantised: quantization_config, or the file that old tools wrote instead; null for plain weights.</summary>
    public ConfigSection? Quantization { get; }

    /// <summary>The outermost object.</summary>
    public ConfigSection Root { get; }

    /// <summary>The object that describes the language model: text_config of a multimodal wrapper, else <see cref="Root"/>.</summary>
    public ConfigSection Text { get; }

    /// <summary>Class names, such as LlamaForCausalLM; normally one.</summary>
    public IReadOnlyList<string> Architectures { get; }

    /// <summary>Family name, such as llama; empty when absent.</summary>
    public string ModelType { get; }

    /// <summary>The checkpoint's element type by name (dtype or torch_dtype, the language model's first), or null.</summary>
    public string? DTypeName => Text.String("dtype") ?? Text.String("torch_dtype") ?? Root.String("dtype") ?? Root.String("torch_dtype");

    /// <summary>Tokens that end a sequence according to config.json; empty when it names none.</summary>
    public IReadOnlyList<int> EosTokenIds => TokenIds("eos_token_id");

    /// <summary>The token that begins a sequence, or null.</summary>
    public int? BosTokenId => TokenIds("bos_token_id") is [int first, ..] ? first : null;

    /// <summary>How the weights of a GGUF file are named and laid out; null for Hugging Face's layout.</summary>
    internal GgufArchitecture? Gguf { get; }

    /// <summary>Bytes of all weights of a GGUF file with quantised ones; null for other models.</summary>
    internal long? PackedWeightBytes { get; private set; }

    /// <summary>Reads config.json of a model folder, or the metadata of a GGUF file.</summary>
    /// <param name="folder">The folder, or the path of a JSON file of any name, or of a .gguf file.</param>
    /// <param name="overridesJson">A JSON object laid over the file, nested objects merged (vLLM's hf_overrides), or null.</param>
    /// <exception cref="CheckpointException">No such file, or not valid.</exception>
    public static HfConfig Load(string folder, string? overridesJson = null)
    {
        if (GgufFile.IsGguf(folder))
        {
            return LoadGguf(folder, overridesJson);
        }

        string path = File.Exists(folder) ? folder : Path.Combine(folder, FileName);
        if (!File.Exists(path))
        {
            throw new CheckpointException(
                CheckpointProblem.MissingFile,
                Directory.Exists(folder)
                    ? $"{folder} holds no {FileName}; a model is a folder in Hugging Face layout"
                    : $"the model folder {folder} does not exist");
        }

        return Create(JsonFile.Read(path, MaxBytes), FileName, overridesJson, null, QuantizationFile(Path.GetDirectoryName(Path.GetFullPath(path))!));
    }

    /// <summary>Reads the text of a config.json.</summary>
    public static HfConfig Parse(string json, string? overridesJson = null) =>
        Create(JsonFile.Parse(Encoding.UTF8.GetBytes(json), FileName), FileName, overridesJson);

    private static HfConfig LoadGguf(string path, string? overridesJson)
    {
        using GgufCheckpoint file = GgufCheckpoint.Open(path);
        string name = Path.GetFileName(path);
        HfConfig config = Create(JsonFile.Parse(Encoding.UTF8.GetBytes(GgufConfig.Read(file)), name), name, overridesJson, file.Architecture);
        config.PackedWeightBytes = file.IsPacked ? file.TensorBytes : null;
        return config;
    }

    private static ConfigSection? QuantizationFile(string folder)
    {
        foreach (string name in QuantizationFiles)
        {
            string path = Path.Combine(folder, name);
            if (File.Exists(path))
            {
                return new ConfigSection(JsonFile.Read(path, MaxBytes), name);
            }
        }

        return null;
    }

    private static HfConfig Create(
        JsonElement root, string file, string? overridesJson, GgufArchitecture? gguf = null, ConfigSection? quantization = null)
    {
        if (overridesJson is not null)
        {
            root = JsonFile.Merge(root, JsonFile.Parse(Encoding.UTF8.GetBytes(overridesJson), "hf_overrides"));
        }

        return new HfConfig(root, file, gguf, quantization);
    }

    private IReadOnlyList<int> TokenIds(string key)
    {
        IReadOnlyList<int> ids = Text.OneOrManyInt32(key, 0, int.MaxValue);
        return ids.Count > 0 ? ids : Root.OneOrManyInt32(key, 0, int.MaxValue);
    }
}
