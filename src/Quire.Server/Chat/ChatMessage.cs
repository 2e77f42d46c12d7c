using System.Collections.Generic;
using System.Text.Json;
using Quire.Server.Http;
using Quire.Server.Requests;

namespace Quire.Server.Chat;

/// <summary>One message of a conversation.</summary>
/// <param name="Role">system, developer, user, assistant or tool.</param>
/// <param name="Parts">The texts of its content, one for a plain text; null only for an assistant.</param>
internal sealed record ChatMessage(string Role, IReadOnlyList<string>? Parts)
{
    /// <summary>Its text: the parts with line ends between them.</summary>
    public string? Content => Parts is null ? null : string.Join('\n', Parts);

    public string? Name { get; init; }

    public string? ToolCallId { get; init; }

    public string? Reasoning { get; init; }

    public IReadOnlyList<ToolCall> ToolCalls { get; init; } = [];

    public bool IsInstruction => Role is "system" or "developer";

    public static ChatMessage Read(JsonElement message, string at)
    {
        if (message.ValueKind != JsonValueKind.Object)
        {
            throw JsonValue.Wrong(at, "an object with role and content", message);
        }

        JsonElement role = default, content = default, toolCalls = default;
        string? name = null, toolCallId = null, reasoning = null;
        foreach (JsonProperty property in message.EnumerateObject())
        {
            string field = JsonValue.NameOf(property, at);
            JsonElement value = property.Value;
            switch (field)
            {
                case "role": role = value; break;
                case "content": content = value; break;
                case "name": name = JsonValue.Text(value, at + ".name"); break;
                case "tool_call_id": toolCallId = JsonValue.Text(value, at + ".tool_call_id"); break;
                case "reasoning" or "reasoning_content": reasoning = JsonValue.Text(value, $"{at}.{field}") ?? reasoning; break;
                case "tool_calls": toolCalls = value; break;
                case "function_call" when value.ValueKind != JsonValueKind.Null:
                    throw new ApiException(ApiError.Invalid("messages", $"{at}.function_call is the old form; use tool_calls."));
                case "audio" when value.ValueKind != JsonValueKind.Null:
                    throw new ApiException(ApiError.Invalid("messages", $"{at}.audio: this model takes text only, no audio."));
                default: break;
            }
        }

        string roleName = ReadRole(role, at + ".role");
        IReadOnlyList<ToolCall> calls = ToolCall.ReadList(toolCalls, at + ".tool_calls");
        IReadOnlyList<string>? parts = MessageContent.Read(content, at + ".content", isOptional: roleName == "assistant");
        return new ChatMessage(roleName, parts) { Name = name, ToolCallId = toolCallId, Reasoning = reasoning, ToolCalls = calls };
    }

    /// <param name="json">Where to write.</param>
    /// <param name="asParts">Whether the template walks through parts; otherwise the content is one text.</param>
    public void Write(Utf8JsonWriter json, bool asParts)
    {
        json.WriteStartObject();
        json.WriteString("role"u8, Role);
        WriteContent(json, asParts);
        if (Name is not null)
        {
            json.WriteString("name"u8, Name);
        }

        if (ToolCallId is not null)
        {
            json.WriteString("tool_call_id"u8, ToolCallId);
        }

        if (Reasoning is not null)
        {
            json.WriteString("reasoning"u8, Reasoning);
            json.WriteString("reasoning_content"u8, Reasoning);
        }

        if (ToolCalls.Count > 0)
        {
            json.WriteStartArray("tool_calls"u8);
            foreach (ToolCall call in ToolCalls)
            {
                call.Write(json);
            }

            json.WriteEndArray();
        }

        json.WriteEndObject();
    }

    private void WriteContent(Utf8JsonWriter json, bool asParts)
    {
        if (!asParts)
        {
            json.WriteString("content"u8, Content ?? "");
            return;
        }

        json.WriteStartArray("content"u8);
        foreach (string text in Parts ?? [])
        {
            json.WriteStartObject();
            json.WriteString("type"u8, "text"u8);
            json.WriteString("text"u8, text);
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    private static string ReadRole(JsonElement role, string at)
    {
        if (role.ValueKind == JsonValueKind.Undefined)
        {
            throw new ApiException(ApiError.Schema(at, "role is required"));
        }

        string? name = JsonValue.Text(role, at);
        return name is "system" or "developer" or "user" or "assistant" or "tool"
            ? name
            : throw new ApiException(ApiError.Schema(at, $"the role must be system, developer, user, assistant or tool, got {JsonValue.Shown(role)}"));
    }
}
