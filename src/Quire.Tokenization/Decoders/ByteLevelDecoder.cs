using System;
using System.Buffers;
using System.Text;
using Quire.Tokenization.Engines;

namespace Quire.Tokenization.Decoders;

/// <summary><c>ByteLevel</c>: the bytes of all tokens, joined and read as UTF-8.</summary>
internal sealed class ByteLevelDecoder : TokenDecoder
{
    private readonly TokenBytes _bytes;

    public ByteLevelDecoder(Vocabulary vocabulary) =>
        _bytes = new TokenBytes(vocabulary.Size, id => vocabulary.TokenOf(id) is { } token ? ByteAlphabet.BytesOf(token) : []);

    /// <inheritdoc/>
    public override ReadOnlySpan<byte> BytesOf(int id) => _bytes.Of(id);

    /// <inheritdoc/>
    public override TokenTextStream Open() => new Stream(_bytes);

    // Holds the bytes of one unfinished character: at most three.
    private sealed class Stream(TokenBytes bytes) : TokenTextStream
    {
        private readonly byte[] _held = new byte[4];
        private int _heldCount;

        /// <inheritdoc/>
        public override void Append(int id, StringBuilder destination)
        {
            ReadOnlySpan<byte> added = bytes.Of(id);
            while (_heldCount > 0 && !added.IsEmpty)
            {
                _held[_heldCount] = added[0];
                OperationStatus status = Rune.DecodeFromUtf8(_held.AsSpan(0, _heldCount + 1), out Rune rune, out int consumed);
                if (status == OperationStatus.InvalidData && consumed <= _heldCount)
                {
                    // The new byte does not continue what is held: that part is one replacement, and the byte starts afresh.
                    destination.Append('\uFFFD');
                    _heldCount = 0;
                    break;
                }
                added = added[1..];
                _heldCount++;
                if (status == OperationStatus.NeedMoreData)
                    continue;
                AppendRune(rune, destination);
                _heldCount = 0;
            }
            AppendWhole(added, destination);
        }

        /// <inheritdoc/>
        public override void Flush(StringBuilder destination)
        {
            if (_heldCount > 0)
                destination.Append('\uFFFD');
            _heldCount = 0;
        }

        // Everything but an unfinished character at the end, which is held.
        private void AppendWhole(ReadOnlySpan<byte> added, StringBuilder destination)
        {
            while (!added.IsEmpty)
            {
                int ascii = added.IndexOfAnyExceptInRange((byte)0, (byte)0x7F);
                foreach (byte value in ascii < 0 ? added : added[..ascii])
                    destination.Append((char)value);
                if (ascii < 0)
                    return;
                added = added[ascii..];
                if (Rune.DecodeFromUtf8(added, out Rune rune, out int consumed) == OperationStatus.NeedMoreData)
                {
                    added.CopyTo(_held);
                    _heldCount = added.Length;
                    return;
                }
                AppendRune(rune, destination);
                added = added[consumed..];
            }
        }

        private static void AppendRune(Rune rune, StringBuilder destination)
        {
            Span<char> units = stackalloc char[2];
            destination.Append(units[..rune.EncodeToUtf16(units)]);
        }
    }
}
