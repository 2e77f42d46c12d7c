using System.Text.Json;
using Quire.Server.Http;
using Quire.Server.Serving;
using Quire.Tokenization;

namespace Quire.Server.Chat;

/// <summary>A conversation as the text of a prompt.</summary>
/// <param name="Prompt">The prompt.</param>
/// <param name="LastRole">Role of the last message.</param>
/// <param name="LastContent">Its text.</param>
internal readonly record struct RenderedChat(GuardedText Prompt, string LastRole, string? LastContent)
{
    /// <summary>The text of the prompt.</summary>
    public string Text => Prompt.Text;

    /// <exception cref="ApiException">The conversation is wrong, or there is no template for it.</exception>
    public static RenderedChat Render(ServerContext server, ChatTemplateFields fields, JsonElement messages)
    {
        IChatRenderer? renderer = server.Engine.Chat;
        using var conversation = Conversation.Read(messages, server.Options.Limits, renderer);
        if (renderer is null)
        {
            throw new ApiException(ApiError.Invalid(null,
                "As of transformers v4.44, default chat template is no longer allowed, so you must provide a chat template if the tokenizer "
                + "does not define one: start the server with --chat-template."));
        }

        bool withTools = !(fields.ToolsForbidden && server.Options.ExcludeToolsWhenToolChoiceNone);
        using OwnedJson tools = ToolList.From(withTools ? fields.Tools : default);
        using OwnedJson kwargs = TemplateKwargs.Merge(server.Options.DefaultChatTemplateKwargs, fields);
        GuardedText text = renderer.Render(new ChatPrompt
        {
            Messages = conversation.Messages,
            Tools = tools.Root,
            Documents = fields.Documents,
            Kwargs = kwargs.Root,
            AddGenerationPrompt = fields.AddGenerationPrompt && !fields.ContinueFinalMessage,
            ContinuedText = fields.ContinueFinalMessage ? conversation.LastContent ?? "" : null,
            Template = fields.ChatTemplate,
        });
        return new RenderedChat(text, conversation.LastRole, conversation.LastContent);
    }
}
