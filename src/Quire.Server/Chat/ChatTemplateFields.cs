using System.Text.Json;
using Quire.Server.Http;
using Quire.Server.Requests;
using Quire.Server.Serving;

namespace Quire.Server.Chat;

/// <summary>The fields that decide how a conversation becomes a prompt; chat requests and <c>/tokenize</c> have them.</summary>
internal sealed class ChatTemplateFields
{
    private JsonElement _toolChoice;

    /// <summary>A list of tools, or undefined.</summary>
    public JsonElement Tools { get; private set; }

    public JsonElement Documents { get; private set; }

    public JsonElement Kwargs { get; private set; }

    public string? ChatTemplate { get; private set; }

    public string? ReasoningEffort { get; private set; }

    public bool AddGenerationPrompt { get; private set; } = true;

    public bool ContinueFinalMessage { get; private set; }

    /// <summary>Whether the answer may not call tools.</summary>
    public bool ToolsForbidden { get; private set; }

    private bool AddGenerationPromptGiven { get; set; }

    public bool TryRead(string name, JsonElement value, string at)
    {
        switch (name)
        {
            case "tools": Tools = value; return true;
            case "tool_choice": _toolChoice = value; return true;
            case "parallel_tool_calls": JsonValue.Boolean(value, at); return true;
            case "reasoning_effort": ReasoningEffort = JsonValue.Text(value, at); return true;
            case "chat_template": ChatTemplate = JsonValue.Text(value, at); return true;
            case "chat_template_kwargs": Kwargs = JsonValue.Object(value, at) ?? default; return true;
            case "documents": Documents = ReadDocuments(value, at); return true;
            case "continue_final_message": ContinueFinalMessage = JsonValue.Boolean(value, at) ?? false; return true;
            case "add_generation_prompt":
                AddGenerationPromptGiven = value.ValueKind != JsonValueKind.Null;
                AddGenerationPrompt = JsonValue.Boolean(value, at) ?? true;
                return true;
            default: return false;
        }
    }

    /// <summary>The rules between fields.</summary>
    public void CheckRules(ServerContext server)
    {
        if (ChatTemplate is not null && !server.Options.TrustRequestChatTemplate)
        {
            throw new ApiException(ApiError.Invalid("chat_template",
                "Chat template is passed with request, but --trust-request-chat-template is not set. Refused request with untrusted chat template."));
        }

        if (ContinueFinalMessage && AddGenerationPrompt)
        {
            // vLLM refuses the pair also when add_generation_prompt only has its default.
            throw new ApiException(ApiError.Invalid("continue_final_message",
                "Cannot set both `continue_final_message` and `add_generation_prompt` to True."
                + (AddGenerationPromptGiven ? "" : " `add_generation_prompt` is true unless you set it to false.")));
        }

        ToolsForbidden = ToolRules.Check(Tools, _toolChoice, server.Options.Limits.Tools);
    }

    private static JsonElement ReadDocuments(JsonElement value, string at)
    {
        const int DocumentsMax = 4096;
        if (value.ValueKind == JsonValueKind.Null)
        {
            return default;
        }

        JsonValue.CheckList(value, at, "a list of objects", DocumentsMax);
        return value;
    }
}
