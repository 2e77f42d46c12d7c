using System.Collections.Generic;
using System.Text.Json;
using Quire.Engine.Intake;
using Quire.Server.Http;
using Quire.Server.Requests;
using Quire.Server.Serving;

namespace Quire.Server.Completions;

/// <summary>The body of <c>POST /v1/completions</c>.</summary>
internal sealed class CompletionRequest
{
    private const string NoPrompt = "Either prompt or prompt_embeds must be provided and non-empty.";

    private CompletionRequest(GenerationFields fields) => Fields = fields;

    public GenerationFields Fields { get; }

    /// <summary>At least one prompt.</summary>
    public IReadOnlyList<Prompt> Prompts { get; private set; } = [];

    public int? Logprobs { get; private set; }

    /// <summary>Whether only the prompt is wanted back: <c>echo</c> with <c>max_tokens</c> 0.</summary>
    public bool IsEchoOnly => Fields.Echo && _maxTokensGiven && Fields.MaxTokens == 0;

    private bool _maxTokensGiven;

    public static CompletionRequest Read(JsonElement root, ServerContext server)
    {
        var request = new CompletionRequest(new GenerationFields(server.Options.Limits, server.Engine.Model.VocabularySize));
        JsonElement prompt = default;
        bool hasSuffix = false;
        foreach (JsonProperty property in root.EnumerateObject())
        {
            string name = JsonValue.NameOf(property, "body");
            string at = "body." + name;
            JsonElement value = property.Value;
            switch (name)
            {
                case "prompt": prompt = value; break;
                case "logprobs": request.Logprobs = JsonValue.Integer(value, at); break;
                case "suffix": hasSuffix = value.ValueKind != JsonValueKind.Null; break;
                case "response_format": ResponseFormat.Check(value, at); break;
                case "max_tokens":
                    request._maxTokensGiven = value.ValueKind != JsonValueKind.Null;
                    request.Fields.TryRead(name, value, at);
                    break;
                default:
                    if (!request.Fields.TryRead(name, value, at))
                    {
                        Log.UnknownField(server.Logger, name);
                    }

                    break;
            }
        }

        if (hasSuffix)
        {
            throw new ApiException(ApiError.Invalid("suffix", "suffix is not currently supported"));
        }

        request.Prompts = ReadPrompts(prompt, request.Fields, server);
        request.CheckRules(server);
        return request;
    }

    private void CheckRules(ServerContext server)
    {
        Fields.CheckRules();
        if (Logprobs is < 0 and not -1)
        {
            throw new ApiException(ApiError.Invalid("logprobs", "`logprobs` must be a positive value or -1."));
        }

        long outputs = (long)Fields.N * Prompts.Count;
        if (Prompts.Count > 1 && outputs > Core.Requests.SamplingParams.MaxN)
        {
            throw new ApiException(ApiError.Invalid("n",
                $"{Prompts.Count} prompts with n={Fields.N} are {outputs} outputs, and at most {Core.Requests.SamplingParams.MaxN} are allowed in a request."));
        }
    }

    private static List<Prompt> ReadPrompts(JsonElement prompt, GenerationFields fields, ServerContext server)
    {
        const string At = "body.prompt";
        bool special = fields.AddSpecialTokens ?? true;
        int tokensMax = TokensMax(server);
        switch (prompt.ValueKind)
        {
            case JsonValueKind.Undefined or JsonValueKind.Null:
                throw new ApiException(ApiError.Invalid("prompt", NoPrompt));
            case JsonValueKind.String:
                string text = JsonValue.TextOf(prompt, At);
                return text.Length > 0 ? [Prompt.FromText(text, special)] : throw new ApiException(ApiError.Invalid("prompt", NoPrompt));
            case JsonValueKind.Array when prompt.GetArrayLength() == 0:
                throw new ApiException(ApiError.Invalid("prompt", NoPrompt));
            case JsonValueKind.Array when prompt[0].ValueKind == JsonValueKind.Number:
                return [Prompt.FromTokens(JsonValue.Integers(prompt, At, tokensMax)!)];
            case JsonValueKind.Array:
                JsonValue.CheckList(prompt, At, "a list", server.Options.Limits.Prompts);
                return ReadList(prompt, At, special, tokensMax);
            default:
                throw JsonValue.Wrong(At, "a string, a list of strings, a list of token ids, or a list of such lists", prompt);
        }
    }

    private static List<Prompt> ReadList(JsonElement list, string at, bool special, int tokensMax)
    {
        JsonValueKind kind = list[0].ValueKind;
        if (kind is not (JsonValueKind.String or JsonValueKind.Array))
        {
            throw JsonValue.Wrong(at + "[0]", "a string, a token id, or a list of token ids", list[0]);
        }

        var prompts = new List<Prompt>(list.GetArrayLength());
        foreach (JsonElement item in list.EnumerateArray())
        {
            string place = $"{at}[{prompts.Count}]";
            if (item.ValueKind != kind)
            {
                throw JsonValue.Wrong(place, kind == JsonValueKind.String ? "a string like the prompt before it" : "a list like the prompt before it", item);
            }

            prompts.Add(kind == JsonValueKind.String
                ? Prompt.FromText(JsonValue.TextOf(item, place), special)
                : Prompt.FromTokens(JsonValue.Integers(item, place, tokensMax)!));
        }

        return prompts;
    }

    /// <summary>Room for prompts that are to be truncated; longer ones cannot be meant.</summary>
    private static int TokensMax(ServerContext server) => System.Math.Max(1 << 20, server.Engine.Model.MaxModelLen);
}
