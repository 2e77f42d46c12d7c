using System.Collections.Generic;
using System.Text;
using System.Text.Json;

namespace Quire.Engine.Options;

/// <summary>Checks that need neither the model nor the device.</summary>
public static class OptionChecks
{
    /// <summary>
    /// Null when every value is in its range, available in this version, and fits the others; otherwise the first mistake.
    /// </summary>
    /// <param name="set">What was set.</param>
    /// <param name="planning">True for commands that only calculate: options of features that are missing here may be set.</param>
    public static OptionProblem? FirstMistake(OptionSet set, bool planning = false)
    {
        foreach (OptionSetting setting in set.Settings)
        {
            object value = setting.Value;
            if (OptionValue.Check(setting.Option, ref value) is { } problem)
                return new OptionProblem(ErrorCodes.InvalidOption, setting.Option.Name, problem);
            if (!ReferenceEquals(value, setting.Value) && !value.Equals(setting.Value))
                set.Put(setting.Option.Name, value, setting.Origin, setting.Where);
        }

        if (!planning && FirstRefused(set) is { } refused)
            return refused;
        return FirstContradiction(set);
    }

    /// <summary>Warnings of a set: retired names, and one line for all options that have no effect here.</summary>
    public static IReadOnlyList<string> Warnings(OptionSet set)
    {
        var warnings = new List<string>(set.Warnings);
        StringBuilder? idle = null;
        foreach (OptionSetting setting in set.Settings)
        {
            if (setting.Option.Effect != OptionEffect.Hint || setting.Option.IsNeutral(setting.Value))
                continue;
            idle = idle is null ? new StringBuilder("without effect in this version: ") : idle.Append("; ");
            idle.Append(setting.Option.Name).Append(" (").Append(setting.Option.Note).Append(')');
        }

        if (idle is not null)
            warnings.Add(idle.ToString());
        return warnings;
    }

    private static OptionProblem? FirstRefused(OptionSet set)
    {
        foreach (OptionSetting setting in set.Settings)
        {
            if (setting.Option.Effect == OptionEffect.Refused && !setting.Option.IsNeutral(setting.Value))
            {
                return new OptionProblem(ErrorCodes.NotAvailable, setting.Option.Name,
                    $"{setting.Option.Name} {OptionValue.Format(setting.Value)} is not available: {setting.Option.Note}");
            }
        }

        return null;
    }

    private static OptionProblem? FirstContradiction(OptionSet set)
    {
        if (set.GetInteger("max_num_batched_tokens") is { } batched && set.GetInteger("max_num_seqs") is { } seqs && batched < seqs)
            return Conflict("max_num_batched_tokens", $"max_num_batched_tokens ({batched}) must be greater than or equal to max_num_seqs ({seqs}).");
        if (set.GetInteger("max_cpu_loras") is { } cpuLoras && cpuLoras < (set.GetInteger("max_loras") ?? 1))
            return Conflict("max_cpu_loras", $"max_cpu_loras ({cpuLoras}) must be greater than or equal to max_loras ({set.GetInteger("max_loras") ?? 1}).");
        if (set.GetList("lora_modules") is { Count: > 0 } && set.GetFlag("enable_lora") != true)
            return Conflict("lora_modules", "lora_modules needs enable_lora as well");
        if (set.GetInteger("max_model_len") is { } length and (0 or 1))
        {
            return new OptionProblem(ErrorCodes.InvalidOption, "max_model_len",
                $"max_model_len must be at least 2 (a token of prompt, one of output), or -1 (auto), got {length}");
        }

        if (set.GetFlag("enable_auto_tool_choice") == true && string.IsNullOrEmpty(set.GetText("tool_call_parser")))
            return Conflict("enable_auto_tool_choice", "Error: --enable-auto-tool-choice requires --tool-call-parser");
        if (set.GetFlag("enable_log_outputs") == true && set.GetFlag("enable_log_requests") != true)
            return Conflict("enable_log_outputs", "enable_log_outputs requires enable_log_requests");
        if (set.GetText("ssl_keyfile") is not null && set.GetText("ssl_certfile") is null)
            return Conflict("ssl_keyfile", "ssl_keyfile needs ssl_certfile as well");
        return SpeculationConflict(set) ?? StructuredConflict(set);
    }

    private static OptionProblem? SpeculationConflict(OptionSet set)
    {
        if (set.GetJson("speculative_config") is not { ValueKind: JsonValueKind.Object } config)
            return null;
        foreach ((string option, string key) in (((string, string)[])[("spec_method", "method"), ("spec_model", "model"), ("spec_tokens", "num_speculative_tokens")]))
        {
            if (set.Find(option) is not null && config.TryGetProperty(key, out _))
                return Conflict(option, $"{option} and speculative_config.{key} are both set; keep one");
        }

        if (config.TryGetProperty("tensor_parallel_size", out _))
            return Conflict("speculative_config", "speculative_config has no tensor_parallel_size; use draft_tensor_parallel_size");
        return null;
    }

    private static OptionProblem? StructuredConflict(OptionSet set)
    {
        if (set.GetJson("structured_outputs_config") is not { ValueKind: JsonValueKind.Object } config)
            return null;
        string[] known = ["backend", "disable_any_whitespace", "disable_additional_properties", "reasoning_parser", "enable_in_reasoning"];
        foreach (JsonProperty property in config.EnumerateObject())
        {
            if (System.Array.IndexOf(known, property.Name) < 0)
            {
                string nearest = NearestName.Find(property.Name, known, out _)!;
                return new OptionProblem(ErrorCodes.UnknownOption, "structured_outputs_config",
                    $"structured_outputs_config has no key {property.Name}; did you mean {nearest}?");
            }
        }

        string backend = config.TryGetProperty("backend", out JsonElement value) && value.ValueKind == JsonValueKind.String ? value.GetString()! : "auto";
        string[] backends = ["auto", "xgrammar", "guidance", "outlines", "lm-format-enforcer"];
        if (System.Array.IndexOf(backends, backend) < 0)
        {
            return new OptionProblem(ErrorCodes.InvalidOption, "structured_outputs_config",
                $"structured_outputs_config.backend must be one of {string.Join(", ", backends)}, got {backend}");
        }

        bool noWhitespace = config.TryGetProperty("disable_any_whitespace", out JsonElement flag) && flag.ValueKind == JsonValueKind.True;
        if (noWhitespace && backend is not ("xgrammar" or "guidance"))
            return Conflict("structured_outputs_config", "disable_any_whitespace is only supported for xgrammar and guidance backends.");
        return null;
    }

    private static OptionProblem Conflict(string option, string message) => new(ErrorCodes.ConflictingOptions, option, message);
}
