using System.Collections.Generic;
using System.Text.Json;
using Quire.Server.Http;
using Quire.Server.Requests;
using Quire.Server.Serving;

namespace Quire.Server.Chat;

/// <summary>The body of <c>POST /v1/chat/completions</c>. Its JSON elements live as long as the body.</summary>
internal sealed class ChatRequest
{
    private ChatRequest(GenerationFields fields) => Fields = fields;

    public GenerationFields Fields { get; }

    public JsonElement Messages { get; private set; }

    public bool Logprobs { get; private set; }

    public int TopLogprobs { get; private set; }

    public int? MaxCompletionTokens { get; private set; }

    /// <summary>The new name wins over the old.</summary>
    public int? MaxTokens => MaxCompletionTokens ?? Fields.MaxTokens;

    public ChatTemplateFields Template { get; } = new();

    /// <summary>Whether the text of the prompt is wanted back.</summary>
    public bool ReturnPromptText { get; private set; }

    public static ChatRequest Read(JsonElement root, ServerContext server)
    {
        var request = new ChatRequest(new GenerationFields(server.Options.Limits, server.Engine.Model.VocabularySize));
        foreach (JsonProperty property in root.EnumerateObject())
        {
            string name = JsonValue.NameOf(property, "body");
            if (!request.TryRead(name, property.Value, "body." + name))
            {
                Log.UnknownField(server.Logger, name);
            }
        }

        request.CheckRules(server);
        return request;
    }

    private bool TryRead(string name, JsonElement value, string at)
    {
        switch (name)
        {
            case "messages": Messages = value; return true;
            case "logprobs": Logprobs = JsonValue.Boolean(value, at) ?? false; return true;
            case "top_logprobs": TopLogprobs = JsonValue.Integer(value, at) ?? 0; return true;
            case "max_completion_tokens": MaxCompletionTokens = JsonValue.Integer(value, at); return true;
            case "return_prompt_text": ReturnPromptText = JsonValue.Boolean(value, at) ?? false; return true;
            case "response_format": ResponseFormat.Check(value, at); return true;
            case "modalities": CheckModalities(value, at); return true;
            case "include_reasoning": JsonValue.Boolean(value, at); return true;
            default: return Template.TryRead(name, value, at) || Fields.TryRead(name, value, at);
        }
    }

    private void CheckRules(ServerContext server)
    {
        Template.CheckRules(server);
        Fields.CheckRules();
        if (TopLogprobs is < 0 and not -1)
        {
            throw new ApiException(ApiError.Invalid("top_logprobs", "`top_logprobs` must be a positive value or -1."));
        }

        if (TopLogprobs is > 0 or -1 && !Logprobs)
        {
            throw new ApiException(ApiError.Invalid("top_logprobs", "when using `top_logprobs`, `logprobs` must be set to true."));
        }
    }

    /// <summary>Text is what comes back; a client that wants audio would wait for it.</summary>
    private static void CheckModalities(JsonElement value, string at)
    {
        foreach (string modality in JsonValue.Texts(value, at, entriesMax: 8, lengthMax: 64) ?? (IReadOnlyList<string>)[])
        {
            if (modality != "text")
            {
                throw new ApiException(ApiError.Invalid("modalities", "modalities: only \"text\" is served."));
            }
        }
    }
}
