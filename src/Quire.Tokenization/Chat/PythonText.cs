using System;
using System.Buffers;
using System.Collections.Generic;
using System.Globalization;
using System.Text;

namespace Quire.Tokenization.Chat;

/// <summary>How Python prints values, and how its strings count: by code points, not by UTF-16 units.</summary>
internal static class PythonText
{
    /// <summary><c>str(value)</c>.</summary>
    public static string Str(TemplateValue value) => value switch
    {
        StringValue text => text.Value,
        UndefinedValue => string.Empty,
        _ => Repr(value),
    };

    /// <summary><c>repr(value)</c>.</summary>
    public static string Repr(TemplateValue value)
    {
        switch (value)
        {
            case NoneValue:
                return "None";
            case BooleanValue truth:
                return truth.Value ? "True" : "False";
            case IntegerValue integer:
                return integer.Value.ToString(CultureInfo.InvariantCulture);
            case FloatValue number:
                return Numbers.Format(number.Value);
            case UndefinedValue:
                return "Undefined";
            case StringValue or ListValue or DictionaryValue:
                var text = new StringBuilder();
                AppendRepr(text, value);
                return text.ToString();
            default:
                return $"<{value.TypeName}>";
        }
    }

    /// <summary>Whether <c>str.strip</c> and <c>str.split</c> take the character for white space.</summary>
    public static bool IsSpace(char character) => char.IsWhiteSpace(character) || character is >= '\x1C' and <= '\x1F';

    /// <summary><c>len</c> of a string.</summary>
    public static int Length(string text)
    {
        int pairs = 0;
        for (int i = text.AsSpan().IndexOfAnyInRange('\uD800', '\uDBFF'); i >= 0 && i + 1 < text.Length; i++)
        {
            if (char.IsSurrogatePair(text[i], text[i + 1]))
                pairs++;
        }
        return text.Length - pairs;
    }

    /// <summary>The code points of a string, each as a string.</summary>
    public static string[] Characters(string text)
    {
        var characters = new string[Length(text)];
        int position = 0;
        for (int i = 0; i < characters.Length; i++)
        {
            int length = position + 1 < text.Length && char.IsSurrogatePair(text[position], text[position + 1]) ? 2 : 1;
            characters[i] = text.Substring(position, length);
            position += length;
        }
        return characters;
    }

    /// <summary>The UTF-16 position of a code point index, which must be within the string or its end.</summary>
    public static int PositionOf(string text, int index)
    {
        int position = 0;
        for (; index > 0; index--)
            position += position + 1 < text.Length && char.IsSurrogatePair(text[position], text[position + 1]) ? 2 : 1;
        return position;
    }

    /// <summary><c>str.strip</c>, <c>lstrip</c> and <c>rstrip</c>; without characters, white space goes.</summary>
    public static string Strip(string text, string? characters, bool left, bool right)
    {
        if (characters is null)
        {
            int start = 0;
            int end = text.Length;
            while (left && start < end && IsSpace(text[start]))
                start++;
            while (right && end > start && IsSpace(text[end - 1]))
                end--;
            return text[start..end];
        }
        var set = new HashSet<Rune>();
        foreach (Rune rune in characters.EnumerateRunes())
            set.Add(rune);
        ReadOnlySpan<char> rest = text;
        while (left && Rune.DecodeFromUtf16(rest, out Rune first, out int length) == OperationStatus.Done && set.Contains(first))
            rest = rest[length..];
        while (right && Rune.DecodeLastFromUtf16(rest, out Rune last, out int length) == OperationStatus.Done && set.Contains(last))
            rest = rest[..^length];
        return rest.ToString();
    }

    /// <summary><c>str.upper</c>; the one common letter that grows is ß.</summary>
    public static string Upper(string text) => text.ToUpperInvariant().Replace("ß", "SS", StringComparison.Ordinal);

    /// <summary><c>str.lower</c>.</summary>
    public static string Lower(string text) => text.ToLowerInvariant().Replace("İ", "i\u0307", StringComparison.Ordinal);

    /// <summary><c>str.capitalize</c>.</summary>
    public static string Capitalize(string text)
    {
        if (text.Length == 0)
            return text;
        int first = PositionOf(text, 1);
        return Upper(text[..first]) + Lower(text[first..]);
    }

    /// <summary><c>str.title</c>: a letter after anything but a letter is upper case.</summary>
    public static string Title(string text)
    {
        var titled = new StringBuilder(text.Length);
        bool inWord = false;
        foreach (Rune rune in text.EnumerateRunes())
        {
            bool cased = Rune.IsUpper(rune) || Rune.IsLower(rune) || Rune.GetUnicodeCategory(rune) == UnicodeCategory.TitlecaseLetter;
            titled.Append(cased ? (inWord ? Rune.ToLowerInvariant(rune) : Rune.ToUpperInvariant(rune)).ToString() : rune.ToString());
            inWord = cased;
        }
        return titled.ToString();
    }

    /// <summary><c>str.splitlines</c>.</summary>
    public static List<string> SplitLines(string text)
    {
        var lines = new List<string>();
        int start = 0;
        for (int i = 0; i < text.Length; i++)
        {
            if (text[i] is not ('\n' or '\r' or '\v' or '\f' or (>= '\x1C' and <= '\x1E') or '\x85' or '\u2028' or '\u2029'))
                continue;
            lines.Add(text[start..i]);
            if (text[i] == '\r' && i + 1 < text.Length && text[i + 1] == '\n')
                i++;
            start = i + 1;
        }
        if (start < text.Length)
            lines.Add(text[start..]);
        return lines;
    }

    private static void AppendRepr(StringBuilder text, TemplateValue value)
    {
        switch (value)
        {
            case StringValue item:
                AppendRepr(text, item.Value);
                break;
            case ListValue { Kind: ListKind.Generator }:
                text.Append("<generator>");
                break;
            case ListValue { Kind: ListKind.View } view when view.ViewName.EndsWith(')'):
                text.Append(view.ViewName);
                break;
            case ListValue list:
                AppendRepr(text, list);
                break;
            case DictionaryValue dictionary:
                AppendRepr(text, dictionary);
                break;
            default:
                text.Append(Repr(value));
                break;
        }
    }

    private static void AppendRepr(StringBuilder text, ListValue list)
    {
        if (list.Kind == ListKind.View)
            text.Append(list.ViewName).Append('(');
        bool tuple = list.Kind == ListKind.Tuple;
        text.Append(tuple ? '(' : '[');
        for (int i = 0; i < list.Items.Length; i++)
        {
            if (i > 0)
                text.Append(", ");
            AppendRepr(text, list.Items[i]);
        }
        if (tuple && list.Items.Length == 1)
            text.Append(',');
        text.Append(tuple ? ')' : ']');
        if (list.Kind == ListKind.View)
            text.Append(')');
    }

    private static void AppendRepr(StringBuilder text, DictionaryValue dictionary)
    {
        text.Append('{');
        bool first = true;
        foreach (KeyValuePair<TemplateValue, TemplateValue> item in dictionary.Items)
        {
            if (!first)
                text.Append(", ");
            first = false;
            AppendRepr(text, item.Key);
            text.Append(": ");
            AppendRepr(text, item.Value);
        }
        text.Append('}');
    }

    private static void AppendRepr(StringBuilder text, string value)
    {
        char quote = value.Contains('\'') && !value.Contains('"') ? '"' : '\'';
        text.Append(quote);
        foreach (Rune rune in value.EnumerateRunes())
        {
            switch (rune.Value)
            {
                case '\n':
                    text.Append("\\n");
                    break;
                case '\r':
                    text.Append("\\r");
                    break;
                case '\t':
                    text.Append("\\t");
                    break;
                case '\\':
                    text.Append("\\\\");
                    break;
                default:
                    if (rune.Value == quote)
                        text.Append('\\').Append(quote);
                    else if (IsPrintable(rune))
                        text.Append(rune.ToString());
                    else
                        AppendEscaped(text, rune.Value);
                    break;
            }
        }
        text.Append(quote);
    }

    private static void AppendEscaped(StringBuilder text, int value)
    {
        (char mark, string format) = value switch
        {
            <= 0xFF => ('x', "x2"),
            <= 0xFFFF => ('u', "x4"),
            _ => ('U', "x8"),
        };
        text.Append('\\').Append(mark).Append(value.ToString(format, CultureInfo.InvariantCulture));
    }

    // str.isprintable: everything but separators (the space excepted) and the categories C*.
    private static bool IsPrintable(Rune rune) => rune.Value == ' ' || Rune.GetUnicodeCategory(rune) is not (
        UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.Surrogate or UnicodeCategory.PrivateUse
        or UnicodeCategory.OtherNotAssigned or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator
        or UnicodeCategory.SpaceSeparator);
}
