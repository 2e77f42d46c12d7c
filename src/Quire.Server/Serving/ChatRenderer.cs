using System;
using System.Collections.Generic;
using System.Text.Json;
using Quire.Engine;
using Quire.Server.Http;
using Quire.Tokenization;
using Quire.Tokenization.Chat;

namespace Quire.Server.Serving;

/// <summary>The model's chat templates behind the seam of the routes. They run on the thread of a request, under their own limits.</summary>
internal sealed class ChatRenderer(ChatTemplateSet? templates, SpecialTokens special, ControlTokens guarded, ContentFormat format) : IChatRenderer
{
    public bool KnowsDeveloperRole { get; } = templates?.Default.Source.Contains("developer", StringComparison.Ordinal) ?? false;

    public bool TakesParts { get; } = format switch
    {
        ContentFormat.Text => false,
        ContentFormat.Parts => true,
        _ => templates?.Default.IteratesContent ?? false,
    };

    /// <summary>Null when there is no template and requests may not bring one.</summary>
    public static ChatRenderer? Create(InferenceEngine engine, ServerOptions options)
    {
        if (!engine.HasTokenizer)
        {
            return null;
        }

        ChatTemplateSet? templates = engine.ChatTemplates;
        return templates is not null || options.TrustRequestChatTemplate
            ? new ChatRenderer(templates, engine.Tokenizer.Special, engine.GuardedTokens, options.ChatTemplateContentFormat)
            : null;
    }

    public GuardedText Render(ChatPrompt prompt)
    {
        try
        {
            ChatTemplate chosen = prompt.Template is { } own
                ? ChatTemplate.Parse(own)
                : templates?.For(prompt.Tools.ValueKind == JsonValueKind.Array) ?? throw NoTemplate();
            GuardedText text = chosen.Render(new ChatTemplateInput
            {
                Messages = TemplateValue.FromJson(prompt.Messages),
                Tools = FromJson(prompt.Tools),
                Documents = FromJson(prompt.Documents),
                AddGenerationPrompt = prompt.AddGenerationPrompt,
                SpecialTokens = special.Named,
                Extra = Extra(prompt.Kwargs),
                Now = DateTimeOffset.Now,
            }, guarded);
            return prompt.ContinuedText is { } continued ? text.Start(EndOf(text.Text, continued)) : text;
        }
        catch (ChatTemplateException exception)
        {
            throw new ApiException(ApiError.Invalid(null, $"The chat template could not be applied to this conversation: {exception.Message}"));
        }
    }

    private static TemplateValue? FromJson(JsonElement element) =>
        element.ValueKind is JsonValueKind.Undefined or JsonValueKind.Null ? null : TemplateValue.FromJson(element);

    private static Dictionary<string, TemplateValue>? Extra(JsonElement kwargs)
    {
        if (kwargs.ValueKind != JsonValueKind.Object)
        {
            return null;
        }

        var extra = new Dictionary<string, TemplateValue>();
        foreach (JsonProperty property in kwargs.EnumerateObject())
        {
            extra[property.Name] = TemplateValue.FromJson(property.Value);
        }

        return extra;
    }

    /// <summary>
    /// Where the last message ends: what the template writes behind it is removed, so that the model goes on with it. Spacing at the message's end stays if
    /// the template kept it.
    /// </summary>
    private static int EndOf(string text, string message)
    {
        string trimmed = message.Trim();
        int start = trimmed.Length == 0 ? -1 : text.LastIndexOf(trimmed, StringComparison.Ordinal);
        if (start < 0)
        {
            throw new ApiException(ApiError.Invalid("continue_final_message",
                "continue_final_message is set but the last message has no text that the chat template writes into the prompt."));
        }

        string withEnd = message.TrimStart();
        bool keepsEnd = string.CompareOrdinal(text, start, withEnd, 0, withEnd.Length) == 0;
        return start + (keepsEnd ? withEnd.Length : trimmed.Length);
    }

    private static ApiException NoTemplate() => new(ApiError.Invalid(null,
        "As of transformers v4.44, default chat template is no longer allowed, so you must provide a chat template if the tokenizer "
        + "does not define one: start the server with --chat-template."));
}
