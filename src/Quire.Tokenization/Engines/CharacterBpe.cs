using System;
using System.Buffers;
using System.Collections.Generic;
using System.Globalization;
using System.Text;

namespace Quire.Tokenization.Engines;

/// <summary>
/// Byte-pair encoding that starts from characters (SentencePiece-style: Llama-2, Gemma). A character that the vocabulary lacks becomes its
/// UTF-8 bytes as <c>&lt;0xNN&gt;</c> tokens (byte fallback) or the unknown token.
/// </summary>
internal sealed class CharacterBpe : BpeModel
{
    // "Lower one eighth block", SentencePiece's visible space.
    private const char SpaceMark = '\u2581';
    private const int StackSymbolsMax = 256;

    private readonly Vocabulary _vocabulary;
    private readonly MergeTable _merges;
    private readonly bool _ignoreMerges;
    private readonly UnknownRule _unknown;
    private readonly int[]? _fallbackIds;
    private readonly PieceCache _cache = new();
    private readonly HashSet<char> _joinedToSpaceMark = [];

    /// <param name="vocabulary">Tokens as text, with ▁ for a space where the model writes it so.</param>
    /// <param name="merges">The merges.</param>
    /// <param name="ignoreMerges">Whether a piece that is a token as a whole is taken without merging.</param>
    /// <param name="unknown">What stands for a character that neither the vocabulary nor the fallback has.</param>
    /// <param name="byteFallback">Whether missing characters become byte tokens.</param>
    public CharacterBpe(Vocabulary vocabulary, MergeTable merges, bool ignoreMerges, UnknownRule unknown, bool byteFallback)
    {
        _vocabulary = vocabulary;
        _merges = merges;
        _ignoreMerges = ignoreMerges;
        _unknown = unknown;
        if (byteFallback)
        {
            _fallbackIds = new int[256];
            for (int value = 0; value < 256; value++)
                _fallbackIds[value] = vocabulary.TryGetId(FallbackToken(value), out int id) ? id : -1;
        }
        CutsAtSpaceMarks = !ignoreMerges && _fallbackIds is not null && Array.IndexOf(_fallbackIds, -1) < 0;
        for (int id = 0; id < vocabulary.Size; id++)
        {
            string token = vocabulary.TokenOf(id) ?? string.Empty;
            for (int i = 1; i < token.Length; i++)
            {
                if (token[i] == SpaceMark && token[i - 1] != SpaceMark)
                    _joinedToSpaceMark.Add(token[i - 1]);
            }
        }
    }

    /// <summary>
    /// Whether a piece may be cut before a ▁. No merge reaches across a boundary that lies inside no token, and with a complete byte
    /// fallback
    /// there are no unknowns to fuse, so the parts encode as the whole does; then words, not whole texts, are merged and remembered.
    /// </summary>
    private bool CutsAtSpaceMarks { get; }

    public override void Encode(ReadOnlySpan<char> piece, List<int> destination)
    {
        if (!CutsAtSpaceMarks)
        {
            EncodePart(piece, destination);
            return;
        }
        int start = 0;
        for (int i = 1; i < piece.Length; i++)
        {
            if (piece[i] == SpaceMark && piece[i - 1] != SpaceMark && !_joinedToSpaceMark.Contains(piece[i - 1]))
            {
                EncodePart(piece[start..i], destination);
                start = i;
            }
        }
        EncodePart(piece[start..], destination);
    }

    /// <summary>The spelling of a byte token: <c>&lt;0x0A&gt;</c>.</summary>
    public static string FallbackToken(int value) => string.Create(CultureInfo.InvariantCulture, $"<0x{value:X2}>");

    private void EncodePart(ReadOnlySpan<char> piece, List<int> destination)
    {
        if (_cache.TryAppend(piece, destination, out int place))
            return;
        int start = destination.Count;
        if (_ignoreMerges && _vocabulary.TryGetOrdinaryId(piece, out int whole))
        {
            destination.Add(whole);
        }
        else
        {
            // At most three byte tokens for each UTF-16 unit.
            int symbolsMax = checked(piece.Length * 3);
            int[]? rented = symbolsMax > StackSymbolsMax ? ArrayPool<int>.Shared.Rent(symbolsMax) : null;
            Span<int> symbols = rented ?? stackalloc int[StackSymbolsMax];
            int count = BytePairMerger.Merge(_merges, symbols[..Split(piece, symbols)]);
            destination.AddRange(symbols[..count]);
            if (rented is not null)
                ArrayPool<int>.Shared.Return(rented);
        }
        _cache.Remember(piece, place, destination, start);
    }

    private int Split(ReadOnlySpan<char> piece, Span<int> symbols)
    {
        int count = 0;
        bool unknownBefore = false;
        Span<char> character = stackalloc char[2];
        Span<byte> bytes = stackalloc byte[4];
        while (!piece.IsEmpty)
        {
            Rune.DecodeFromUtf16(piece, out Rune rune, out int length);
            piece = piece[length..];
            if (_vocabulary.TryGetOrdinaryId(character[..rune.EncodeToUtf16(character)], out int id))
            {
                symbols[count++] = id;
                unknownBefore = false;
            }
            else if (TryFallBack(bytes[..rune.EncodeToUtf8(bytes)], symbols[count..]))
            {
                count += rune.Utf8SequenceLength;
                unknownBefore = false;
            }
            else
            {
                if (_unknown.Id is int unknownId && !(_unknown.Fuse && unknownBefore))
                    symbols[count++] = unknownId;
                unknownBefore = true;
            }
        }
        return count;
    }

    private bool TryFallBack(ReadOnlySpan<byte> bytes, Span<int> symbols)
    {
        if (_fallbackIds is null)
            return false;
        for (int i = 0; i < bytes.Length; i++)
        {
            int id = _fallbackIds[bytes[i]];
            if (id < 0)
                return false;
            symbols[i] = id;
        }
        return true;
    }
}
