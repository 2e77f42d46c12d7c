using System.Text.Json;
using System.Threading.Tasks;
using Microsoft.AspNetCore.Http;
using Quire.Server.Http;
using Quire.Server.Requests;
using Quire.Server.Serving;

namespace Quire.Server.Tokenize;

/// <summary><c>POST /detokenize</c>: the text of tokens. Ids that stand for nothing become nothing.</summary>
internal sealed class DetokenizeEndpoint(ServerContext server)
{
    private const int TokensMax = 1 << 22;

    public async Task HandleAsync(HttpContext context)
    {
        using JsonBody body = await JsonBody.ReadAsync(context, server.Options.Limits.JsonDepth);
        string? model = null;
        int[]? tokens = null;
        foreach (JsonProperty property in body.Root.EnumerateObject())
        {
            switch (JsonValue.NameOf(property, "body"))
            {
                case "model": model = JsonValue.Text(property.Value, "body.model"); break;
                case "tokens": tokens = JsonValue.Integers(property.Value, "body.tokens", TokensMax); break;
                default: break;
            }
        }

        server.CheckModel(model);
        if (tokens is null)
        {
            throw new ApiException(ApiError.Schema("body.tokens", "tokens is required: a list of token ids"));
        }

        for (int i = 0; i < tokens.Length; i++)
        {
            if (tokens[i] < 0)
            {
                throw new ApiException(ApiError.Schema($"body.tokens[{i}]", $"tokens must be 0 or more, got {tokens[i]}"));
            }
        }

        string text = server.Engine.Tokenizer.Decode(tokens, skipSpecialTokens: false);
        await JsonAnswer.WriteAsync(context, 200, text, static (json, prompt) =>
        {
            json.WriteStartObject();
            json.WriteString("prompt"u8, prompt);
            json.WriteEndObject();
        });
    }
}
