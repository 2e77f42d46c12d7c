using Quire.Server.Serving;

namespace Quire.Server.Completions;

/// <summary>How the answer to one request is written, whether as a whole or in chunks.</summary>
internal sealed class CompletionForm(ServerContext server, RequestIdentity identity, CompletionRequest request)
    : AnswerForm(server, identity, request.Fields)
{
    public CompletionRequest Request { get; } = request;

    /// <summary>The text that <c>echo</c> puts before an output: the prompt as it was used.</summary>
    public string EchoText(IGeneration generation)
    {
        bool isWhole = Request.Fields.TruncatePromptTokens is null;
        if (isWhole && generation.PromptText is { } text)
        {
            return text;
        }

        int[] tokens = new int[generation.PromptTokenIds.Count];
        for (int i = 0; i < tokens.Length; i++)
        {
            tokens[i] = generation.PromptTokenIds[i];
        }

        return Server.Engine.Tokenizer.Decode(tokens, skipSpecialTokens: false);
    }
}
