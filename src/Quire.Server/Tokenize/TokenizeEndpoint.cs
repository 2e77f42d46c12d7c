using System.Collections.Generic;
using System.Text.Json;
using System.Threading.Tasks;
using Microsoft.AspNetCore.Http;
using Quire.Server.Chat;
using Quire.Server.Http;
using Quire.Server.Requests;
using Quire.Server.Serving;

namespace Quire.Server.Tokenize;

/// <summary><c>POST /tokenize</c>: the tokens of a text or of a conversation.</summary>
internal sealed class TokenizeEndpoint(ServerContext server)
{
    public async Task HandleAsync(HttpContext context)
    {
        using JsonBody body = await JsonBody.ReadAsync(context, server.Options.Limits.JsonDepth);
        var template = new ChatTemplateFields();
        JsonElement messages = default, prompt = default;
        string? model = null;
        bool? addSpecialTokens = null;
        bool withStrings = false;
        foreach (JsonProperty property in body.Root.EnumerateObject())
        {
            string name = JsonValue.NameOf(property, "body");
            string at = "body." + name;
            JsonElement value = property.Value;
            switch (name)
            {
                case "model": model = JsonValue.Text(value, at); break;
                case "prompt": prompt = value; break;
                case "messages": messages = value; break;
                case "add_special_tokens": addSpecialTokens = JsonValue.Boolean(value, at); break;
                case "return_token_strs": withStrings = JsonValue.Boolean(value, at) ?? false; break;
                default:
                    if (!template.TryRead(name, value, at))
                    {
                        Log.UnknownField(server.Logger, name);
                    }

                    break;
            }
        }

        server.CheckModel(model);
        int[] tokens = messages.ValueKind is JsonValueKind.Undefined or JsonValueKind.Null
            ? Encode(JsonValue.Text(RequirePrompt(prompt), "body.prompt")!, addSpecialTokens ?? true)
            : EncodeChat(template, messages, addSpecialTokens ?? false);
        await JsonAnswer.WriteAsync(context, 200, (server, tokens, withStrings), static (json, state) =>
        {
            json.WriteStartObject();
            json.WriteNumber("count"u8, state.tokens.Length);
            json.WriteNumber("max_model_len"u8, state.server.Engine.Model.MaxModelLen);
            TokenIdWriter.Write(json, "tokens"u8, state.tokens);
            WriteStrings(json, state.server, state.withStrings ? state.tokens : null);
            json.WriteEndObject();
        });
    }

    private int[] Encode(string text, bool addSpecialTokens) => server.Engine.Tokenizer.Encode(text, addSpecialTokens);

    private int[] EncodeChat(ChatTemplateFields template, JsonElement messages, bool addSpecialTokens)
    {
        template.CheckRules(server);
        return server.Engine.Tokenizer.Encode(RenderedChat.Render(server, template, messages).Prompt, addSpecialTokens);
    }

    private static JsonElement RequirePrompt(JsonElement prompt) =>
        prompt.ValueKind is JsonValueKind.Undefined or JsonValueKind.Null
            ? throw new ApiException(ApiError.Schema("body.prompt", "prompt (a text) or messages (a conversation) is required"))
            : prompt;

    private static void WriteStrings(Utf8JsonWriter json, ServerContext server, IReadOnlyList<int>? tokens)
    {
        if (tokens is null)
        {
            json.WriteNull("token_strs"u8);
            return;
        }

        json.WriteStartArray("token_strs"u8);
        foreach (int token in tokens)
        {
            json.WriteStringValue(server.Engine.Tokenizer.IdToToken(token) ?? "");
        }

        json.WriteEndArray();
    }
}
