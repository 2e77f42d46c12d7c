using System.Collections.Generic;
using System.Text.Json;
using Quire.Server.Http;
using Quire.Server.Requests;

namespace Quire.Server.Chat;

/// <summary>The content of a message: a text, or a list of parts that are texts.</summary>
internal static class MessageContent
{
    private const int PartsMax = 65536;

    /// <returns>The texts of the parts, one for a plain text; null for no content.</returns>
    public static IReadOnlyList<string>? Read(JsonElement content, string at, bool isOptional)
    {
        switch (content.ValueKind)
        {
            case JsonValueKind.String:
                return [JsonValue.TextOf(content, at)];
            case JsonValueKind.Array:
                return ReadParts(content, at);
            case JsonValueKind.Undefined or JsonValueKind.Null when isOptional:
                return null;
            case JsonValueKind.Undefined or JsonValueKind.Null:
                throw new ApiException(ApiError.Schema(at, "content is required: a string or a list of parts"));
            default:
                throw JsonValue.Wrong(at, "a string or a list of parts", content);
        }
    }

    private static List<string> ReadParts(JsonElement content, string at)
    {
        JsonValue.CheckList(content, at, "a list of parts", PartsMax);
        var texts = new List<string>(content.GetArrayLength());
        foreach (JsonElement part in content.EnumerateArray())
        {
            texts.Add(ReadPart(part, $"{at}[{texts.Count}]"));
        }

        return texts;
    }

    private static string ReadPart(JsonElement part, string at)
    {
        if (part.ValueKind == JsonValueKind.String)
        {
            return JsonValue.TextOf(part, at);
        }

        if (part.ValueKind != JsonValueKind.Object)
        {
            throw JsonValue.Wrong(at, "a part of the form {\"type\": \"text\", \"text\": …}", part);
        }

        string? type = part.TryGetProperty("type", out JsonElement kind) ? JsonValue.Text(kind, at + ".type") : null;
        switch (type)
        {
            case "text" or "input_text" or "output_text" or "refusal" or "thinking":
                string field = type is "refusal" or "thinking" ? type : "text";
                return part.TryGetProperty(field, out JsonElement text) && text.ValueKind == JsonValueKind.String
                    ? JsonValue.TextOf(text, $"{at}.{field}")
                    : throw new ApiException(ApiError.Schema($"{at}.{field}", "must be a string"));
            case "image_url" or "input_image" or "image_pil" or "image_embeds" or "input_audio" or "audio_url" or "audio_embeds" or "video_url" or "file":
                throw new ApiException(ApiError.Invalid("messages",
                    $"{at} is of the type '{type}', and this is not a multimodal model: it takes text only, no image, audio, video or file."));
            case null:
                throw new ApiException(ApiError.Schema(at + ".type", "a part of the content needs a type"));
            default:
                throw new ApiException(ApiError.Invalid("messages", $"{at}: Unknown part type: {JsonValue.Shown(kind)}"));
        }
    }
}
