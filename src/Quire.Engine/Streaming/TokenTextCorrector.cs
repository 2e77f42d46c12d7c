using System;

namespace Quire.Engine.Streaming;

/// <summary>The text of a sequence of tokens, special tokens included, with U+FFFD for bytes that are not UTF-8.</summary>
public delegate string TokenDecoder(ReadOnlySpan<int> tokenIds);

/// <summary>
/// The text of a single token, as reported beside its log-probability. A token that ends within a character has no text of its own: the one
/// that completes the character gets all of it, and those before get "". Safe to use from any number of threads if the decoder is.
/// </summary>
public sealed class TokenTextCorrector
{
    /// <summary>A character has at most four bytes, so no more tokens before can take part in it.</summary>
    public const int ContextMax = 4;

    private const char Replacement = '\uFFFD';

    private readonly TokenDecoder _decode;
    private readonly string?[] _alone;

    /// <param name="decode">The model's decoder.</param>
    /// <param name="vocabularySize">Texts of ids below it are kept once decoded.</param>
    public TokenTextCorrector(TokenDecoder decode, int vocabularySize)
    {
        ArgumentNullException.ThrowIfNull(decode);
        _decode = decode;
        _alone = new string?[vocabularySize];
    }

    /// <summary>The text of a token at a place in a sequence.</summary>
    /// <param name="tokenId">The token, sampled or an alternative at the same place.</param>
    /// <param name="preceding">The tokens of the sequence before it, oldest first; the last <see cref="ContextMax"/> are enough.</param>
    public string TextOf(int tokenId, ReadOnlySpan<int> preceding)
    {
        string alone = Alone(tokenId);
        if (!IsBroken(alone))
            return alone;
        Span<int> tokens = stackalloc int[ContextMax + 1];
        for (int count = 1; count <= Math.Min(preceding.Length, ContextMax); count++)
        {
            ReadOnlySpan<int> context = preceding[^count..];
            context.CopyTo(tokens);
            tokens[count] = tokenId;
            string whole = _decode(tokens[..(count + 1)]);
            if (!IsBroken(whole))
                return WithoutPrefix(whole, context);
        }

        return "";
    }

    private static bool IsBroken(string text) => text.Length > 0 && text[^1] == Replacement;

    /// <summary>What the whole text has beyond the tokens that are complete without the last one.</summary>
    private string WithoutPrefix(string whole, ReadOnlySpan<int> context)
    {
        int complete = context.Length;
        while (complete > 0 && IsBroken(Alone(context[complete - 1])))
            complete--;
        string prefix = complete == 0 ? "" : _decode(context[..complete]);

        // Decoders that treat the start of a text specially may disagree with the prefix; then only what agrees is taken off.
        return whole[whole.AsSpan().CommonPrefixLength(prefix)..];
    }

    private string Alone(int tokenId)
    {
        if ((uint)tokenId >= (uint)_alone.Length)
            return _decode([tokenId]);
        return _alone[tokenId] ??= _decode([tokenId]);
    }
}
