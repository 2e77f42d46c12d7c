using System;
using System.Text.Json;
using Quire.Server.Http;
using Quire.Server.Requests;

namespace Quire.Server.Chat;

/// <summary>
/// Checks <c>tools</c> and <c>tool_choice</c>. Tools reach the model through its template; choices that would force a call are refused,
/// since nothing constrains the output yet.
/// </summary>
internal static class ToolRules
{
    /// <returns>Whether <c>tool_choice</c> is <c>none</c>.</returns>
    public static bool Check(JsonElement tools, JsonElement choice, int toolsMax)
    {
        bool hasTools = tools.ValueKind is not (JsonValueKind.Undefined or JsonValueKind.Null);
        if (hasTools)
        {
            CheckTools(tools, toolsMax);
        }

        switch (choice.ValueKind)
        {
            case JsonValueKind.Undefined or JsonValueKind.Null:
                return false;
            case JsonValueKind.String:
                return CheckWord(JsonValue.TextOf(choice, "body.tool_choice"), hasTools);
            case JsonValueKind.Object:
                CheckNamed(choice, tools, hasTools);
                return false;
            default:
                throw JsonValue.Wrong("body.tool_choice", "\"none\", \"auto\", \"required\" or a named function", choice);
        }
    }

    private static bool CheckWord(string choice, bool hasTools)
    {
        if (choice == "none")
        {
            return true;
        }

        if (choice is not ("auto" or "required"))
        {
            throw new ApiException(ApiError.Schema("body.tool_choice", "must be \"none\", \"auto\", \"required\" or a named function"));
        }

        RequireTools(hasTools);
        return choice == "auto" ? false : throw new ApiException(ApiError.NotAvailable("tool_choice", "tool_choice 'required'"));
    }

    private static void CheckNamed(JsonElement choice, JsonElement tools, bool hasTools)
    {
        RequireTools(hasTools);
        string? name = FunctionName(choice);
        if (name is null)
        {
            throw new ApiException(ApiError.Schema("body.tool_choice", "must be of the form {\"type\": \"function\", \"function\": {\"name\": …}}"));
        }

        foreach (JsonElement tool in tools.EnumerateArray())
        {
            if (string.Equals(FunctionName(tool), name, StringComparison.Ordinal))
            {
                throw new ApiException(ApiError.NotAvailable("tool_choice", "tool_choice with a named function"));
            }
        }

        throw new ApiException(ApiError.Invalid("tool_choice", "The tool specified in `tool_choice` does not match any of the specified `tools`."));
    }

    private static void RequireTools(bool hasTools)
    {
        if (!hasTools)
        {
            throw new ApiException(ApiError.Invalid("tool_choice", "When using `tool_choice`, `tools` must be set."));
        }
    }

    private static void CheckTools(JsonElement tools, int toolsMax)
    {
        JsonValue.CheckList(tools, "body.tools", "a list of tools", toolsMax);
        if (tools.GetArrayLength() == 0)
        {
            throw new ApiException(ApiError.Invalid("tools", "`tools` must not be an empty list; leave it out when there are none."));
        }

        int index = 0;
        foreach (JsonElement tool in tools.EnumerateArray())
        {
            string at = $"body.tools[{index++}]";
            if (tool.ValueKind != JsonValueKind.Object)
            {
                throw JsonValue.Wrong(at, "an object", tool);
            }

            if (tool.TryGetProperty("type", out JsonElement type) && (type.ValueKind != JsonValueKind.String || !type.ValueEquals("function"u8)))
            {
                throw JsonValue.Wrong(at + ".type", "\"function\"", type);
            }

            if (string.IsNullOrEmpty(FunctionName(tool)))
            {
                throw new ApiException(ApiError.Schema(at + ".function.name", "must be a string that is not empty"));
            }

            JsonElement function = tool.GetProperty("function");
            if (function.TryGetProperty("parameters", out JsonElement parameters) && parameters.ValueKind is not (JsonValueKind.Object or JsonValueKind.Null))
            {
                throw JsonValue.Wrong(at + ".function.parameters", "a JSON schema (an object)", parameters);
            }
        }
    }

    private static string? FunctionName(JsonElement owner) =>
        owner.TryGetProperty("function", out JsonElement function) && function.ValueKind == JsonValueKind.Object
            && function.TryGetProperty("name", out JsonElement name) && name.ValueKind == JsonValueKind.String
            ? JsonValue.TextOf(name, "body.tools") : null;
}
