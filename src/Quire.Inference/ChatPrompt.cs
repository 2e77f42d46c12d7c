using System;
using System.Buffers;
using System.Collections.Generic;
using System.Text.Encodings.Web;
using System.Text.Json;
using Microsoft.Extensions.AI;
using Quire.Engine;
using Quire.Engine.Intake;
using Quire.Tokenization;
using Quire.Tokenization.Chat;

namespace Quire.Inference;

/// <summary>Turns a conversation into the prompt that the model was trained on, by its chat template.</summary>
public static class ChatPrompt
{
    private static readonly JsonWriterOptions Writing = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping, MaxDepth = 128 };

    /// <summary>The prompt for messages and tools that are JSON already, in OpenAI's form.</summary>
    /// <param name="engine">The engine whose template and special tokens are used.</param>
    /// <param name="messages">A list of objects with role and content.</param>
    /// <param name="tools">A list of tools; undefined or null for none.</param>
    /// <param name="variables">An object with further variables of the template; undefined or null for none.</param>
    /// <param name="addGenerationPrompt">Whether the text ends with the beginning of an answer.</param>
    /// <exception cref="QuireException">The model has no chat template, or it refuses the conversation.</exception>
    public static Prompt Render(InferenceEngine engine, JsonElement messages, JsonElement tools = default, JsonElement variables = default, bool addGenerationPrompt = true)
    {
        ArgumentNullException.ThrowIfNull(engine);
        if (!engine.HasTokenizer || engine.ChatTemplates is not { } templates)
        {
            throw new QuireException(ErrorCodes.BadChatTemplate, ErrorKind.Request,
                "this model has no chat template; give one with chat_template, or send a prompt instead of messages", "messages");
        }

        return Prompt.FromText(Render(templates, engine.Tokenizer.Special, engine.GuardedTokens, messages, tools, variables, addGenerationPrompt), addSpecialTokens: false);
    }

    /// <summary>The same with templates by themselves: the text of the prompt.</summary>
    /// <exception cref="QuireException">The template refuses the conversation.</exception>
    public static string Render(ChatTemplateSet templates, SpecialTokens special, JsonElement messages, JsonElement tools = default, JsonElement variables = default,
        bool addGenerationPrompt = true) => Render(templates, special, ControlTokens.None, messages, tools, variables, addGenerationPrompt).Text;

    private static GuardedText Render(ChatTemplateSet templates, SpecialTokens special, ControlTokens guarded, JsonElement messages, JsonElement tools,
        JsonElement variables, bool addGenerationPrompt)
    {
        ArgumentNullException.ThrowIfNull(templates);
        ArgumentNullException.ThrowIfNull(special);
        if (messages.ValueKind != JsonValueKind.Array)
            throw new QuireException(ErrorCodes.BadRequest, ErrorKind.Request, "messages must be a list of objects with role and content", "messages");
        try
        {
            bool hasTools = tools.ValueKind == JsonValueKind.Array && tools.GetArrayLength() > 0;
            return templates.For(hasTools).Render(new ChatTemplateInput
            {
                Messages = TemplateValue.FromJson(messages),
                Tools = FromJson(tools),
                AddGenerationPrompt = addGenerationPrompt,
                SpecialTokens = special.Named,
                Extra = Variables(variables),
                Now = DateTimeOffset.Now,
            }, guarded);
        }
        catch (ChatTemplateException refusal)
        {
            throw new QuireException(ErrorCodes.BadRequest, ErrorKind.Request, $"the chat template cannot be applied to these messages: {refusal.Message}", "messages", refusal);
        }
    }

    /// <summary>The prompt for messages of Microsoft.Extensions.AI.</summary>
    internal static Prompt Render(InferenceEngine engine, IEnumerable<ChatMessage> messages, ChatOptions? options)
    {
        using JsonDocument conversation = Write(json => WriteMessages(json, messages, options?.Instructions));
        using JsonDocument? tools = options?.Tools is { Count: > 0 } list && options.ToolMode is not NoneChatToolMode ? Write(json => WriteTools(json, list)) : null;
        return Render(engine, conversation.RootElement, tools?.RootElement ?? default);
    }

    private static JsonDocument Write(Action<Utf8JsonWriter> write)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer, Writing))
            write(json);
        return JsonDocument.Parse(buffer.WrittenMemory, new JsonDocumentOptions { MaxDepth = 128 });
    }

    private static void WriteMessages(Utf8JsonWriter json, IEnumerable<ChatMessage> messages, string? instructions)
    {
        json.WriteStartArray();
        if (!string.IsNullOrEmpty(instructions))
            WriteText(json, "system", instructions, null);
        foreach (ChatMessage message in messages)
        {
            var calls = new List<FunctionCallContent>();
            bool answered = false;
            foreach (AIContent content in message.Contents)
            {
                if (content is FunctionCallContent call)
                {
                    calls.Add(call);
                }
                else if (content is FunctionResultContent result)
                {
                    answered = true;
                    WriteText(json, "tool", ResultText(result.Result), result.CallId);
                }
                else if (content is not (TextContent or UsageContent or TextReasoningContent))
                {
                    throw new QuireException(ErrorCodes.BadRequest, ErrorKind.Request, $"a message holds {content.GetType().Name}; only text and tools are possible", "messages");
                }
            }

            if (calls.Count > 0)
                WriteCalls(json, message, calls);
            else if (!answered || message.Text.Length > 0)
                WriteText(json, message.Role.Value, message.Text, null);
        }

        json.WriteEndArray();
    }

    private static void WriteText(Utf8JsonWriter json, string role, string text, string? callId)
    {
        json.WriteStartObject();
        json.WriteString("role", role);
        if (callId is not null)
            json.WriteString("tool_call_id", callId);
        json.WriteString("content", text);
        json.WriteEndObject();
    }

    private static void WriteCalls(Utf8JsonWriter json, ChatMessage message, List<FunctionCallContent> calls)
    {
        json.WriteStartObject();
        json.WriteString("role", message.Role.Value);
        json.WriteString("content", message.Text);
        json.WriteStartArray("tool_calls");
        foreach (FunctionCallContent call in calls)
        {
            json.WriteStartObject();
            json.WriteString("id", call.CallId);
            json.WriteString("type", "function");
            json.WriteStartObject("function");
            json.WriteString("name", call.Name);
            json.WritePropertyName("arguments");
            JsonSerializer.Serialize(json, call.Arguments, AIJsonUtilities.DefaultOptions.GetTypeInfo(typeof(IDictionary<string, object?>)));
            json.WriteEndObject();
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteEndObject();
    }

    private static void WriteTools(Utf8JsonWriter json, IList<AITool> tools)
    {
        json.WriteStartArray();
        foreach (AITool tool in tools)
        {
            if (tool is not AIFunctionDeclaration function)
                throw new QuireException(ErrorCodes.BadRequest, ErrorKind.Request, $"the tool {tool.Name} is no function; only functions are possible", "tools");
            json.WriteStartObject();
            json.WriteString("type", "function");
            json.WriteStartObject("function");
            json.WriteString("name", function.Name);
            json.WriteString("description", function.Description);
            json.WritePropertyName("parameters");
            function.JsonSchema.WriteTo(json);
            json.WriteEndObject();
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    private static string ResultText(object? result) => result switch
    {
        null => "",
        string text => text,
        JsonElement { ValueKind: JsonValueKind.String } text => text.GetString()!,
        JsonElement json => json.GetRawText(),
        _ => JsonSerializer.Serialize(result, AIJsonUtilities.DefaultOptions.GetTypeInfo(result.GetType())),
    };

    private static TemplateValue? FromJson(JsonElement element) =>
        element.ValueKind is JsonValueKind.Undefined or JsonValueKind.Null ? null : TemplateValue.FromJson(element);

    private static Dictionary<string, TemplateValue>? Variables(JsonElement variables)
    {
        if (variables.ValueKind is JsonValueKind.Undefined or JsonValueKind.Null)
            return null;
        if (variables.ValueKind != JsonValueKind.Object)
            throw new QuireException(ErrorCodes.BadRequest, ErrorKind.Request, "chat_template_kwargs must be an object", "chat_template_kwargs");
        var values = new Dictionary<string, TemplateValue>(StringComparer.Ordinal);
        foreach (JsonProperty property in variables.EnumerateObject())
            values[property.Name] = TemplateValue.FromJson(property.Value);
        return values;
    }
}
