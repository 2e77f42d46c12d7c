using System;
using System.Collections.Generic;
using System.Globalization;
using System.Text.Json;
using Quire.Core.Requests;
using Quire.Models.Config;
using Quire.Server.Http;

namespace Quire.Server.Requests;

/// <summary>What <c>/v1/completions</c> and <c>/v1/chat/completions</c> have in common: sampling, streaming, and how to answer.</summary>
internal sealed class GenerationFields(ServerLimits limits, int vocabularySize)
{
    /// <summary>What a client may add to a logit at most; more is cut, as vLLM's server does. The library takes any number.</summary>
    private const double LogitBiasMax = 100;

    public string? Model { get; private set; }

    public bool Stream { get; private set; }

    public bool IncludeUsage { get; private set; }

    public bool ContinuousUsage { get; private set; }

    public int N { get; private set; } = 1;

    public int? MaxTokens { get; private set; }

    public int? PromptLogprobs { get; private set; }

    public bool Echo { get; private set; }

    public bool? AddSpecialTokens { get; private set; }

    public int? TruncatePromptTokens { get; private set; }

    public long Priority { get; private set; }

    public string? RequestId { get; private set; }

    public string? CacheSalt { get; private set; }

    public bool? ReturnTokensAsTokenIds { get; private set; }

    public bool ReturnTokenIds { get; private set; }

    private double? Temperature { get; set; }

    private double? TopP { get; set; }

    private int? TopK { get; set; }

    private double? MinP { get; set; }

    private double? RepetitionPenalty { get; set; }

    private double PresencePenalty { get; set; }

    private double FrequencyPenalty { get; set; }

    private long? Seed { get; set; }

    private IReadOnlyList<string>? Stop { get; set; }

    private IReadOnlyList<int>? StopTokenIds { get; set; }

    private IReadOnlyList<string>? BadWords { get; set; }

    private IReadOnlyList<int>? AllowedTokenIds { get; set; }

    private IReadOnlyList<int>? LogprobTokenIds { get; set; }

    private Dictionary<int, float>? LogitBias { get; set; }

    private RepetitionDetection? RepetitionDetection { get; set; }

    private bool IgnoreEos { get; set; }

    private bool IncludeStop { get; set; }

    private bool SkipSpecialTokens { get; set; } = true;

    private bool SpacesBetweenSpecialTokens { get; set; } = true;

    private int MinTokens { get; set; }

    private int? StreamInterval { get; set; }

    private int? BestOf { get; set; }

    private bool HasStreamOptions { get; set; }

    /// <summary>Takes a field if it is one of the common ones. Of a repeated field the last counts.</summary>
    public bool TryRead(string name, JsonElement value, string at)
    {
        switch (name)
        {
            case "model": Model = JsonValue.Text(value, at); return true;
            case "stream": Stream = JsonValue.Boolean(value, at) ?? false; return true;
            case "stream_options": ReadStreamOptions(value, at); return true;
            case "n": N = JsonValue.Integer(value, at) ?? 1; return true;
            case "best_of": BestOf = JsonValue.Integer(value, at); return true;
            case "max_tokens": MaxTokens = JsonValue.Integer(value, at); return true;
            case "min_tokens": MinTokens = JsonValue.Integer(value, at) ?? 0; return true;
            case "temperature": Temperature = JsonValue.Number(value, at); return true;
            case "top_p": TopP = JsonValue.Number(value, at); return true;
            case "top_k": TopK = JsonValue.Integer(value, at); return true;
            case "min_p": MinP = JsonValue.Number(value, at); return true;
            case "repetition_penalty": RepetitionPenalty = JsonValue.Number(value, at); return true;
            case "presence_penalty": PresencePenalty = JsonValue.Number(value, at) ?? 0; return true;
            case "frequency_penalty": FrequencyPenalty = JsonValue.Number(value, at) ?? 0; return true;
            case "seed": Seed = JsonValue.Long(value, at); return true;
            case "stop": Stop = ReadStop(value, at); return true;
            case "stop_token_ids": StopTokenIds = JsonValue.Integers(value, at, limits.ListEntries); return true;
            case "bad_words": BadWords = JsonValue.Texts(value, at, limits.ListEntries, limits.StopLength); return true;
            case "allowed_token_ids": AllowedTokenIds = JsonValue.Integers(value, at, vocabularySize); return true;
            case "logit_bias": LogitBias = ReadLogitBias(value, at); return true;
            case "logprob_token_ids": LogprobTokenIds = JsonValue.Integers(value, at, SamplingParams.MaxLogprobTokenIds); return true;
            case "prompt_logprobs": PromptLogprobs = JsonValue.Integer(value, at); return true;
            case "repetition_detection": RepetitionDetection = ReadRepetition(value, at); return true;
            case "ignore_eos": IgnoreEos = JsonValue.Boolean(value, at) ?? false; return true;
            case "include_stop_str_in_output": IncludeStop = JsonValue.Boolean(value, at) ?? false; return true;
            case "skip_special_tokens": SkipSpecialTokens = JsonValue.Boolean(value, at) ?? true; return true;
            case "spaces_between_special_tokens": SpacesBetweenSpecialTokens = JsonValue.Boolean(value, at) ?? true; return true;
            case "stream_interval": StreamInterval = JsonValue.Integer(value, at); return true;
            case "echo": Echo = JsonValue.Boolean(value, at) ?? false; return true;
            case "add_special_tokens": AddSpecialTokens = JsonValue.Boolean(value, at); return true;
            case "truncate_prompt_tokens": TruncatePromptTokens = JsonValue.Integer(value, at); return true;
            case "truncation_side": CheckTruncationSide(value, at); return true;
            case "priority": Priority = JsonValue.Long(value, at) ?? 0; return true;
            case "request_id": RequestId = JsonValue.Text(value, at); return true;
            case "cache_salt": CacheSalt = JsonValue.Text(value, at); return true;
            case "return_tokens_as_token_ids": ReturnTokensAsTokenIds = JsonValue.Boolean(value, at); return true;
            case "return_token_ids": ReturnTokenIds = JsonValue.Boolean(value, at) ?? false; return true;
            default: return UnavailableFields.Check(name, value);
        }
    }

    /// <summary>The rules between fields.</summary>
    public void CheckRules()
    {
        if (HasStreamOptions && !Stream)
        {
            throw new ApiException(ApiError.Invalid("stream_options", "Stream options can only be defined when `stream=True`."));
        }

        if (PromptLogprobs is < 0 and not -1)
        {
            throw new ApiException(ApiError.Invalid("prompt_logprobs", "`prompt_logprobs` must be a positive value or -1."));
        }

        if (Stream && PromptLogprobs is > 0 or -1)
        {
            throw new ApiException(ApiError.Invalid("prompt_logprobs", "`prompt_logprobs` are not available when `stream=True`."));
        }

        if (BestOf is { } bestOf && bestOf != 1 && bestOf != N)
        {
            throw new ApiException(ApiError.Invalid("best_of", $"best_of is not supported, got {bestOf}; leave it out, or ask for n answers and choose."));
        }

        // It is hashed once an output, on the engine's thread.
        if (CacheSalt?.Length > limits.CacheSaltLength)
        {
            throw new ApiException(ApiError.Invalid("cache_salt",
                $"cache_salt has {CacheSalt.Length} characters, and at most {limits.CacheSaltLength} are allowed."));
        }

        if (CacheSalt is { Length: 0 })
        {
            throw new ApiException(ApiError.Invalid("cache_salt", "Parameter 'cache_salt' must be a non-empty string if provided."));
        }

        if (TruncatePromptTokens < -1)
        {
            throw new ApiException(ApiError.Invalid("truncate_prompt_tokens",
                $"truncate_prompt_tokens must be at least -1, got {TruncatePromptTokens}."));
        }
    }

    /// <summary>Sampling as the engine takes it: the request's value, else the model's default, else vLLM's.</summary>
    public SamplingParams ToSampling(GenerationConfig defaults, int? maxTokens, int? logprobs, int? promptLogprobs) => new()
    {
        N = N,
        PresencePenalty = PresencePenalty,
        FrequencyPenalty = FrequencyPenalty,
        RepetitionPenalty = RepetitionPenalty ?? defaults.RepetitionPenalty ?? 1.0,
        Temperature = Temperature ?? defaults.Temperature ?? 1.0,
        TopP = TopP ?? defaults.TopP ?? 1.0,
        TopK = TopK ?? defaults.TopK ?? 0,
        MinP = MinP ?? defaults.MinP ?? 0.0,
        Seed = Seed,
        Stop = Stop ?? [],
        StopTokenIds = StopTokenIds ?? [],
        IgnoreEos = IgnoreEos,
        MaxTokens = maxTokens,
        MinTokens = MinTokens,
        Logprobs = logprobs,
        PromptLogprobs = promptLogprobs,
        LogprobTokenIds = LogprobTokenIds,
        SkipSpecialTokens = SkipSpecialTokens,
        SpacesBetweenSpecialTokens = SpacesBetweenSpecialTokens,
        IncludeStopStrInOutput = IncludeStop,
        OutputKind = Stream ? RequestOutputKind.Delta : RequestOutputKind.FinalOnly,
        StreamInterval = StreamInterval,
        LogitBias = LogitBias,
        AllowedTokenIds = AllowedTokenIds,
        BadWords = BadWords ?? [],
        RepetitionDetection = RepetitionDetection,
    };

    private void ReadStreamOptions(JsonElement value, string at)
    {
        HasStreamOptions = false;
        IncludeUsage = ContinuousUsage = false;
        if (JsonValue.Object(value, at) is not { } options)
        {
            return;
        }

        HasStreamOptions = true;
        foreach (JsonProperty property in options.EnumerateObject())
        {
            switch (JsonValue.NameOf(property, at))
            {
                case "include_usage": IncludeUsage = JsonValue.Boolean(property.Value, at + ".include_usage") ?? false; break;
                case "continuous_usage_stats": ContinuousUsage = JsonValue.Boolean(property.Value, at + ".continuous_usage_stats") ?? false; break;
                default: break;
            }
        }
    }

    private IReadOnlyList<string>? ReadStop(JsonElement value, string at)
    {
        IReadOnlyList<string>? stops = JsonValue.Texts(value, at, limits.ListEntries, limits.StopLength);
        int characters = 0;
        foreach (string stop in stops ?? [])
        {
            characters += stop.Length;
        }

        return characters <= limits.StopCharacters ? stops : throw new ApiException(ApiError.Schema(at,
            $"the texts have {characters} characters together, and at most {limits.StopCharacters} are allowed"));
    }

    private Dictionary<int, float>? ReadLogitBias(JsonElement value, string at)
    {
        if (JsonValue.Object(value, at) is not { } map)
        {
            return null;
        }

        var bias = new Dictionary<int, float>();
        List<string>? badKeys = null;
        foreach (JsonProperty property in map.EnumerateObject())
        {
            string name = JsonValue.NameOf(property, at);
            if (!int.TryParse(name, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out int token))
            {
                (badKeys ??= []).Add(name);
                continue;
            }

            double number = JsonValue.Number(property.Value, $"{at}.{token}")
                ?? throw JsonValue.Wrong($"{at}.{token}", "a number", property.Value);
            bias[token] = (float)Math.Clamp(number, -LogitBiasMax, LogitBiasMax);
            if (bias.Count > vocabularySize)
            {
                throw new ApiException(ApiError.Invalid("logit_bias",
                    $"logit_bias has more entries than the vocabulary, which has {vocabularySize} tokens."));
            }
        }

        return badKeys is null ? bias : throw new ApiException(ApiError.Invalid("logit_bias",
            $"logit_bias contains key(s) that cannot be converted to integer token IDs: [{ShownKeys(badKeys)}]"));
    }

    private static string ShownKeys(List<string> keys)
    {
        const int KeysMax = 10;
        var shown = new List<string>();
        foreach (string key in keys)
        {
            if (shown.Count == KeysMax)
            {
                shown.Add("…");
                break;
            }

            shown.Add($"'{(key.Length > 40 ? key[..40] : key)}'");
        }

        return string.Join(", ", shown);
    }

    private static RepetitionDetection? ReadRepetition(JsonElement value, string at)
    {
        if (JsonValue.Object(value, at) is not { } map)
        {
            return null;
        }

        int largest = 0, smallest = 0, count = 0;
        foreach (JsonProperty property in map.EnumerateObject())
        {
            string name = JsonValue.NameOf(property, at);
            int number = name is "max_pattern_size" or "min_pattern_size" or "min_count"
                ? JsonValue.Integer(property.Value, $"{at}.{name}") ?? 0
                : 0;
            switch (name)
            {
                case "max_pattern_size": largest = number; break;
                case "min_pattern_size": smallest = number; break;
                case "min_count": count = number; break;
                default: break;
            }
        }

        return new RepetitionDetection(largest, smallest, count);
    }

    private static void CheckTruncationSide(JsonElement value, string at)
    {
        string? side = JsonValue.Text(value, at);
        if (side is not (null or "left"))
        {
            throw side == "right"
                ? new ApiException(ApiError.NotAvailable("truncation_side", "Truncating prompts at their end"))
                : new ApiException(ApiError.Schema(at, "must be \"left\" or \"right\""));
        }
    }
}
