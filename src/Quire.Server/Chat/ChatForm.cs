using Quire.Server.Serving;

namespace Quire.Server.Chat;

/// <summary>How the answer to one chat request is written, whether as a whole or in chunks.</summary>
internal sealed class ChatForm(ServerContext server, RequestIdentity identity, ChatRequest request, string promptText, string? echoText)
    : AnswerForm(server, identity, request.Fields)
{
    public ChatRequest Request { get; } = request;

    public string PromptText { get; } = promptText;

    /// <summary>What <c>echo</c> puts before each answer; null without it.</summary>
    public string? EchoText { get; } = echoText;

    /// <summary>The role of the answers.</summary>
    public string Role { get; } = server.Options.ResponseRole;
}
