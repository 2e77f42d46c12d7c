using System;
using System.Buffers;
using System.Collections.Generic;
using System.Text;

namespace Quire.Tokenization.Engines;

/// <summary>
/// Byte-pair encoding that starts from the UTF-8 bytes of a piece (GPT-2, Llama-3, Qwen, Mistral-Nemo). Works on byte values directly; the
/// printable stand-ins of <see cref="ByteAlphabet"/> appear only in the vocabulary.
/// </summary>
internal sealed class ByteLevelBpe : BpeModel
{
    private const int StackBytesMax = 256;

    private readonly MergeTable _merges;
    // Tokens that a piece may be as a whole; null where pieces are always merged.
    private readonly ByteTokens? _whole;
    private readonly int _lengthMax;
    private readonly UnknownRule _unknown;
    private readonly int[] _byteIds = new int[256];
    private readonly PieceCache _cache = new();

    /// <param name="vocabulary">Tokens in the byte alphabet.</param>
    /// <param name="merges">The merges.</param>
    /// <param name="ignoreMerges">Whether a piece that is a token as a whole is taken without merging.</param>
    /// <param name="unknown">What stands for a byte that the vocabulary lacks.</param>
    public ByteLevelBpe(Vocabulary vocabulary, MergeTable merges, bool ignoreMerges, UnknownRule unknown)
    {
        _merges = merges;
        _whole = ignoreMerges ? WholeTokens(vocabulary) : null;
        _lengthMax = vocabulary.LengthMax;
        _unknown = unknown;
        for (int value = 0; value < 256; value++)
            _byteIds[value] = vocabulary.TryGetId(ByteAlphabet.CharacterOf[value].ToString(), out int id) ? id : -1;
    }

    public override void Encode(ReadOnlySpan<char> piece, List<int> destination)
    {
        if (_cache.TryAppend(piece, destination, out int place))
            return;
        int start = destination.Count;
        int bytesMax = Encoding.UTF8.GetMaxByteCount(piece.Length);
        if (bytesMax <= StackBytesMax)
        {
            Span<byte> bytes = stackalloc byte[StackBytesMax];
            Span<int> symbols = stackalloc int[StackBytesMax];
            EncodeBytes(bytes[..Encoding.UTF8.GetBytes(piece, bytes)], symbols, destination);
        }
        else
        {
            byte[] bytes = ArrayPool<byte>.Shared.Rent(bytesMax);
            int count = Encoding.UTF8.GetBytes(piece, bytes);
            int[] symbols = ArrayPool<int>.Shared.Rent(count);
            EncodeBytes(bytes.AsSpan(0, count), symbols, destination);
            ArrayPool<int>.Shared.Return(symbols);
            ArrayPool<byte>.Shared.Return(bytes);
        }
        _cache.Remember(piece, place, destination, start);
    }

    private void EncodeBytes(ReadOnlySpan<byte> bytes, Span<int> symbols, List<int> destination)
    {
        if (_whole is not null && bytes.Length <= _lengthMax && _whole.TryGet(bytes, out int whole))
        {
            destination.Add(whole);
            return;
        }
        int count = 0;
        bool unknownBefore = false;
        foreach (byte value in bytes)
        {
            int id = _byteIds[value];
            bool unknown = id < 0;
            if (!unknown)
                symbols[count++] = id;
            else if (_unknown.Id is int unknownId && !(_unknown.Fuse && unknownBefore))
                symbols[count++] = unknownId;
            unknownBefore = unknown;
        }
        count = BytePairMerger.Merge(_merges, symbols[..count]);
        destination.AddRange(symbols[..count]);
    }

    // Special tokens are matched before text is cut into pieces or not at all, so a piece never becomes one.
    private static ByteTokens WholeTokens(Vocabulary vocabulary)
    {
        var tokens = new List<(byte[] Bytes, int Id)>(vocabulary.Size);
        for (int id = 0; id < vocabulary.Size; id++)
        {
            if (!vocabulary.IsSpecial(id) && vocabulary.TokenOf(id) is { } token && ByteAlphabet.TryGetBytes(token, out byte[] bytes))
                tokens.Add((bytes, id));
        }
        return new ByteTokens(tokens);
    }
}
