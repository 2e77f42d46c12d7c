using System;

namespace Quire.Tokenization.PreTokenizers;

/// <summary>The pattern of GPT-2 (Radford et al. 2019), which the ByteLevel pre-tokenizer applies when <c>use_regex</c> is on.</summary>
internal sealed class Gpt2Scanner : PatternScanner
{
    public const string Pattern = @"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";

    /// <inheritdoc/>
    public override int Next(ReadOnlySpan<char> text, int start)
    {
        int end = SkipContraction(text, start, ignoreCase: false);
        if (end > start)
            return end;
        int from = text[start] == ' ' ? start + 1 : start;
        end = CharacterClasses.SkipAny(text, from, CharacterClass.Letter);
        if (end > from)
            return end;
        end = CharacterClasses.SkipAny(text, from, CharacterClass.Number);
        if (end > from)
            return end;
        end = SkipSymbols(text, start);
        return end > start ? end : SkipSpace(text, start);
    }
}
