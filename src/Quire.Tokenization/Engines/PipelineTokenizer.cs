using System;
using System.Collections.Generic;
using System.Linq;
using System.Text;
using Quire.Tokenization.Decoders;
using Quire.Tokenization.Normalizers;
using Quire.Tokenization.PostProcessors;
using Quire.Tokenization.PreTokenizers;

namespace Quire.Tokenization.Engines;

/// <summary>The parts of a tokenizer, as its files describe them.</summary>
internal sealed record TokenizerParts
{
    public required Vocabulary Vocabulary { get; init; }

    public required IReadOnlyList<AddedToken> AddedTokens { get; init; }

    public Normalizer? Normalizer { get; init; }

    public required PreTokenizer[] PreTokenizers { get; init; }

    public required BpeModel Model { get; init; }

    public required SpecialTokenFrame Frame { get; init; }

    public required TokenDecoder Decoder { get; init; }

    public required SpecialTokens Special { get; init; }
}

/// <summary>
/// The pipeline of a <c>tokenizer.json</c>: split at added tokens in the raw text, normalize the rest, split at added tokens in the
/// normalized
/// text, pre-tokenize, encode the pieces, and put the post-processor's tokens around.
/// </summary>
internal sealed class PipelineTokenizer : ITokenizer
{
    private readonly TokenizerParts _parts;
    private readonly AddedTokenMatcher _rawTokens;
    private readonly AddedTokenMatcher _normalizedTokens;

    public PipelineTokenizer(TokenizerParts parts)
    {
        _parts = parts;
        var raw = new List<(string Text, AddedToken Token)>();
        var normalized = new List<(string Text, AddedToken Token)>();
        foreach (AddedToken token in parts.AddedTokens)
        {
            string text = token.Normalized && parts.Normalizer is not null ? parts.Normalizer.Apply(token.Content) : token.Content;
            if (text.Length > 0)
                (token.Normalized ? normalized : raw).Add((text, token));
        }
        _rawTokens = new AddedTokenMatcher(raw);
        _normalizedTokens = new AddedTokenMatcher(normalized);
        ControlTokens = new ControlTokens(parts.AddedTokens.Where(token => token.Special && token.Content.Length > 0).Select(token => token.Content));
    }

    /// <inheritdoc/>
    public int VocabularySize => _parts.Vocabulary.Size;

    /// <inheritdoc/>
    public SpecialTokens Special => _parts.Special;

    /// <inheritdoc/>
    public ControlTokens ControlTokens { get; }

    /// <inheritdoc/>
    public void Encode(ReadOnlySpan<char> text, bool addSpecialTokens, List<int> destination, bool matchSpecialTokens = true) =>
        Encode(text, [], addSpecialTokens, destination, matchSpecialTokens);

    /// <inheritdoc/>
    public void Encode(ReadOnlySpan<char> text, ReadOnlySpan<int> literals, bool addSpecialTokens, List<int> destination) =>
        Encode(text, literals, addSpecialTokens, destination, matchSpecial: true);

    private void Encode(ReadOnlySpan<char> text, ReadOnlySpan<int> literals, bool addSpecialTokens, List<int> destination, bool matchSpecial)
    {
        ArgumentNullException.ThrowIfNull(destination);
        if (addSpecialTokens)
            destination.AddRange(_parts.Frame.Before);
        EncodeRaw(text, literals, destination, matchSpecial);
        if (addSpecialTokens)
            destination.AddRange(_parts.Frame.After);
    }

    /// <inheritdoc/>
    public string Decode(ReadOnlySpan<int> ids, bool skipSpecialTokens)
    {
        var text = new StringBuilder(ids.Length * 4);
        TokenTextStream stream = OpenTextStream();
        foreach (int id in ids)
        {
            if (!skipSpecialTokens || !IsSpecial(id))
                stream.Append(id, text);
        }
        stream.Flush(text);
        return text.ToString();
    }

    /// <inheritdoc/>
    public string? IdToToken(int id) => _parts.Vocabulary.TokenOf(id);

    /// <inheritdoc/>
    public int? TokenToId(string token)
    {
        ArgumentNullException.ThrowIfNull(token);
        return _parts.Vocabulary.TryGetId(token, out int id) ? id : null;
    }

    /// <inheritdoc/>
    public bool IsSpecial(int id) => _parts.Vocabulary.IsSpecial(id);

    /// <inheritdoc/>
    public ReadOnlySpan<byte> GetTokenBytes(int id) => _parts.Decoder.BytesOf(id);

    /// <inheritdoc/>
    public TokenTextStream OpenTextStream() => _parts.Decoder.Open();

    private void EncodeRaw(ReadOnlySpan<char> text, ReadOnlySpan<int> literals, List<int> destination, bool matchSpecial)
    {
        int position = 0;
        int scan = 0;
        while (_rawTokens.TryFind(text, ref scan, position, matchSpecial, literals, out AddedTokenMatch match))
        {
            if (match.Start > position)
                EncodeUnnormalized(text[position..match.Start], position == 0, destination, matchSpecial && !HasAny(literals, position, match.Start));
            destination.Add(match.Token.Id);
            position = match.End;
        }
        if (position < text.Length)
            EncodeUnnormalized(text[position..], position == 0, destination, matchSpecial && !HasAny(literals, position, text.Length));
    }

    /// <summary>Normalizing moves characters, so where a stretch has a literal one, no control token is looked for in its normalized text.</summary>
    private static bool HasAny(ReadOnlySpan<int> literals, int start, int end) => AddedTokenMatcher.HasAny(literals, start, end);

    private void EncodeUnnormalized(ReadOnlySpan<char> text, bool atStart, List<int> destination, bool matchSpecial)
    {
        if (_parts.Normalizer is not null)
            text = _parts.Normalizer.Apply(text.ToString());
        var sink = new PieceSink(_parts.PreTokenizers, _parts.Model, destination);
        int position = 0;
        int scan = 0;
        while (_normalizedTokens.TryFind(text, ref scan, position, matchSpecial, [], out AddedTokenMatch match))
        {
            if (match.Start > position)
                sink.Take(text[position..match.Start], atStart && position == 0);
            destination.Add(match.Token.Id);
            position = match.End;
        }
        if (position < text.Length)
            sink.Take(text[position..], atStart && position == 0);
    }
}
