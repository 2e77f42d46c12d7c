using System;
using System.Collections.Generic;
using System.Text.Json.Nodes;
using Quire.Engine;
using Quire.Engine.Options;

namespace Quire.Cli.CommandLine;

/// <summary>The fields of SamplingParams as options: <c>--max-tokens 64</c> becomes <c>"max_tokens": 64</c>.</summary>
internal sealed class SamplingFlags
{
    private enum Form
    {
        Flag,
        Number,
        Text,
        TextList,
        IntegerList,
        Json,
    }

    private static readonly (string Name, Form Form, string Help)[] Table =
    [
        ("n", Form.Number, "Outputs for each prompt."),
        ("max_tokens", Form.Number, "Most tokens of an output; none is up to the context length."),
        ("min_tokens", Form.Number, "Tokens before an output may end."),
        ("temperature", Form.Number, "0 takes the most likely token."),
        ("top_p", Form.Number, "Keep the most likely tokens up to this sum of probability."),
        ("top_k", Form.Number, "Keep this many tokens; 0 is off."),
        ("min_p", Form.Number, "Drop tokens less likely than this times the most likely."),
        ("presence_penalty", Form.Number, "Subtracted from the logit of tokens that stand in the output."),
        ("frequency_penalty", Form.Number, "Subtracted for every time a token stands in the output."),
        ("repetition_penalty", Form.Number, "Divides the logit of tokens in prompt or output."),
        ("seed", Form.Number, "Makes sampling repeatable."),
        ("stop", Form.TextList, "Texts that end an output."),
        ("stop_token_ids", Form.IntegerList, "Tokens that end an output."),
        ("ignore_eos", Form.Flag, "Go on after the end-of-sequence token."),
        ("include_stop_str_in_output", Form.Flag, "Keep the stop text."),
        ("logprobs", Form.Number, "Log-probabilities of this many best tokens at each position."),
        ("prompt_logprobs", Form.Number, "The same for the prompt."),
        ("logprob_token_ids", Form.IntegerList, "Log-probabilities of these tokens."),
        ("flat_logprobs", Form.Flag, "A form of vLLM's Python results; the output here is the same."),
        ("detokenize", Form.Flag, "Turn tokens into text."),
        ("skip_special_tokens", Form.Flag, "Leave special tokens out of the text."),
        ("spaces_between_special_tokens", Form.Flag, "Spaces between special tokens in the text."),
        ("logit_bias", Form.Json, "Object of token id and what is added to its logit."),
        ("allowed_token_ids", Form.IntegerList, "Only these tokens."),
        ("bad_words", Form.TextList, "Texts that are never generated."),
        ("structured_outputs", Form.Json, "Constraint: json, regex, choice, grammar, json_object or structural_tag."),
        ("thinking_token_budget", Form.Number, "Most tokens of the thinking section."),
        ("repetition_detection", Form.Json, "max_pattern_size, min_pattern_size, min_count."),
        ("skip_reading_prefix_cache", Form.Flag, "Compute the whole prompt."),
        ("output_kind", Form.Number, "A form of vLLM's Python results; the output here is the same."),
        ("extra_args", Form.Json, "Further arguments for extensions."),
    ];

    /// <summary>Field names, as in SamplingParams.</summary>
    public static IEnumerable<string> Names
    {
        get
        {
            foreach ((string name, _, _) in Table)
                yield return name;
        }
    }

    /// <summary>Flag and help of each option.</summary>
    public static IEnumerable<(string Flag, string Help)> HelpLines
    {
        get
        {
            foreach ((string name, _, string help) in Table)
                yield return ("--" + name.Replace('_', '-'), help);
        }
    }

    private readonly HashSet<string> _setInThisSource = new(StringComparer.Ordinal);

    /// <summary>What was given, by field name.</summary>
    public JsonObject Values { get; } = [];

    /// <summary>From here on another source is read, whose lists replace the earlier ones instead of growing them.</summary>
    public void BeginSource() => _setInThisSource.Clear();

    public static bool Knows(string flag) => TryFind(flag, out _, out _);

    public static bool IsFlag(string flag) => TryFind(flag, out (string, Form Form, string) row, out _) && row.Form == Form.Flag;

    public static bool IsList(string flag) => TryFind(flag, out (string, Form Form, string) row, out _) && row.Form is Form.TextList or Form.IntegerList;

    /// <summary>Adds an option with its values; lists grow with every use.</summary>
    public OptionProblem? Add(string flag, IReadOnlyList<string> values)
    {
        if (!TryFind(flag, out (string Name, Form Form, string Help) row, out bool negated))
            return OptionSet.Unknown(flag, flag);
        string text = values[0];
        switch (row.Form)
        {
            case Form.Flag:
                if (!OptionValue.TryParseFlag(text, out bool value))
                    return Bad(row.Name, $"{row.Name} must be true or false, got {text}");
                Values[row.Name] = value != negated;
                return null;
            case Form.Number:
                if (text is "none" or "None" or "null")
                {
                    Values[row.Name] = null;
                    return null;
                }

                if (!OptionValue.TryParse(NumberShape(row.Name), text, out _, out string problem))
                    return Bad(row.Name, problem);
                Values[row.Name] = ParseNumber(text);
                return null;
            case Form.TextList or Form.IntegerList:
                return AddItems(row.Name, row.Form == Form.IntegerList, values);
            default:
                JsonNode? json = Parse(text);
                if (json is not JsonObject)
                    return Bad(row.Name, $"{row.Name} must be a JSON object, got {text}");
                Values[row.Name] = json;
                return null;
        }
    }

    private OptionProblem? AddItems(string name, bool integers, IReadOnlyList<string> values)
    {
        if (!_setInThisSource.Add(name) && Values[name] is JsonArray grown)
            return Append(name, grown, integers, values);
        var list = new JsonArray();
        Values[name] = list;
        return Append(name, list, integers, values);
    }

    private static OptionProblem? Append(string name, JsonArray list, bool integers, IReadOnlyList<string> values)
    {
        foreach (string text in values)
        {
            if (!integers)
            {
                list.Add((JsonNode?)JsonValue.Create(text));
                continue;
            }

            foreach (string part in text.Split([',', ' ', '[', ']'], StringSplitOptions.RemoveEmptyEntries))
            {
                if (!int.TryParse(part, System.Globalization.NumberStyles.AllowLeadingSign, System.Globalization.CultureInfo.InvariantCulture, out int id))
                    return Bad(name, $"{name} must contain only integers, got {part}");
                list.Add((JsonNode?)JsonValue.Create(id));
            }
        }

        return null;
    }

    private static OptionDescriptor NumberShape(string name) =>
        new() { Name = name, Group = OptionGroup.Model, Kind = OptionKind.Number, Default = "none", Help = "" };

    private static JsonValue ParseNumber(string text) =>
        long.TryParse(text, System.Globalization.NumberStyles.AllowLeadingSign, System.Globalization.CultureInfo.InvariantCulture, out long integer)
            ? JsonValue.Create(integer)
            : JsonValue.Create(double.Parse(text, System.Globalization.CultureInfo.InvariantCulture));

    private static JsonNode? Parse(string text)
    {
        try
        {
            return JsonNode.Parse(text);
        }
        catch (System.Text.Json.JsonException)
        {
            return null;
        }
    }

    private static bool TryFind(string flag, out (string Name, Form Form, string Help) row, out bool negated)
    {
        string name = OptionCatalogue.NormalizeName(flag);
        negated = false;
        foreach ((string Name, Form Form, string Help) candidate in Table)
        {
            if (candidate.Name == name || (candidate.Form == Form.Flag && name == "no_" + candidate.Name))
            {
                row = candidate;
                negated = candidate.Name != name;
                return true;
            }
        }

        row = default;
        return false;
    }

    private static OptionProblem Bad(string name, string message) => new(ErrorCodes.InvalidOption, name, message);
}
