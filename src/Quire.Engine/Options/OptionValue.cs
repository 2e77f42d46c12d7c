using System;
using System.Collections.Generic;
using System.Globalization;
using System.Text.Json;

namespace Quire.Engine.Options;

/// <summary>Reads, checks and prints the values of options.</summary>
public static class OptionValue
{
    private static readonly JsonDocumentOptions JsonLimits = new() { MaxDepth = 64, AllowTrailingCommas = false };

    /// <summary>Turns text into the value that <paramref name="option"/> holds; on failure <paramref name="problem"/> is one sentence.</summary>
    public static bool TryParse(OptionDescriptor option, string text, out object value, out string problem)
    {
        value = text;
        problem = "";
        string trimmed = text.Trim();
        if (option.Keywords is not null && option.Keywords.TryGetValue(trimmed.ToLowerInvariant(), out long keyword))
        {
            value = keyword;
            return true;
        }

        switch (option.Kind)
        {
            case OptionKind.Flag:
                if (TryParseFlag(trimmed, out bool flag))
                    value = flag;
                else
                    problem = $"{option.Name} must be true or false, got {text}";
                break;
            case OptionKind.Integer:
                if (long.TryParse(trimmed, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out long integer))
                    value = integer;
                else
                    problem = $"{option.Name} must be an integer, got {text}";
                break;
            case OptionKind.Size:
                if (HumanInteger.TryParse(trimmed, out long size, out string why))
                    value = size;
                else
                    problem = $"{option.Name}: {why}";
                break;
            case OptionKind.Number:
                if (double.TryParse(trimmed, NumberStyles.Float, CultureInfo.InvariantCulture, out double number) && double.IsFinite(number))
                    value = number;
                else
                    problem = $"{option.Name} must be a finite number, got {text}";
                break;
            case OptionKind.TextList:
                value = ParseList(trimmed);
                break;
            case OptionKind.Json:
                if (TryParseJson(trimmed, out JsonElement json))
                    value = json;
                else
                    problem = $"{option.Name} must be JSON, got {text}; quote it for the shell, or use dotted keys ({option.Flag}.key value)";
                break;
            default:
                break;
        }

        if (problem.Length == 0)
            problem = Check(option, ref value) ?? "";
        return problem.Length == 0;
    }

    /// <summary>Null when the value is in the option's range; otherwise one sentence. A choice is brought to its usual spelling.</summary>
    public static string? Check(OptionDescriptor option, ref object value)
    {
        switch (value)
        {
            case string text when option.Kind == OptionKind.Choice:
                foreach (string choice in option.Choices)
                {
                    if (string.Equals(choice, text, StringComparison.OrdinalIgnoreCase))
                    {
                        value = choice;
                        return null;
                    }
                }

                foreach (string refused in option.RefusedChoices)
                {
                    if (string.Equals(refused, text, StringComparison.OrdinalIgnoreCase))
                    {
                        string why = (option.Name, refused) is ("load_format", "pt" or "npcache")
                            ? " (it reads Python pickles, which can run code; convert the model to safetensors)"
                            : "";
                        return $"{option.Name} {refused} is not available in this version{why}; "
                            + (option.Choices.Count == 0 ? "leave it out" : $"use one of {string.Join(", ", option.Choices)}");
                    }
                }

                return option.Name switch
                {
                    "dtype" => $"Unknown dtype: '{text}'. Use one of {string.Join(", ", option.Choices)}",
                    "quantization" => $"Unknown quantization method: {text}. Must be one of [{string.Join(", ", option.Choices)}].",
                    _ => $"{option.Name} must be one of {string.Join(", ", option.Choices)}, got {text}",
                };
            case long number when !option.IsWide && number != (int)number:
                return $"{option.Name} must be at most {int.MaxValue}, got {number}";
            case long number:
                return CheckRange(option, number, number.ToString(CultureInfo.InvariantCulture));
            case double number:
                return double.IsFinite(number) ? CheckRange(option, number, Format(number)) : $"{option.Name} must be a finite number, got {Format(number)}";
            default:
                return null;
        }
    }

    /// <summary>The value as users write it.</summary>
    public static string Format(object? value) => value switch
    {
        null => "none",
        bool flag => flag ? "true" : "false",
        long number => number.ToString(CultureInfo.InvariantCulture),
        int number => number.ToString(CultureInfo.InvariantCulture),
        double number => number.ToString("R", CultureInfo.InvariantCulture),
        string text => text,
        IReadOnlyList<string> list => string.Join(",", list),
        JsonElement json => json.GetRawText(),
        _ => value.ToString() ?? "",
    };

    /// <summary>True for what vLLM and YAML take for a truth value.</summary>
    public static bool TryParseFlag(string text, out bool value)
    {
        value = false;
        switch (text.ToLowerInvariant())
        {
            case "true" or "1" or "yes" or "on":
                value = true;
                return true;
            case "false" or "0" or "no" or "off":
                return true;
            default:
                return false;
        }
    }

    internal static bool TryParseJson(string text, out JsonElement json)
    {
        try
        {
            using var document = JsonDocument.Parse(text, JsonLimits);
            json = document.RootElement.Clone();
            return true;
        }
        catch (JsonException)
        {
            json = default;
            return false;
        }
    }

    private static IReadOnlyList<string> ParseList(string text)
    {
        if (text.StartsWith('[') && TryParseJson(text, out JsonElement json) && json.ValueKind == JsonValueKind.Array)
        {
            var items = new List<string>();
            foreach (JsonElement item in json.EnumerateArray())
                items.Add(item.ValueKind == JsonValueKind.String ? item.GetString()! : item.GetRawText());
            return items;
        }

        // An entry that is itself a JSON object (a LoRA module) holds commas that do not separate.
        return text.StartsWith('{') ? [text] : text.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
    }

    private static string? CheckRange(OptionDescriptor option, double number, string text)
    {
        if (option.Minimum is { } low && (number < low || (option.MinimumIsExclusive && number == low)))
        {
            return option.Maximum is null
                ? $"{option.Name} must be {(option.MinimumIsExclusive ? "greater than" : "at least")} {Format(low)}, got {text}"
                : RangeText(option, text);
        }

        if (option.Maximum is { } high && (number > high || (option.MaximumIsExclusive && number == high)))
            return RangeText(option, text);
        if (option.Choices.Count > 0 && option.Kind is OptionKind.Integer && !Contains(option.Choices, text))
            return $"{option.Name} must be one of {string.Join(", ", option.Choices)}, got {text}";
        return null;
    }

    private static string RangeText(OptionDescriptor option, string text)
    {
        string left = option.Minimum is { } low ? (option.MinimumIsExclusive ? "(" : "[") + Format(low) : "(-inf";
        string right = Format(option.Maximum!.Value) + (option.MaximumIsExclusive ? ")" : "]");
        return $"{option.Name} must be in {left}, {right}, got {text}";
    }

    private static bool Contains(IReadOnlyList<string> items, string text)
    {
        foreach (string item in items)
        {
            if (item == text)
                return true;
        }

        return false;
    }
}
