using System;
using System.Collections.Generic;
using System.Globalization;
using System.IO;
using System.Text.Json;
using Quire.Models.Config;

namespace Quire.Models.Lora;

/// <summary>
/// The adapter_config.json of a LoRA adapter as the PEFT library writes it (https://huggingface.co/docs/peft, LoraConfig). Keys that
/// change nothing in what an adapter computes are ignored; those that do and are not supported are refused.
/// </summary>
public sealed class LoraConfig
{
    public const string FileName = "adapter_config.json";

    private const long MaxBytes = 4 << 20;
    private const int LargestRank = 1 << 20;
    private const double LargestAlpha = 1e9;

    /// <summary>Keys that change what is computed when they are set to something: nothing here does it.</summary>
    private static readonly string[] Unsupported =
        ["layer_replication", "alora_invocation_tokens", "arrow_config", "use_qalora", "use_bdlora", "trainable_token_indices", "target_parameters"];

    private readonly LoraPattern _ranks;
    private readonly LoraPattern _alphas;
    private readonly bool _rankStabilized;
    private readonly double _alpha;

    private LoraConfig(ConfigSection section, JsonElement root)
    {
        CheckRequired(root);
        Rank = ReadRank(section, root);
        _alpha = section.Double("lora_alpha", -LargestAlpha, LargestAlpha, 0);
        _rankStabilized = section.Boolean("use_rslora", false);
        _ranks = LoraPattern.Read(root, "rank_pattern", 1, LargestRank);
        _alphas = LoraPattern.Read(root, "alpha_pattern", -LargestAlpha, LargestAlpha);
        BaseModel = root.TryGetProperty("base_model_name_or_path", out JsonElement name) && name.ValueKind == JsonValueKind.String ? name.GetString() : null;
    }

    /// <summary>r: rank of every module that rank_pattern does not name.</summary>
    public int Rank { get; }

    /// <summary>The model that the adapter was trained on, as its author wrote it, or null.</summary>
    public string? BaseModel { get; }

    /// <summary>Reads adapter_config.json of a folder.</summary>
    /// <param name="folder">The adapter's folder.</param>
    /// <param name="maxRank">max_lora_rank.</param>
    /// <exception cref="CheckpointException">No such file, not valid, or an adapter of a kind that is not supported.</exception>
    public static LoraConfig Load(string folder, int maxRank)
    {
        JsonElement root = JsonFile.Read(Path.Combine(folder, FileName), MaxBytes);
        var section = new ConfigSection(root, FileName);
        var config = new LoraConfig(section, root);
        config.CheckLegal(section, root, maxRank);
        return config;
    }

    /// <summary>The rank of a module, by its full name in the model.</summary>
    public int RankOf(string module) => _ranks.Find(module) is { } rank ? (int)rank : Rank;

    /// <summary>The factor on B A x of a module: alpha / r, or alpha / √r with use_rslora (Kalajdzievski, arXiv 2312.03732).</summary>
    public double ScaleOf(string module)
    {
        double alpha = _alphas.Find(module) ?? _alpha;
        int rank = RankOf(module);
        return _rankStabilized ? alpha / Math.Sqrt(rank) : alpha / rank;
    }

    private static void CheckRequired(JsonElement root)
    {
        var missing = new List<string>();
        foreach (string key in (ReadOnlySpan<string>)["r", "lora_alpha", "target_modules"])
        {
            if (!root.TryGetProperty(key, out JsonElement value) || (value.ValueKind == JsonValueKind.Null && key != "target_modules"))
            {
                missing.Add($"'{key}'");
            }
        }

        if (missing.Count > 0)
        {
            throw Invalid($"Missing required configuration fields: {{{string.Join(", ", missing)}}}");
        }

        JsonElement modules = root.GetProperty("target_modules");
        if (modules.ValueKind is not (JsonValueKind.Array or JsonValueKind.String or JsonValueKind.Null))
        {
            throw Invalid("target_modules must be a list of names or a pattern");
        }
    }

    private static int ReadRank(ConfigSection section, JsonElement root)
    {
        JsonElement value = root.GetProperty("r");
        if (value.ValueKind == JsonValueKind.Number && value.TryGetDouble(out double number) && number <= 0)
        {
            throw Invalid(string.Create(CultureInfo.InvariantCulture, $"LoRA rank `r` must be a positive integer, got {number}."));
        }

        return section.Int32("r", 1, LargestRank);
    }

    /// <summary>One error that joins all that is wrong, as vLLM's.</summary>
    private void CheckLegal(ConfigSection section, JsonElement root, int maxRank)
    {
        string? type = section.String("peft_type");
        if (type is not null and not "LORA")
        {
            throw Invalid($"peft_type is {Shorten(type)}; only LORA can be served");
        }

        var problems = new List<string>();
        if (IsSet(root, "modules_to_save"))
        {
            problems.Add("vLLM only supports modules_to_save being None.");
        }

        if (IsSet(root, "use_dora"))
        {
            problems.Add("vLLM does not yet support DoRA.");
        }

        int largest = (int)Math.Max(Rank, _ranks.Largest ?? 0);
        if (largest > maxRank)
        {
            problems.Add($"LoRA rank {largest} is greater than max_lora_rank {maxRank}.");
        }

        if ((section.String("bias") ?? "none") != "none" || IsSet(root, "lora_bias"))
        {
            problems.Add("Adapter bias is not supported.");
        }

        foreach (string key in Unsupported)
        {
            if (IsSet(root, key))
            {
                problems.Add($"{key} changes what the adapter computes and is not supported.");
            }
        }

        if (problems.Count > 0)
        {
            throw new CheckpointException(CheckpointProblem.Unsupported, string.Join(' ', problems));
        }
    }

    /// <summary>True for a value that Python takes for true.</summary>
    private static bool IsSet(JsonElement root, string key) => root.TryGetProperty(key, out JsonElement value) && value.ValueKind switch
    {
        JsonValueKind.Null or JsonValueKind.False or JsonValueKind.Undefined => false,
        JsonValueKind.Array => value.GetArrayLength() > 0,
        JsonValueKind.Object => value.EnumerateObject().MoveNext(),
        JsonValueKind.String => value.GetString()!.Length > 0,
        JsonValueKind.Number => value.GetRawText() is not ("0" or "0.0"),
        _ => true,
    };

    internal static string Shorten(string text) => text.Length <= 100 ? text : text[..97] + "...";

    private static CheckpointException Invalid(string message) => new(CheckpointProblem.Configuration, message);
}
