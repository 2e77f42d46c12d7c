using System.Text.Json;

namespace Quire.Server.Serving;

/// <summary>The <c>usage</c> object of an answer.</summary>
/// <param name="PromptTokens">Tokens of all prompts, each prompt once.</param>
/// <param name="CompletionTokens">Tokens of all outputs.</param>
/// <param name="CachedTokens">Prompt tokens found in the prefix cache; null leaves the details out.</param>
internal readonly record struct TokenUsage(int PromptTokens, int CompletionTokens, int? CachedTokens)
{
    public void Write(Utf8JsonWriter json)
    {
        json.WriteStartObject("usage"u8);
        json.WriteNumber("prompt_tokens"u8, PromptTokens);
        json.WriteNumber("total_tokens"u8, PromptTokens + CompletionTokens);
        json.WriteNumber("completion_tokens"u8, CompletionTokens);
        if (CachedTokens is { } cached)
        {
            json.WriteStartObject("prompt_tokens_details"u8);
            json.WriteNumber("cached_tokens"u8, cached);
            json.WriteEndObject();
        }
        else
        {
            json.WriteNull("prompt_tokens_details"u8);
        }

        json.WriteNull("completion_tokens_details"u8);
        json.WriteEndObject();
    }
}
