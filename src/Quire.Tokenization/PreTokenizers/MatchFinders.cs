using System;
using System.Collections.Generic;
using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;

namespace Quire.Tokenization.PreTokenizers;

/// <summary>Finds a literal string.</summary>
internal sealed class LiteralFinder : IMatchFinder
{
    private readonly string _literal;

    public LiteralFinder(string literal) => _literal = literal;

    /// <inheritdoc/>
    public void Find(ReadOnlySpan<char> text, List<(int Start, int End)> matches)
    {
        int position = 0;
        while (true)
        {
            int found = text[position..].IndexOf(_literal, StringComparison.Ordinal);
            if (found < 0)
                return;
            position += found;
            matches.Add((position, position + _literal.Length));
            position += _literal.Length;
        }
    }
}

/// <summary>Finds single characters by a rule.</summary>
internal sealed class RuneFinder : IMatchFinder
{
    private readonly Func<Rune, bool> _accepts;

    public RuneFinder(Func<Rune, bool> accepts) => _accepts = accepts;

    /// <summary>ASCII punctuation or the Unicode categories P*, as <c>Punctuation</c> and BERT understand it.</summary>
    public static bool IsPunctuation(Rune rune) => rune.IsAscii
        ? rune.Value is (>= 33 and <= 47) or (>= 58 and <= 64) or (>= 91 and <= 96) or (>= 123 and <= 126)
        : Rune.IsPunctuation(rune);

    /// <summary><c>char::is_numeric</c>: the Unicode categories N*.</summary>
    public static bool IsNumeric(Rune rune) => Rune.GetUnicodeCategory(rune)
        is UnicodeCategory.DecimalDigitNumber or UnicodeCategory.LetterNumber or UnicodeCategory.OtherNumber;

    /// <summary><c>\w</c>: letters, marks, decimal digits, connectors.</summary>
    public static bool IsWord(Rune rune) => Rune.GetUnicodeCategory(rune)
        is <= UnicodeCategory.DecimalDigitNumber or UnicodeCategory.LetterNumber or UnicodeCategory.ConnectorPunctuation;

    /// <inheritdoc/>
    public void Find(ReadOnlySpan<char> text, List<(int Start, int End)> matches)
    {
        int position = 0;
        while (position < text.Length)
        {
            Rune.DecodeFromUtf16(text[position..], out Rune rune, out int length);
            if (_accepts(rune))
                matches.Add((position, position + length));
            position += length;
        }
    }
}

/// <summary>
/// Finds the matches of a regular expression from the model's files, with the .NET engine and a time limit. Characters beyond U+FFFF are
/// shown to it as one unit of the same Unicode category, because it counts in UTF-16 units. Line anchors are on: in the reference they
/// always are.
/// </summary>
internal sealed class RegexFinder : IMatchFinder
{
    private readonly Regex _regex;

    /// <param name="pattern">The pattern.</param>
    /// <param name="timeLimit">What one look for the next match may take.</param>
    /// <exception cref="ArgumentException">The pattern is not one that .NET understands.</exception>
    public RegexFinder(string pattern, TimeSpan timeLimit) =>
        _regex = new Regex(pattern, RegexOptions.CultureInvariant | RegexOptions.Multiline, timeLimit);

    /// <inheritdoc/>
    public void Find(ReadOnlySpan<char> text, List<(int Start, int End)> matches)
    {
        bool astral = text.IndexOfAnyInRange('\uD800', '\uDFFF') >= 0;
        int[] positions = [];
        string shown = astral ? Project(text, out positions) : text.ToString();
        try
        {
            foreach (ValueMatch match in _regex.EnumerateMatches(shown))
            {
                int start = match.Index;
                int end = match.Index + match.Length;
                matches.Add(astral ? (positions[start], positions[end]) : (start, end));
            }
        }
        catch (RegexMatchTimeoutException exception)
        {
            throw new TokenizerException(
                $"The pre-tokenizer pattern of tokenizer.json took longer than {_regex.MatchTimeout.TotalSeconds} s "
                + $"on a text of {text.Length} characters.",
                exception);
        }
    }

    // One unit for each character; positions maps back, the end included.
    private static string Project(ReadOnlySpan<char> text, out int[] positions)
    {
        var shown = new StringBuilder(text.Length);
        var map = new List<int>(text.Length + 1);
        int position = 0;
        while (position < text.Length)
        {
            Rune.DecodeFromUtf16(text[position..], out Rune rune, out int length);
            map.Add(position);
            shown.Append(rune.IsBmp ? (char)rune.Value : StandIn(Rune.GetUnicodeCategory(rune)));
            position += length;
        }
        map.Add(position);
        positions = map.ToArray();
        return shown.ToString();
    }

    // Characters of each category that patterns do not name.
    private static char StandIn(UnicodeCategory category) => category switch
    {
        UnicodeCategory.UppercaseLetter => '\u2C80',
        UnicodeCategory.LowercaseLetter => '\u2C81',
        UnicodeCategory.ModifierLetter => '\u2D6F',
        UnicodeCategory.OtherLetter => '\uA4D0',
        UnicodeCategory.NonSpacingMark => '\uA92B',
        UnicodeCategory.SpacingCombiningMark => '\uA952',
        UnicodeCategory.DecimalDigitNumber => '\uA900',
        UnicodeCategory.LetterNumber => '\u3021',
        UnicodeCategory.OtherNumber => '\u3220',
        UnicodeCategory.DashPunctuation => '\u2E3A',
        UnicodeCategory.OtherPunctuation => '\uA92E',
        UnicodeCategory.MathSymbol => '\u2A00',
        UnicodeCategory.CurrencySymbol => '\uA838',
        UnicodeCategory.ModifierSymbol => '\uA700',
        UnicodeCategory.Format => '\u2061',
        UnicodeCategory.PrivateUse => '\uE000',
        UnicodeCategory.OtherSymbol => '\u4DC0',
        _ => '\uFFFF',
    };
}
