using System;
using System.Text;

namespace Quire.Tokenization;

/// <summary>
/// Text of one generated sequence, token by token. The pieces joined, <see cref="Flush"/> included, are what <see
/// cref="ITokenizer.Decode"/>
/// gives for all tokens at once, and no piece ends inside a character: an unfinished character is held back, and is U+FFFD only at
/// <see cref="Flush"/>. Cost per token is its own length, whatever the length of the history.
/// </summary>
/// <remarks>
/// With byte-fallback vocabularies a run of byte tokens is held until another token ends it, because one bad byte changes how the whole run
/// reads (<c>ByteFallback</c> of the Hugging Face decoders). Not thread-safe.
/// </remarks>
public sealed class IncrementalDecoder
{
    // No character and no decoder state reaches back further than this many tokens.
    private const int PromptTokensMax = 16;

    private readonly ITokenizer _tokenizer;
    private readonly TokenTextStream _stream;
    private readonly bool _skipSpecialTokens;
    private readonly StringBuilder _text = new();

    /// <param name="tokenizer">The tokenizer that made the ids.</param>
    /// <param name="skipSpecialTokens">Whether special tokens add no text.</param>
    /// <param name="promptTokens">
    /// The prompt, or its last tokens: its text is not sent, but it decides how the first generated token reads
    /// (whether a leading space belongs to the text, which character a byte completes).
    /// </param>
    public IncrementalDecoder(ITokenizer tokenizer, bool skipSpecialTokens, ReadOnlySpan<int> promptTokens = default)
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        _tokenizer = tokenizer;
        _skipSpecialTokens = skipSpecialTokens;
        _stream = tokenizer.OpenTextStream();
        foreach (int id in promptTokens[Math.Max(0, promptTokens.Length - PromptTokensMax)..])
            Feed(id);
        _text.Clear();
    }

    /// <summary>Takes the next token; returns the text that is now safe to send, often empty.</summary>
    public string Append(int id)
    {
        Feed(id);
        return Take();
    }

    /// <summary>Takes the next token and appends the text that is now safe to send to <paramref name="destination"/>.</summary>
    public void Append(int id, StringBuilder destination)
    {
        ArgumentNullException.ThrowIfNull(destination);
        if (!_skipSpecialTokens || !_tokenizer.IsSpecial(id))
            _stream.Append(id, destination);
    }

    /// <summary>The text still held back when the sequence has ended; the decoder then stands at the start of a new text.</summary>
    public string Flush()
    {
        _stream.Flush(_text);
        return Take();
    }

    private void Feed(int id)
    {
        if (!_skipSpecialTokens || !_tokenizer.IsSpecial(id))
            _stream.Append(id, _text);
    }

    private string Take()
    {
        if (_text.Length == 0)
            return string.Empty;
        string text = _text.ToString();
        _text.Clear();
        return text;
    }
}
