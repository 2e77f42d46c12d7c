using Quire.Server.Serving;

namespace Quire.Server.Chat;

/// <summary>How the answer to one chat request is written, whether as a whole or in chunks.</summary>
internal sealed class ChatForm(ServerContext server, RequestIdentity identity, ChatRequest request, string promptText, string? echoText)
{
    public ServerContext Server { get; } = server;

    public RequestIdentity Identity { get; } = identity;

    public ChatRequest Request { get; } = request;

    public string PromptText { get; } = promptText;

    /// <summary>What <c>echo</c> puts before each answer; null without it.</summary>
    public string? EchoText { get; } = echoText;

    /// <summary>The role of the answers.</summary>
    public string Role { get; } = server.Options.ResponseRole;

    public bool AsTokenIds { get; } = request.Fields.ReturnTokensAsTokenIds ?? server.Options.ReturnTokensAsTokenIds;

    public TokenUsage Usage(int promptTokens, int completionTokens, int cachedTokens) =>
        new(promptTokens, completionTokens, Server.Options.EnablePromptTokensDetails ? cachedTokens : null);
}
