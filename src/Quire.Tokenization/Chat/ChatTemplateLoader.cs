using System;
using System.Collections.Generic;
using System.IO;
using System.Text.Json;
using Quire.Tokenization.Loading;

namespace Quire.Tokenization.Chat;

/// <summary>The chat templates of a model folder: one, or one for plain chats and one for chats with tools.</summary>
public sealed record ChatTemplateSet(ChatTemplate Default, ChatTemplate? ToolUse = null)
{
    /// <summary>The template for a request: the tool template when tools are given and there is one.</summary>
    public ChatTemplate For(bool hasTools) => hasTools && ToolUse is not null ? ToolUse : Default;
}

/// <summary>Finds and parses the chat template of a model.</summary>
public static class ChatTemplateLoader
{
    private const string DefaultName = "default";
    private const string ToolUseName = "tool_use";
    private const string Field = "chat_template";

    /// <summary>
    /// The template of a model folder: <c>chat_template.jinja</c>, else <c>chat_template.json</c>, else <c>chat_template</c> in
    /// <c>tokenizer_config.json</c> (a text, or a list of named ones of which <c>default</c> and <c>tool_use</c> count);
    /// <see langword="null"/> when the model has none.
    /// </summary>
    /// <exception cref="ChatTemplateException">The template is not valid.</exception>
    /// <exception cref="TokenizerException">A file cannot be read or is not what it should be.</exception>
    public static ChatTemplateSet? Load(string folder)
    {
        ArgumentNullException.ThrowIfNull(folder);
        string jinja = Path.Combine(folder, "chat_template.jinja");
        if (File.Exists(jinja))
            return new ChatTemplateSet(ChatTemplate.Parse(ReadText(jinja)));
        foreach (string name in (string[])["chat_template.json", "tokenizer_config.json"])
        {
            string path = Path.Combine(folder, name);
            if (File.Exists(path) && Read(JsonPart.ReadFile(path).Field(Field)) is { } templates)
                return templates;
        }
        return null;
    }

    /// <summary>
    /// The template that a user names: a file, or the template itself when the text has Jinja tags or line breaks in it.
    /// </summary>
    /// <exception cref="ChatTemplateException">The template is not valid.</exception>
    /// <exception cref="TokenizerException">There is no such file, and the text is no template.</exception>
    public static ChatTemplate LoadExplicit(string pathOrTemplate)
    {
        ArgumentNullException.ThrowIfNull(pathOrTemplate);
        bool inline = pathOrTemplate.AsSpan().IndexOfAny("{}\n") >= 0;
        if (!inline && !File.Exists(pathOrTemplate))
        {
            throw new TokenizerException(
                $"The chat template {pathOrTemplate} is neither a file nor a template (a text with Jinja tags).");
        }
        return ChatTemplate.Parse(inline && !File.Exists(pathOrTemplate) ? pathOrTemplate : ReadText(pathOrTemplate));
    }

    private static ChatTemplateSet? Read(JsonPart part)
    {
        if (part.IsNull)
            return null;
        if (part.Kind == JsonValueKind.String)
            return new ChatTemplateSet(ChatTemplate.Parse(part.Text()));
        var named = new Dictionary<string, string>(StringComparer.Ordinal);
        string? first = null;
        foreach (JsonPart item in part.Items())
        {
            string name = item.Field("name").Text();
            named[name] = item.Field("template").Text();
            first ??= name;
        }
        if (first is null)
            return null;
        if (!named.TryGetValue(DefaultName, out string? source) && named.Count > 1)
            throw part.Error($"must have a template named {DefaultName}");
        ChatTemplate? toolUse = named.TryGetValue(ToolUseName, out string? tools) ? ChatTemplate.Parse(tools) : null;
        return new ChatTemplateSet(ChatTemplate.Parse(source ?? named[first]), toolUse);
    }

    private static string ReadText(string path)
    {
        try
        {
            return File.ReadAllText(path);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new TokenizerException($"{path} cannot be read: {exception.Message}", exception);
        }
    }
}
