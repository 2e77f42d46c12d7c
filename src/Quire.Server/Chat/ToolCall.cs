using System.Collections.Generic;
using System.Text;
using System.Text.Json;
using Quire.Server.Http;
using Quire.Server.Requests;

namespace Quire.Server.Chat;

/// <summary>A call that an assistant made earlier in the conversation.</summary>
/// <param name="Id">Its id, when it has one.</param>
/// <param name="Name">The function.</param>
/// <param name="Arguments">A JSON object as JSON text.</param>
internal sealed record ToolCall(string? Id, string Name, string Arguments)
{
    private const int CallsMax = 1024;

    public static IReadOnlyList<ToolCall> ReadList(JsonElement calls, string at)
    {
        if (calls.ValueKind is JsonValueKind.Undefined or JsonValueKind.Null)
        {
            return [];
        }

        JsonValue.CheckList(calls, at, "a list of tool calls", CallsMax);
        var read = new List<ToolCall>(calls.GetArrayLength());
        foreach (JsonElement call in calls.EnumerateArray())
        {
            read.Add(Read(call, $"{at}[{read.Count}]"));
        }

        return read;
    }

    public void Write(Utf8JsonWriter json)
    {
        json.WriteStartObject();
        if (Id is not null)
        {
            json.WriteString("id"u8, Id);
        }

        json.WriteString("type"u8, "function"u8);
        json.WriteStartObject("function"u8);
        json.WriteString("name"u8, Name);
        json.WritePropertyName("arguments"u8);
        json.WriteRawValue(Arguments, skipInputValidation: true);
        json.WriteEndObject();
        json.WriteEndObject();
    }

    private static ToolCall Read(JsonElement call, string at)
    {
        if (call.ValueKind != JsonValueKind.Object || !call.TryGetProperty("function", out JsonElement function)
            || function.ValueKind != JsonValueKind.Object)
        {
            throw new ApiException(ApiError.Schema(at + ".function", "must be an object with name and arguments"));
        }

        string? id = call.TryGetProperty("id", out JsonElement idValue) ? JsonValue.Text(idValue, at + ".id") : null;
        string? name = function.TryGetProperty("name", out JsonElement nameValue) ? JsonValue.Text(nameValue, at + ".function.name") : null;
        if (string.IsNullOrEmpty(name))
        {
            throw new ApiException(ApiError.Schema(at + ".function.name", "must be a string that is not empty"));
        }

        function.TryGetProperty("arguments", out JsonElement arguments);
        return new ToolCall(id, name, ReadArguments(arguments, at + ".function.arguments"));
    }

    /// <summary>Arguments come as JSON in a string (OpenAI's form) or as the object itself. Nothing means no arguments.</summary>
    private static string ReadArguments(JsonElement arguments, string at)
    {
        switch (arguments.ValueKind)
        {
            case JsonValueKind.Undefined or JsonValueKind.Null:
                return "{}";
            case JsonValueKind.Object:
                return arguments.GetRawText();
            case JsonValueKind.String:
                string text = JsonValue.TextOf(arguments, at);
                if (string.IsNullOrWhiteSpace(text))
                {
                    return "{}";
                }

                CheckObject(text, at);
                return text;
            default:
                throw JsonValue.Wrong(at, "JSON in a string", arguments);
        }
    }

    private static void CheckObject(string text, string at)
    {
        const int DepthMax = 64;
        bool isObject;
        try
        {
            using var document = JsonDocument.Parse(Encoding.UTF8.GetBytes(text), new JsonDocumentOptions { MaxDepth = DepthMax });
            isObject = document.RootElement.ValueKind == JsonValueKind.Object;
        }
        catch (JsonException)
        {
            throw new ApiException(ApiError.Schema(at, "the arguments are not valid JSON"));
        }

        if (!isObject)
        {
            throw new ApiException(ApiError.Schema(at, "the arguments must be a JSON object"));
        }
    }
}
