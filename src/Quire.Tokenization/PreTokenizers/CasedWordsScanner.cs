using System;

namespace Quire.Tokenization.PreTokenizers;

/// <summary>
/// The patterns that cut words where lower case turns into upper case: Mistral's Tekken (every digit alone) and o200k (three digits
/// together,
/// contractions stay with their word).
/// </summary>
internal sealed class CasedWordsScanner : PatternScanner
{
    public const string TekkenPattern =
        @"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|"
        + @"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|"
        + @"\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";

    public const string O200kPattern =
        @"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|"
        + @"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|"
        + @"\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";

    private const CharacterClass NotPrefix = CharacterClass.LineBreak | CharacterClass.Letter | CharacterClass.Number;

    private readonly int _digitsMax;
    private readonly bool _contractions;

    public CasedWordsScanner(int digitsMax, bool contractions)
    {
        _digitsMax = digitsMax;
        _contractions = contractions;
    }

    /// <inheritdoc/>
    public override int Next(ReadOnlySpan<char> text, int start)
    {
        CharacterClass first = CharacterClasses.At(text, start, out int length);
        int end = SkipWord(text, start, (first & NotPrefix) == 0 ? start + length : start);
        if (end > start)
            return _contractions && end < text.Length ? SkipContraction(text, end, ignoreCase: true) : end;
        if ((first & CharacterClass.Number) != 0)
            return SkipDigits(text, start + length, _digitsMax - 1);
        end = SkipSymbols(text, start);
        if (end == start)
            return SkipSpaceWithLines(text, start);
        while (end < text.Length && text[end] is '\r' or '\n' or '/')
            end++;
        return end;
    }

    // The two word alternatives, each with and without the optional prefix. Where the word ends, or start.
    private static int SkipWord(ReadOnlySpan<char> text, int start, int afterPrefix)
    {
        int end = SkipHeadsThenTails(text, afterPrefix);
        if (end > afterPrefix)
            return end;
        // A mark can be the prefix or part of the word: the pattern tries both before it goes on to the second alternative.
        end = SkipHeadsThenTails(text, start);
        if (end > start)
            return end;
        end = CharacterClasses.SkipAny(text, afterPrefix, CharacterClass.WordHead);
        return end > afterPrefix ? CharacterClasses.SkipAny(text, end, CharacterClass.WordTail) : start;
    }

    // [head]*[tail]+ from start: the heads give back until a tail can follow. Where it ends, or start.
    private static int SkipHeadsThenTails(ReadOnlySpan<char> text, int start)
    {
        int index = start;
        int afterLastBoth = start;
        while (index < text.Length)
        {
            CharacterClass classes = CharacterClasses.At(text, index, out int length);
            if ((classes & CharacterClass.WordHead) == 0)
                break;
            index += length;
            if ((classes & CharacterClass.WordTail) != 0)
                afterLastBoth = index;
        }
        int end = CharacterClasses.SkipAny(text, index, CharacterClass.WordTail);
        return end > index ? end : afterLastBoth;
    }
}
