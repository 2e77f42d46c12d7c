using System;
using System.Collections.Generic;
using System.Text.Json;
using Quire.Server.Http;
using Quire.Server.Requests;
using Quire.Server.Serving;

namespace Quire.Server.Chat;

/// <summary>
/// Messages as a template takes them: checked, with text parts joined, developer messages as system messages where the template does not
/// know them, and arguments of tool calls as objects. The JSON lives until this is disposed.
/// </summary>
internal sealed class Conversation : IDisposable
{
    private readonly PooledBuffer _buffer;
    private readonly JsonDocument _document;

    private Conversation(PooledBuffer buffer, JsonDocument document, string lastRole, string? lastContent)
    {
        _buffer = buffer;
        _document = document;
        LastRole = lastRole;
        LastContent = lastContent;
    }

    public JsonElement Messages => _document.RootElement;

    public string LastRole { get; }

    public string? LastContent { get; }

    /// <exception cref="ApiException">A message is not one.</exception>
    public static Conversation Read(JsonElement messages, ServerLimits limits, IChatRenderer? renderer)
    {
        const string At = "body.messages";
        if (messages.ValueKind is JsonValueKind.Undefined or JsonValueKind.Null)
        {
            throw new ApiException(ApiError.Schema(At, "messages is required: a list with at least one message"));
        }

        JsonValue.CheckList(messages, At, "messages as a list", limits.Messages);
        if (messages.GetArrayLength() == 0)
        {
            throw new ApiException(ApiError.Invalid("messages", "messages must hold at least one message."));
        }

        var read = new List<ChatMessage>(messages.GetArrayLength());
        foreach (JsonElement message in messages.EnumerateArray())
        {
            read.Add(ChatMessage.Read(message, $"{At}[{read.Count}]"));
        }

        if (renderer is not { KnowsDeveloperRole: true })
        {
            MergeInstructions(read);
        }

        return Write(read, renderer is { TakesParts: true }, limits.JsonDepth);
    }

    public void Dispose()
    {
        _document.Dispose();
        _buffer.Dispose();
    }

    /// <summary>When there are developer messages, they and the system messages become one system message at the front.</summary>
    private static void MergeInstructions(List<ChatMessage> messages)
    {
        if (!messages.Exists(static message => message.Role == "developer"))
        {
            return;
        }

        var texts = new List<string>();
        foreach (ChatMessage message in messages)
        {
            if (message.IsInstruction && message.Content is { } text)
            {
                texts.Add(text);
            }
        }

        messages.RemoveAll(static message => message.IsInstruction);
        messages.Insert(0, new ChatMessage("system", [string.Join("\n\n", texts)]));
    }

    private static Conversation Write(List<ChatMessage> messages, bool asParts, int depthMax)
    {
        var buffer = new PooledBuffer();
        try
        {
            using (var json = new Utf8JsonWriter(buffer, JsonText.WriterOptions))
            {
                json.WriteStartArray();
                foreach (ChatMessage message in messages)
                {
                    message.Write(json, asParts);
                }

                json.WriteEndArray();
            }

            // Arguments may add their own depth to that of the body.
            var document = JsonDocument.Parse(buffer.WrittenMemory, new JsonDocumentOptions { MaxDepth = depthMax * 2 });
            return new Conversation(buffer, document, messages[^1].Role, messages[^1].Content);
        }
        catch
        {
            buffer.Dispose();
            throw;
        }
    }
}
