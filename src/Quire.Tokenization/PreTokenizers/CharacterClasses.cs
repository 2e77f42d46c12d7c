using System;
using System.Globalization;
using System.Text;

namespace Quire.Tokenization.PreTokenizers;

/// <summary>The character classes that pre-tokenizer patterns ask for.</summary>
[Flags]
internal enum CharacterClass : byte
{
    /// <summary>None of the others: punctuation, symbols, controls.</summary>
    None = 0,

    /// <summary><c>\p{L}</c>.</summary>
    Letter = 1,

    /// <summary><c>\p{N}</c>.</summary>
    Number = 2,

    /// <summary><c>\s</c>: the Unicode property White_Space.</summary>
    Space = 4,

    /// <summary><c>[\r\n]</c>.</summary>
    LineBreak = 8,

    /// <summary><c>[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]</c>: may begin a word in the Tekken pattern.</summary>
    WordHead = 16,

    /// <summary><c>[\p{Ll}\p{Lm}\p{Lo}\p{M}]</c>: may end a word in the Tekken pattern.</summary>
    WordTail = 32,

    /// <summary><c>\p{M}</c>.</summary>
    Mark = 64,
}

/// <summary>Looks up classes by code point, not by UTF-16 unit, so that characters beyond U+FFFF count as what they are.</summary>
internal static class CharacterClasses
{
    private static readonly CharacterClass[] Table = MakeTable();

    /// <summary>The classes of the character that begins at <paramref name="index"/>, and its length in UTF-16 units.</summary>
    public static CharacterClass At(ReadOnlySpan<char> text, int index, out int length)
    {
        char unit = text[index];
        length = 1;
        if (!char.IsSurrogate(unit))
            return Table[unit];
        // An unpaired surrogate counts as U+FFFD, a symbol: class None.
        if (Rune.DecodeFromUtf16(text[index..], out Rune rune, out _) != System.Buffers.OperationStatus.Done)
            return CharacterClass.None;
        length = 2;
        return Classify(rune);
    }

    /// <summary>Where the run of characters that have any of <paramref name="wanted"/> ends.</summary>
    public static int SkipAny(ReadOnlySpan<char> text, int index, CharacterClass wanted)
    {
        while (index < text.Length && (At(text, index, out int length) & wanted) != 0)
            index += length;
        return index;
    }

    /// <summary>Where the run of characters that have none of <paramref name="unwanted"/> ends.</summary>
    public static int SkipNone(ReadOnlySpan<char> text, int index, CharacterClass unwanted)
    {
        while (index < text.Length && (At(text, index, out int length) & unwanted) == 0)
            index += length;
        return index;
    }

    private static CharacterClass[] MakeTable()
    {
        var table = new CharacterClass[0x10000];
        for (int value = 0; value < table.Length; value++)
        {
            if (Rune.IsValid(value))
                table[value] = Classify(new Rune(value));
        }
        return table;
    }

    private static CharacterClass Classify(Rune rune)
    {
        CharacterClass classes = Rune.GetUnicodeCategory(rune) switch
        {
            UnicodeCategory.UppercaseLetter or UnicodeCategory.TitlecaseLetter => CharacterClass.Letter | CharacterClass.WordHead,
            UnicodeCategory.LowercaseLetter => CharacterClass.Letter | CharacterClass.WordTail,
            UnicodeCategory.ModifierLetter or UnicodeCategory.OtherLetter =>
                CharacterClass.Letter | CharacterClass.WordHead | CharacterClass.WordTail,
            UnicodeCategory.NonSpacingMark or UnicodeCategory.SpacingCombiningMark or UnicodeCategory.EnclosingMark =>
                CharacterClass.Mark | CharacterClass.WordHead | CharacterClass.WordTail,
            UnicodeCategory.DecimalDigitNumber or UnicodeCategory.LetterNumber or UnicodeCategory.OtherNumber => CharacterClass.Number,
            _ => CharacterClass.None,
        };
        if (Rune.IsWhiteSpace(rune))
            classes |= CharacterClass.Space;
        if (rune.Value is '\r' or '\n')
            classes |= CharacterClass.LineBreak;
        return classes;
    }
}
