using System.Text.Json;
using Quire.Server.Http;

namespace Quire.Server.Requests;

/// <summary>The field <c>response_format</c>: free text is served; constrained formats are refused by name.</summary>
internal static class ResponseFormat
{
    public static void Check(JsonElement value, string at)
    {
        if (JsonValue.Object(value, at) is not { } format)
        {
            return;
        }

        JsonElement? typeValue = null;
        bool hasSchema = false;
        foreach (JsonProperty property in format.EnumerateObject())
        {
            switch (JsonValue.NameOf(property, at))
            {
                case "type": typeValue = property.Value; break;
                case "json_schema": hasSchema = property.Value.ValueKind != JsonValueKind.Null; break;
                default: break;
            }
        }

        string? type = typeValue is { } given ? JsonValue.Text(given, at + ".type") : null;
        switch (type)
        {
            case "text":
                return;
            case "json_schema" when !hasSchema:
                throw new ApiException(ApiError.Invalid("response_format",
                    "When response_format type is 'json_schema', the 'json_schema' field must be provided."));
            case "json_schema" or "json_object" or "structural_tag":
                throw new ApiException(ApiError.NotAvailable("response_format", $"response_format of the type '{type}'"));
            case null:
                throw new ApiException(ApiError.Schema(at + ".type", "response_format needs a type"));
            default:
                throw new ApiException(ApiError.Schema(at + ".type",
                    "the type of response_format must be 'text', 'json_object', 'json_schema' or 'structural_tag'"));
        }
    }
}
