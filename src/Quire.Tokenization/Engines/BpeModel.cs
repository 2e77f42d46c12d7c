using System;
using System.Collections.Generic;

namespace Quire.Tokenization.Engines;

/// <summary>Turns one piece of text (what pre-tokenization cut out) into token ids.</summary>
internal abstract class BpeModel
{
    /// <summary>Appends the ids of a non-empty piece.</summary>
    public abstract void Encode(ReadOnlySpan<char> piece, List<int> destination);
}
