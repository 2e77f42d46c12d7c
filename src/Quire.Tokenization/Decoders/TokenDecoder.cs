using System;

namespace Quire.Tokenization.Decoders;

/// <summary>Tokens to text: the tables that every sequence shares.</summary>
internal abstract class TokenDecoder
{
    /// <summary>The bytes that a token adds to the text.</summary>
    public abstract ReadOnlySpan<byte> BytesOf(int id);

    /// <summary>A fresh state for one sequence.</summary>
    public abstract TokenTextStream Open();
}
