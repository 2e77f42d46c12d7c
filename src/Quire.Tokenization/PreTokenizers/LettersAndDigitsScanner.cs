using System;

namespace Quire.Tokenization.PreTokenizers;

/// <summary>
/// The pattern of Qwen and Llama-3: contractions, words with at most one leading symbol, digits, symbols with the line breaks behind them,
/// white space. The models differ in how many digits make a piece and in whether marks belong to words.
/// </summary>
internal sealed class LettersAndDigitsScanner : PatternScanner
{
    public const string OneDigitPattern =
        @"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

    public const string ThreeDigitsPattern =
        @"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

    /// <summary>
    /// cl100k as its makers write it: other spelling, same matches. Possessive quantifiers change nothing where what follows cannot match less.
    /// </summary>
    public const string Cl100kPattern =
        @"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+";

    public const string OneDigitMarksPattern =
        @"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

    private readonly int _digitsMax;
    private readonly CharacterClass _word;

    public LettersAndDigitsScanner(int digitsMax, bool marksAreLetters)
    {
        _digitsMax = digitsMax;
        _word = marksAreLetters ? CharacterClass.Letter | CharacterClass.Mark : CharacterClass.Letter;
    }

    /// <inheritdoc/>
    public override int Next(ReadOnlySpan<char> text, int start)
    {
        int end = SkipContraction(text, start, ignoreCase: true);
        if (end > start)
            return end;
        CharacterClass first = CharacterClasses.At(text, start, out int length);
        if ((first & _word) != 0)
            return CharacterClasses.SkipAny(text, start + length, _word);
        if ((first & CharacterClass.Number) != 0)
            return SkipDigits(text, start + length, _digitsMax - 1);
        if ((first & CharacterClass.LineBreak) == 0)
        {
            end = CharacterClasses.SkipAny(text, start + length, _word);
            if (end > start + length)
                return end;
        }
        end = SkipSymbols(text, start, _word);
        return end > start ? CharacterClasses.SkipAny(text, end, CharacterClass.LineBreak) : SkipSpaceWithLines(text, start);
    }
}
