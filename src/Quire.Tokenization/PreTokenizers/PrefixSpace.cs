using System;

namespace Quire.Tokenization.PreTokenizers;

/// <summary><c>ByteLevel.add_prefix_space</c>: a piece that does not begin with a space gets one.</summary>
internal sealed class PrefixSpace : PreTokenizer
{
    /// <inheritdoc/>
    public override void Split(ReadOnlySpan<char> text, bool atStart, PieceSink sink)
    {
        if (text[0] == ' ')
            sink.Take(text, atStart);
        else
            sink.Take(string.Concat(" ", text), atStart);
    }
}
