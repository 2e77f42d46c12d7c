using Quire.Tokenization;

namespace Quire.Engine.Streaming;

/// <summary>What turns tokens into text, shared by all requests of an engine.</summary>
internal sealed class TextServices
{
    public TextServices(ITokenizer tokenizer, int vocabularySize)
    {
        Tokenizer = tokenizer;
        TokenTexts = new TokenTextCorrector(ids => tokenizer.Decode(ids, skipSpecialTokens: false), vocabularySize);
    }

    public ITokenizer Tokenizer { get; }

    /// <summary>The text of single tokens beside their log-probabilities.</summary>
    public TokenTextCorrector TokenTexts { get; }
}
