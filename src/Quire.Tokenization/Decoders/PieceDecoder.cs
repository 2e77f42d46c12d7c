using System;
using System.Collections.Generic;
using System.Globalization;
using System.Text;
using Quire.Tokenization.Engines;

namespace Quire.Tokenization.Decoders;

/// <summary>What a SentencePiece-style decoder does, in the order in which it does it.</summary>
internal sealed record PieceDecoderOptions
{
    /// <summary>Literal replacements in each token's text (▁ → space).</summary>
    public IReadOnlyList<(string Pattern, string Content)> Replacements { get; init; } = [];

    /// <summary>Whether tokens spelled <c>&lt;0xNN&gt;</c> are bytes; a run of them is read as UTF-8 together.</summary>
    public bool ByteFallback { get; init; }

    /// <summary>What is put between tokens: a space when the model names no decoder, else nothing.</summary>
    public string Separator { get; init; } = string.Empty;

    /// <summary>A mark that is a space, except that the first token loses it (the <c>Metaspace</c> decoder).</summary>
    public char? Metaspace { get; init; }

    /// <summary>Whether the first token keeps its metaspace mark as a space (<c>prepend_scheme</c> never).</summary>
    public bool KeepsFirstMetaspace { get; init; }

    /// <summary>The character that <see cref="StripStart"/> and <see cref="StripStop"/> remove.</summary>
    public char StripContent { get; init; } = ' ';

    /// <summary>How many of it, at most, are removed at the start of the text.</summary>
    public int StripStart { get; init; }

    /// <summary>How many of it, at most, are removed at the end of the text.</summary>
    public int StripStop { get; init; }
}

/// <summary>
/// SentencePiece-style decoding: <c>Replace</c>, <c>Metaspace</c>, <c>ByteFallback</c>, <c>Fuse</c>, <c>Strip</c>, in that order.
/// </summary>
internal sealed class PieceDecoder : TokenDecoder
{
    private readonly PieceDecoderOptions _options;
    private readonly string?[] _texts;

    // The value of a byte token, or -1; null without byte fallback.
    private readonly short[]? _byteValues;
    private readonly TokenBytes _bytes;

    public PieceDecoder(Vocabulary vocabulary, PieceDecoderOptions options)
    {
        _options = options;
        _texts = new string?[vocabulary.Size];
        _byteValues = options.ByteFallback ? new short[vocabulary.Size] : null;
        for (int id = 0; id < vocabulary.Size; id++)
        {
            string? text = vocabulary.TokenOf(id);
            foreach ((string pattern, string content) in options.Replacements)
                text = text?.Replace(pattern, content, StringComparison.Ordinal);
            _texts[id] = text;
            _byteValues?[id] = ByteValueOf(text);
        }
        _bytes = new TokenBytes(vocabulary.Size, MakeBytes);
    }

    /// <inheritdoc/>
    public override ReadOnlySpan<byte> BytesOf(int id) => _bytes.Of(id);

    /// <inheritdoc/>
    public override TokenTextStream Open() => new Stream(this);

    private byte[] MakeBytes(int id)
    {
        if (_byteValues is not null && _byteValues[id] >= 0)
            return [(byte)_byteValues[id]];
        string text = _texts[id] ?? string.Empty;
        return Encoding.UTF8.GetBytes(_options.Metaspace is char mark ? text.Replace(mark, ' ') : text);
    }

    private static short ByteValueOf(string? token) =>
        token is { Length: 6 } && token.StartsWith("<0x", StringComparison.Ordinal) && token[5] == '>'
        && byte.TryParse(token.AsSpan(3, 2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out byte value)
            ? value
            : (short)-1;

    private sealed class Stream(PieceDecoder decoder) : TokenTextStream
    {
        private static readonly UTF8Encoding Strict = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

        private readonly List<byte> _run = [];
        private readonly StringBuilder _tail = new();
        private int _startLeft = decoder._options.StripStart;
        private bool _first = true;

        /// <inheritdoc/>
        public override void Append(int id, StringBuilder destination)
        {
            if ((uint)id >= (uint)decoder._texts.Length || decoder._texts[id] is not { } text)
                return;
            if (!_first)
                Emit(decoder._options.Separator, destination);
            if (decoder._byteValues is not null && decoder._byteValues[id] >= 0)
            {
                _run.Add((byte)decoder._byteValues[id]);
            }
            else
            {
                EndRun(destination);
                Emit(decoder._options.Metaspace is char mark ? Unmark(text, mark) : text, destination);
            }
            _first = false;
        }

        /// <inheritdoc/>
        public override void Flush(StringBuilder destination)
        {
            EndRun(destination);
            // The last characters of the text are what is still held here.
            int length = _tail.Length;
            char content = decoder._options.StripContent;
            for (int left = decoder._options.StripStop; left > 0 && length > 0 && _tail[length - 1] == content; left--)
                length--;
            destination.Append(_tail, 0, length);
            _tail.Clear();
            _startLeft = decoder._options.StripStart;
            _first = true;
        }

        private string Unmark(string text, char mark) => _first && !decoder._options.KeepsFirstMetaspace
            ? text.Replace(mark.ToString(), string.Empty, StringComparison.Ordinal)
            : text.Replace(mark, ' ');

        // A run of byte tokens is one text; if it is not UTF-8 as a whole, each byte is one replacement character.
        private void EndRun(StringBuilder destination)
        {
            if (_run.Count == 0)
                return;
            string text;
            try
            {
                text = Strict.GetString(_run.ToArray());
            }
            catch (DecoderFallbackException)
            {
                text = new string('\uFFFD', _run.Count);
            }
            _run.Clear();
            Emit(text, destination);
        }

        private void Emit(string text, StringBuilder destination)
        {
            int start = 0;
            while (_startLeft > 0 && start < text.Length)
            {
                if (text[start] != decoder._options.StripContent)
                    _startLeft = 0;
                else
                    start++;
                _startLeft = Math.Max(0, _startLeft - 1);
            }
            if (decoder._options.StripStop == 0)
            {
                destination.Append(text, start, text.Length - start);
                return;
            }
            // Only trailing characters that the end of the text would remove are held back.
            _tail.Append(text, start, text.Length - start);
            int held = 0;
            int heldMax = Math.Min(_tail.Length, decoder._options.StripStop);
            while (held < heldMax && _tail[_tail.Length - 1 - held] == decoder._options.StripContent)
                held++;
            destination.Append(_tail, 0, _tail.Length - held);
            _tail.Remove(0, _tail.Length - held);
        }
    }
}
