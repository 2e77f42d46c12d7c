using System;
using System.Collections.Generic;
using System.Globalization;
using System.Text.Json;
using Quire.Core.Requests;
using Quire.Engine;
using Quire.Engine.Options;

namespace Quire.Cli.Text;

/// <summary>Reads SamplingParams from JSON with vLLM's field names. Ranges are checked later, with the engine's own words.</summary>
internal static class SamplingJson
{
    private static readonly string[] Fields =
    [
        "n", "presence_penalty", "frequency_penalty", "repetition_penalty", "temperature", "top_p", "top_k", "min_p", "seed", "stop", "stop_token_ids",
        "ignore_eos", "max_tokens", "min_tokens", "logprobs", "prompt_logprobs", "logprob_token_ids", "flat_logprobs", "detokenize", "skip_special_tokens",
        "spaces_between_special_tokens", "include_stop_str_in_output", "output_kind", "stream_interval", "structured_outputs", "logit_bias",
        "allowed_token_ids", "bad_words", "extra_args", "thinking_token_budget", "repetition_detection", "skip_reading_prefix_cache",
    ];

    /// <summary>Lays the fields of an object over parameters.</summary>
    /// <exception cref="QuireException">An unknown field or a value of the wrong type; it is about this request only.</exception>
    public static SamplingParams Apply(JsonElement json, SamplingParams start)
    {
        if (json.ValueKind != JsonValueKind.Object)
            throw JsonLines.Bad("sampling_params must be an object", "sampling_params");
        SamplingParams result = start;
        foreach (JsonProperty property in json.EnumerateObject())
            result = Apply(property.Name, property.Value, result);
        return result;
    }

    private static SamplingParams Apply(string name, JsonElement value, SamplingParams start) => name switch
    {
        "n" => start with { N = Int(name, value) },
        "presence_penalty" => start with { PresencePenalty = Number(name, value) },
        "frequency_penalty" => start with { FrequencyPenalty = Number(name, value) },
        "repetition_penalty" => start with { RepetitionPenalty = Number(name, value) },
        "temperature" => start with { Temperature = Number(name, value) },
        "top_p" => start with { TopP = Number(name, value) },
        "top_k" => start with { TopK = Int(name, value) },
        "min_p" => start with { MinP = Number(name, value) },
        "seed" => start with { Seed = IsNull(value) ? null : Long(name, value) },
        "stop" => start with { Stop = value.ValueKind == JsonValueKind.String ? [value.GetString()!] : Texts(name, value) },
        "stop_token_ids" => start with { StopTokenIds = Ints(name, value) ?? [] },
        "ignore_eos" => start with { IgnoreEos = Flag(name, value) },
        "max_tokens" => start with { MaxTokens = OptionalInt(name, value) },
        "min_tokens" => start with { MinTokens = Int(name, value) },
        "logprobs" => start with { Logprobs = Count(name, value) },
        "prompt_logprobs" => start with { PromptLogprobs = Count(name, value) },
        "logprob_token_ids" => start with { LogprobTokenIds = Ints(name, value) },
        "flat_logprobs" => start with { FlatLogprobs = Flag(name, value) },
        "detokenize" => start with { Detokenize = Flag(name, value) },
        "skip_special_tokens" => start with { SkipSpecialTokens = Flag(name, value) },
        "spaces_between_special_tokens" => start with { SpacesBetweenSpecialTokens = Flag(name, value) },
        "include_stop_str_in_output" => start with { IncludeStopStrInOutput = Flag(name, value) },
        "output_kind" => start with { OutputKind = Int(name, value) is >= 0 and <= 2 and var kind ? (RequestOutputKind)kind : throw JsonLines.Bad($"output_kind must be 0, 1 or 2, got {value.GetRawText()}", name) },
        "stream_interval" => start with { StreamInterval = OptionalInt(name, value) },
        "structured_outputs" => start with { StructuredOutputs = Structured(name, value) },
        "logit_bias" => start with { LogitBias = Bias(name, value) },
        "allowed_token_ids" => start with { AllowedTokenIds = Ints(name, value) },
        "bad_words" => start with { BadWords = Texts(name, value) },
        "extra_args" => start with { ExtraArgs = Extra(name, value) },
        "thinking_token_budget" => start with { ThinkingTokenBudget = OptionalInt(name, value) },
        "repetition_detection" => start with { RepetitionDetection = Repetition(name, value) },
        "skip_reading_prefix_cache" => start with { SkipReadingPrefixCache = IsNull(value) ? null : Flag(name, value) },
        _ => throw JsonLines.Bad($"sampling_params has no field {name}; did you mean {NearestName.Find(name, Fields, out _)}?", name),
    };

    private static bool IsNull(JsonElement value) => value.ValueKind is JsonValueKind.Null or JsonValueKind.Undefined;

    private static double Number(string name, JsonElement value) =>
        value.ValueKind == JsonValueKind.Number && value.TryGetDouble(out double number) ? number : throw Wrong(name, "a number", value);

    private static long Long(string name, JsonElement value) =>
        value.ValueKind == JsonValueKind.Number && value.TryGetInt64(out long number) ? number : throw Wrong(name, "an integer", value);

    private static int Int(string name, JsonElement value)
    {
        long number = Long(name, value);
        return number == (int)number ? (int)number : throw Wrong(name, "an integer of 32 bits", value);
    }

    private static int? OptionalInt(string name, JsonElement value) => IsNull(value) ? null : Int(name, value);

    /// <summary>true means 1, as in vLLM.</summary>
    private static int? Count(string name, JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.True => 1,
        JsonValueKind.False => null,
        _ => OptionalInt(name, value),
    };

    private static bool Flag(string name, JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.True => true,
        JsonValueKind.False => false,
        _ => throw Wrong(name, "true or false", value),
    };

    private static List<string> Texts(string name, JsonElement value)
    {
        if (IsNull(value))
            return [];
        if (value.ValueKind != JsonValueKind.Array)
            throw Wrong(name, "a list of texts", value);
        var texts = new List<string>(value.GetArrayLength());
        foreach (JsonElement item in value.EnumerateArray())
            texts.Add(item.ValueKind == JsonValueKind.String ? item.GetString()! : throw Wrong(name, "a list of texts", value));
        return texts;
    }

    private static int[]? Ints(string name, JsonElement value)
    {
        if (IsNull(value))
            return null;
        if (value.ValueKind != JsonValueKind.Array)
            throw Wrong(name, "a list of integers", value);
        var numbers = new List<int>(value.GetArrayLength());
        foreach (JsonElement item in value.EnumerateArray())
        {
            numbers.Add(item.ValueKind == JsonValueKind.Number && item.TryGetInt32(out int number)
                ? number : throw JsonLines.Bad($"{name} must contain only integers, got {Short(value)}.", name));
        }

        return numbers.ToArray();
    }

    private static Dictionary<int, float>? Bias(string name, JsonElement value)
    {
        if (IsNull(value))
            return null;
        if (value.ValueKind != JsonValueKind.Object)
            throw Wrong(name, "an object of token ids and numbers", value);
        var bias = new Dictionary<int, float>();
        var bad = new List<string>();
        foreach (JsonProperty property in value.EnumerateObject())
        {
            if (int.TryParse(property.Name, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out int token))
                bias[token] = (float)Number(name, property.Value);
            else
                bad.Add($"'{property.Name}'");
        }

        return bad.Count == 0 ? bias : throw JsonLines.Bad($"logit_bias contains key(s) that cannot be converted to integer token IDs: [{string.Join(", ", bad)}]", name);
    }

    private static Dictionary<string, string>? Extra(string name, JsonElement value)
    {
        if (IsNull(value))
            return null;
        if (value.ValueKind != JsonValueKind.Object)
            throw Wrong(name, "an object", value);
        var extra = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (JsonProperty property in value.EnumerateObject())
            extra[property.Name] = property.Value.GetRawText();
        return extra;
    }

    private static RepetitionDetection? Repetition(string name, JsonElement value)
    {
        if (IsNull(value))
            return null;
        if (value.ValueKind != JsonValueKind.Object)
            throw Wrong(name, "an object", value);
        var result = new RepetitionDetection();
        foreach (JsonProperty property in value.EnumerateObject())
        {
            result = property.Name switch
            {
                "max_pattern_size" => result with { MaxPatternSize = Int(property.Name, property.Value) },
                "min_pattern_size" => result with { MinPatternSize = Int(property.Name, property.Value) },
                "min_count" => result with { MinCount = Int(property.Name, property.Value) },
                _ => throw JsonLines.Bad($"repetition_detection has no field {property.Name}", name),
            };
        }

        return result;
    }

    private static StructuredOutputs? Structured(string name, JsonElement value)
    {
        if (IsNull(value))
            return null;
        if (value.ValueKind != JsonValueKind.Object)
            throw Wrong(name, "an object", value);
        var result = new StructuredOutputs();
        foreach (JsonProperty property in value.EnumerateObject())
        {
            JsonElement item = property.Value;
            result = property.Name switch
            {
                "json" => result with { Json = item.ValueKind == JsonValueKind.String ? item.GetString() : item.GetRawText() },
                "regex" => result with { Regex = Word(property.Name, item) },
                "choice" => result with { Choice = Texts(property.Name, item) },
                "grammar" => result with { Grammar = Word(property.Name, item) },
                "json_object" => result with { JsonObject = Flag(property.Name, item) },
                "structural_tag" => result with { StructuralTag = item.ValueKind == JsonValueKind.String ? item.GetString() : item.GetRawText() },
                "disable_any_whitespace" => result with { DisableAnyWhitespace = Flag(property.Name, item) },
                "disable_additional_properties" => result with { DisableAdditionalProperties = Flag(property.Name, item) },
                "whitespace_pattern" => result with { WhitespacePattern = Word(property.Name, item) },
                _ => throw JsonLines.Bad($"structured_outputs has no field {property.Name}", name),
            };
        }

        return result;
    }

    private static string Word(string name, JsonElement value) => value.ValueKind == JsonValueKind.String ? value.GetString()! : throw Wrong(name, "a text", value);

    private static QuireException Wrong(string name, string wanted, JsonElement value) => JsonLines.Bad($"{name} must be {wanted}, got {Short(value)}", name);

    private static string Short(JsonElement value)
    {
        string text = value.ValueKind == JsonValueKind.Undefined ? "nothing" : value.GetRawText();
        return text.Length <= 80 ? text : text[..77] + "...";
    }
}
