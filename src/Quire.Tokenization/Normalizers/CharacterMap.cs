using System;
using System.Buffers.Binary;
using System.Globalization;
using System.Text;

namespace Quire.Tokenization.Normalizers;

/// <summary>
/// <c>Precompiled</c>: SentencePiece's table of replacements, a double-array trie over UTF-8 (Darts) with texts behind it. A grapheme of few
/// bytes is replaced as a whole where the table has it, else character by character, as in the reference.
/// </summary>
internal sealed class CharacterMap : Normalizer
{
    private const int GraphemeBytesMax = 6;

    private readonly uint[] _trie;
    private readonly byte[] _texts;

    private CharacterMap(uint[] trie, byte[] texts)
    {
        _trie = trie;
        _texts = texts;
    }

    /// <summary>Reads the table: four bytes of trie size, the trie, texts that end with zeros. Null when it is broken.</summary>
    public static CharacterMap? TryRead(ReadOnlySpan<byte> map)
    {
        if (map.Length < 4)
            return null;
        uint size = BinaryPrimitives.ReadUInt32LittleEndian(map);
        if (size == 0 || size % 4 != 0 || size > map.Length - 4)
            return null;
        var trie = new uint[size / 4];
        for (int i = 0; i < trie.Length; i++)
            trie[i] = BinaryPrimitives.ReadUInt32LittleEndian(map[(4 + 4 * i)..]);
        return new CharacterMap(trie, map[(4 + (int)size)..].ToArray());
    }

    /// <inheritdoc/>
    public override string Apply(string text)
    {
        var result = new StringBuilder(text.Length);
        ReadOnlySpan<char> rest = text;
        while (!rest.IsEmpty)
        {
            int length = StringInfo.GetNextTextElementLength(rest);
            ReadOnlySpan<char> grapheme = rest[..length];
            if (Encoding.UTF8.GetByteCount(grapheme) >= GraphemeBytesMax || !TryReplace(grapheme, result))
            {
                while (!grapheme.IsEmpty)
                {
                    Rune.DecodeFromUtf16(grapheme, out _, out int character);
                    if (!TryReplace(grapheme[..character], result))
                        result.Append(grapheme[..character]);
                    grapheme = grapheme[character..];
                }
            }
            rest = rest[length..];
        }
        return result.ToString();
    }

    private bool TryReplace(ReadOnlySpan<char> part, StringBuilder result)
    {
        Span<byte> bytes = stackalloc byte[3 * GraphemeBytesMax];
        if (!Encoding.UTF8.TryGetBytes(part, bytes, out int count) || Find(bytes[..count]) is not int start || start >= _texts.Length)
            return false;
        ReadOnlySpan<byte> replacement = _texts.AsSpan(start);
        int end = replacement.IndexOf((byte)0);
        result.Append(Encoding.UTF8.GetString(end < 0 ? replacement : replacement[..end]));
        return true;
    }

    // The text of the shortest key that the bytes begin with.
    private int? Find(ReadOnlySpan<byte> bytes)
    {
        uint unit = _trie[0];
        uint node = Offset(unit);
        foreach (byte value in bytes)
        {
            if (value == 0)
                return null;
            node ^= value;
            if (node >= _trie.Length)
                return null;
            unit = _trie[node];
            if ((unit & 0x8000_00FF) != value)
                return null;
            node ^= Offset(unit);
            if ((unit >> 8 & 1) != 0)
                return node < _trie.Length ? (int)(_trie[node] & 0x7FFF_FFFF) : null;
        }
        return null;
    }

    private static uint Offset(uint unit) => unit >> 10 << (int)((unit & 1 << 9) >> 6);
}
