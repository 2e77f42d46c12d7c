using System;
using System.Collections.Generic;
using System.Globalization;
using System.Text;
using Quire.Tokenization.PreTokenizers;

namespace Quire.Tokenization.Normalizers;

/// <summary><c>Replace</c> with a regular expression.</summary>
internal sealed class PatternNormalizer(RegexFinder finder, string content) : Normalizer
{
    /// <inheritdoc/>
    public override string Apply(string text)
    {
        var matches = new List<(int Start, int End)>();
        finder.Find(text, matches);
        if (matches.Count == 0)
            return text;
        var result = new StringBuilder(text.Length);
        int position = 0;
        foreach ((int start, int end) in matches)
        {
            result.Append(text, position, start - position).Append(content);
            position = end;
        }
        return result.Append(text, position, text.Length - position).ToString();
    }
}

/// <summary>A normalizer that replaces or removes single characters.</summary>
internal abstract class RuneNormalizer : Normalizer
{
    /// <inheritdoc/>
    public override string Apply(string text)
    {
        var result = new StringBuilder(text.Length);
        foreach (Rune rune in text.EnumerateRunes())
            Append(rune, result);
        return result.ToString();
    }

    /// <summary>Appends what a character becomes.</summary>
    protected abstract void Append(Rune rune, StringBuilder result);

    protected static void AppendSame(Rune rune, StringBuilder result)
    {
        Span<char> units = stackalloc char[2];
        result.Append(units[..rune.EncodeToUtf16(units)]);
    }
}

/// <summary><c>Nmt</c>: drops control characters, and makes a space of every kind of blank.</summary>
internal sealed class NmtNormalizer : RuneNormalizer
{
    /// <inheritdoc/>
    protected override void Append(Rune rune, StringBuilder result)
    {
        switch (rune.Value)
        {
            case (>= 0x01 and <= 0x08) or 0x0B or (>= 0x0E and <= 0x1F) or 0x7F or 0x8F or 0x9F:
                break;
            case 0x09 or 0x0A or 0x0C or 0x0D or 0x1680 or (>= 0x200B and <= 0x200F) or 0x2028 or 0x2029 or 0x2581 or 0xFEFF or 0xFFFD:
                result.Append(' ');
                break;
            default:
                AppendSame(rune, result);
                break;
        }
    }
}

/// <summary><c>StripAccents</c>: drops marks; those that are part of a character must have been taken apart before.</summary>
internal sealed class StripAccentsNormalizer : RuneNormalizer
{
    public static bool IsMark(Rune rune) => Rune.GetUnicodeCategory(rune)
        is UnicodeCategory.NonSpacingMark or UnicodeCategory.SpacingCombiningMark or UnicodeCategory.EnclosingMark;

    /// <inheritdoc/>
    protected override void Append(Rune rune, StringBuilder result)
    {
        if (!IsMark(rune))
            AppendSame(rune, result);
    }
}

/// <summary><c>BertNormalizer</c>'s <c>clean_text</c> and <c>handle_chinese_chars</c>; accents and case are steps of their own.</summary>
internal sealed class BertCleaner(bool clean, bool separatesChinese) : RuneNormalizer
{
    /// <inheritdoc/>
    protected override void Append(Rune rune, StringBuilder result)
    {
        if (clean && (rune.Value is 0 or 0xFFFD || IsControl(rune)))
            return;
        if (clean && Rune.IsWhiteSpace(rune))
            result.Append(' ');
        else if (separatesChinese && IsChinese(rune.Value))
            AppendBetweenSpaces(rune, result);
        else
            AppendSame(rune, result);
    }

    private static void AppendBetweenSpaces(Rune rune, StringBuilder result)
    {
        result.Append(' ');
        AppendSame(rune, result);
        result.Append(' ');
    }

    private static bool IsControl(Rune rune) => rune.Value is not ('\t' or '\n' or '\r')
        && Rune.GetUnicodeCategory(rune) is UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.OtherNotAssigned or UnicodeCategory.PrivateUse;

    private static bool IsChinese(int value) =>
        value is (>= 0x4E00 and <= 0x9FFF) or (>= 0x3400 and <= 0x4DBF) or (>= 0x20000 and <= 0x2A6DF) or (>= 0x2A700 and <= 0x2B73F)
            or (>= 0x2B740 and <= 0x2B81F) or (>= 0x2B920 and <= 0x2CEAF) or (>= 0xF900 and <= 0xFAFF) or (>= 0x2F800 and <= 0x2FA1F);
}

/// <summary>SentencePiece's <c>remove_extra_whitespaces</c>: one space for a run of them, none at the ends.</summary>
internal sealed class ExtraSpacesNormalizer : Normalizer
{
    /// <inheritdoc/>
    public override string Apply(string text)
    {
        var result = new StringBuilder(text.Length);
        foreach (char unit in text.AsSpan().Trim(' '))
        {
            if (unit != ' ' || result[^1] != ' ')
                result.Append(unit);
        }
        return result.ToString();
    }
}
