using System;

namespace Quire.Tokenization.PreTokenizers;

/// <summary>
/// A hand-written matcher for one pre-tokenizer pattern: gives the end of the match that begins where the last one ended. Takes time linear
/// in
/// the text whatever the text is, which a backtracking regular expression does not promise.
/// </summary>
internal abstract class PatternScanner
{
    /// <summary>The scanner of a pattern that is known, or <see langword="null"/>.</summary>
    public static PatternScanner? Known(string pattern) => pattern switch
    {
        Gpt2Scanner.Pattern => new Gpt2Scanner(),
        LettersAndDigitsScanner.OneDigitPattern => new LettersAndDigitsScanner(digitsMax: 1, marksAreLetters: false),
        LettersAndDigitsScanner.ThreeDigitsPattern or LettersAndDigitsScanner.Cl100kPattern => new LettersAndDigitsScanner(digitsMax: 3, marksAreLetters: false),
        LettersAndDigitsScanner.OneDigitMarksPattern => new LettersAndDigitsScanner(digitsMax: 1, marksAreLetters: true),
        CasedWordsScanner.TekkenPattern => new CasedWordsScanner(digitsMax: 1, contractions: false),
        CasedWordsScanner.O200kPattern => new CasedWordsScanner(digitsMax: 3, contractions: true),
        _ => null,
    };

    /// <summary>Where the piece that begins at <paramref name="start"/> ends; always beyond <paramref name="start"/>.</summary>
    public abstract int Next(ReadOnlySpan<char> text, int start);

    /// <summary><c>'s|'t|'re|'ve|'m|'ll|'d</c> at <paramref name="start"/>: where it ends, or <paramref name="start"/>.</summary>
    protected static int SkipContraction(ReadOnlySpan<char> text, int start, bool ignoreCase)
    {
        if (text[start] != '\'' || start + 1 >= text.Length)
            return start;
        char first = Fold(text[start + 1], ignoreCase);
        if (first is 's' or 't' or 'm' or 'd')
            return start + 2;
        if (start + 2 >= text.Length)
            return start;
        char second = Fold(text[start + 2], ignoreCase);
        return (first, second) is ('r', 'e') or ('v', 'e') or ('l', 'l') ? start + 3 : start;
    }

    /// <summary>
    /// <c> ?[^\s\p{L}\p{N}]+</c> at <paramref name="start"/>, for letters in the sense of <paramref name="word"/>: where it ends, or
    /// <paramref name="start"/>.
    /// </summary>
    protected static int SkipSymbols(ReadOnlySpan<char> text, int start, CharacterClass word = CharacterClass.Letter)
    {
        int from = text[start] == ' ' ? start + 1 : start;
        int end = CharacterClasses.SkipNone(text, from, CharacterClass.Space | CharacterClass.Number | word);
        return end > from ? end : start;
    }

    /// <summary><c>\p{N}</c> up to <paramref name="most"/> times.</summary>
    protected static int SkipDigits(ReadOnlySpan<char> text, int index, int most)
    {
        for (; most > 0 && index < text.Length; most--)
        {
            if ((CharacterClasses.At(text, index, out int length) & CharacterClass.Number) == 0)
                break;
            index += length;
        }
        return index;
    }

    /// <summary><c>\s*[\r\n]+|\s+(?!\S)|\s+</c> at a white-space character: where it ends.</summary>
    protected static int SkipSpaceWithLines(ReadOnlySpan<char> text, int start)
    {
        int end = CharacterClasses.SkipAny(text, start, CharacterClass.Space);
        int lastBreak = text[start..end].LastIndexOfAny('\r', '\n');
        return lastBreak >= 0 ? start + lastBreak + 1 : LeaveOneForWord(text, start, end);
    }

    /// <summary><c>\s+(?!\S)|\s+</c> at a white-space character: where it ends.</summary>
    protected static int SkipSpace(ReadOnlySpan<char> text, int start) =>
        LeaveOneForWord(text, start, CharacterClasses.SkipAny(text, start, CharacterClass.Space));

    // The look-ahead gives the last space to the word that follows, unless it is the only one. White space is never beyond U+FFFF.
    private static int LeaveOneForWord(ReadOnlySpan<char> text, int start, int end) =>
        end < text.Length && end - start > 1 ? end - 1 : end;

    // Without regard to case, s is also U+017F (long s).
    private static char Fold(char letter, bool ignoreCase) => !ignoreCase ? letter : letter switch
    {
        >= 'A' and <= 'Z' => (char)(letter | 0x20),
        '\u017F' => 's',
        _ => letter,
    };
}
