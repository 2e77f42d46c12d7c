using System;
using System.Collections.Frozen;
using System.Collections.Generic;
using System.Linq;
using System.Numerics;
using System.Text;

namespace Quire.Tokenization.Chat;

/// <summary>The methods of strings.</summary>
internal static class StringMethods
{
    private static readonly FrozenSet<string> Names = FrozenSet.Create(
        StringComparer.Ordinal,
        "capitalize", "casefold", "center", "count", "endswith", "find", "format", "index", "isalnum", "isalpha", "isascii", "isdecimal",
        "isdigit", "isidentifier", "islower", "isnumeric", "isprintable", "isspace", "istitle", "isupper", "join", "ljust", "lower",
        "lstrip", "partition", "removeprefix", "removesuffix", "replace", "rfind", "rindex", "rjust", "rpartition", "rsplit", "rstrip", "split",
        "splitlines", "startswith", "strip", "swapcase", "title", "upper", "zfill");

    public static bool Exists(string name) => Names.Contains(name);

    public static TemplateValue Call(TemplateEvaluator evaluator, string text, string name, CallArguments arguments)
    {
        evaluator.Charge(text.Length);
        switch (name)
        {
            case "strip" or "lstrip" or "rstrip":
                string? characters = OptionalText(arguments.Expect(name, "chars"), 0, "chars");
                return new StringValue(PythonText.Strip(text, characters, left: name != "rstrip", right: name != "lstrip"));
            case "split":
                return Split(evaluator, text, arguments.Expect(name, "sep", "maxsplit"), fromRight: false);
            case "rsplit":
                return Split(evaluator, text, arguments.Expect(name, "sep", "maxsplit"), fromRight: true);
            case "splitlines":
                return Strings(evaluator, PythonText.SplitLines(text));
            case "startswith" or "endswith":
                TemplateValue affix = arguments.Expect(name, "affix").Require(0, "affix", name);
                return TemplateValue.From(HasAffix(text, affix, atStart: name == "startswith"));
            case "upper":
                return new StringValue(PythonText.Upper(text));
            case "lower" or "casefold":
                return new StringValue(PythonText.Lower(text));
            case "title":
                return new StringValue(PythonText.Title(text));
            case "capitalize":
                return new StringValue(PythonText.Capitalize(text));
            case "swapcase":
                return new StringValue(string.Concat(text.EnumerateRunes()
                    .Select(rune => (Rune.IsUpper(rune) ? Rune.ToLowerInvariant(rune) : Rune.ToUpperInvariant(rune)).ToString())));
            case "replace":
                return Replace(evaluator, text, arguments.Expect(name, "old", "new", "count"));
            case "join":
                return Join(evaluator, text, Operators.Items(arguments.Expect(name, "iterable").Require(0, "iterable", name)));
            case "format":
                return evaluator.Text(BraceFormat.Format(evaluator, text, arguments));
            case "find" or "rfind" or "index" or "rindex" or "count":
                return Find(text, name, arguments);
            case "removeprefix":
                string prefix = RequireText(arguments.Expect(name, "prefix"), 0, "prefix", name);
                return new StringValue(text.StartsWith(prefix, StringComparison.Ordinal) ? text[prefix.Length..] : text);
            case "removesuffix":
                string suffix = RequireText(arguments.Expect(name, "suffix"), 0, "suffix", name);
                return new StringValue(text.EndsWith(suffix, StringComparison.Ordinal) ? text[..^suffix.Length] : text);
            case "partition" or "rpartition":
                return Partition(text, RequireText(arguments.Expect(name, "sep"), 0, "sep", name), last: name == "rpartition");
            case "ljust" or "rjust" or "center" or "zfill":
                return Pad(evaluator, text, name, arguments);
            default:
                return TemplateValue.From(Holds(text, name));
        }
    }

    /// <summary><c>str.replace</c>; an empty <paramref name="old"/> stands between all characters, a negative count is no limit.</summary>
    public static TemplateValue Replace(TemplateEvaluator evaluator, string text, string old, string replacement, int count)
    {
        var replaced = new StringBuilder();
        int position = 0;
        if (old.Length == 0)
        {
            string[] characters = PythonText.Characters(text);
            for (int i = 0; i <= characters.Length; i++)
            {
                if (count < 0 || i < count)
                    Append(replacement);
                if (i < characters.Length)
                    Append(characters[i]);
            }
            return new StringValue(replaced.ToString());
        }
        while (count != 0)
        {
            int found = text.IndexOf(old, position, StringComparison.Ordinal);
            if (found < 0)
                break;
            Append(text.AsSpan(position, found - position));
            Append(replacement);
            position = found + old.Length;
            count--;
        }
        if (position == 0)
            return new StringValue(text);
        Append(text.AsSpan(position));
        return new StringValue(replaced.ToString());

        void Append(ReadOnlySpan<char> part)
        {
            evaluator.CheckText((long)replaced.Length + part.Length);
            evaluator.Charge(part.Length);
            replaced.Append(part);
        }
    }

    /// <summary><c>str.join</c> of values that must be strings.</summary>
    public static StringValue Join(TemplateEvaluator evaluator, string separator, TemplateValue[] items)
    {
        var parts = new string[items.Length];
        long length = 0;
        for (int i = 0; i < items.Length; i++)
        {
            parts[i] = items[i] is StringValue item
                ? item.Value
                : throw TemplateErrors.Type($"sequence item {i}: expected str instance, {items[i].TypeName} found");
            length += parts[i].Length + separator.Length;
        }
        evaluator.ChargeText(length);
        return new StringValue(string.Join(separator, parts));
    }

    private static TemplateValue Replace(TemplateEvaluator evaluator, string text, CallArguments arguments)
    {
        string old = RequireText(arguments, 0, "old", "replace");
        string replacement = RequireText(arguments, 1, "new", "replace");
        return Replace(evaluator, text, old, replacement, Integer(arguments.Find(2, "count"), -1));
    }

    private static ListValue Split(TemplateEvaluator evaluator, string text, CallArguments arguments, bool fromRight)
    {
        string? separator = OptionalText(arguments, 0, "sep");
        int limit = Integer(arguments.Find(1, "maxsplit"), -1);
        if (separator is { Length: 0 })
            throw TemplateErrors.Type("empty separator");
        var parts = separator is null ? SplitBlanks(text, limit, fromRight) : SplitAt(text, separator, limit, fromRight);
        if (fromRight)
            parts.Reverse();
        return Strings(evaluator, parts);
    }

    private static List<string> SplitAt(string text, string separator, int limit, bool fromRight)
    {
        var parts = new List<string>();
        int start = 0;
        int end = text.Length;
        while (limit < 0 || parts.Count < limit)
        {
            int found = fromRight
                ? text.AsSpan(0, end).LastIndexOf(separator)
                : text.IndexOf(separator, start, StringComparison.Ordinal);
            if (found < 0)
                break;
            parts.Add(fromRight ? text[(found + separator.Length)..end] : text[start..found]);
            start = found + separator.Length;
            end = fromRight ? found : end;
        }
        parts.Add(fromRight ? text[..end] : text[start..]);
        return parts;
    }

    // Without a separator runs of white space separate. What is left when the limit is reached keeps its far end as it is.
    private static List<string> SplitBlanks(string text, int limit, bool fromRight)
    {
        var parts = new List<string>();
        string rest = PythonText.Strip(text, null, left: !fromRight, right: fromRight);
        while (rest.Length > 0)
        {
            if (limit >= 0 && parts.Count == limit)
            {
                parts.Add(rest);
                break;
            }
            int edge = fromRight ? rest.Length : 0;
            while (fromRight ? edge > 0 && !PythonText.IsSpace(rest[edge - 1]) : edge < rest.Length && !PythonText.IsSpace(rest[edge]))
                edge += fromRight ? -1 : 1;
            parts.Add(fromRight ? rest[edge..] : rest[..edge]);
            rest = PythonText.Strip(fromRight ? rest[..edge] : rest[edge..], null, left: !fromRight, right: fromRight);
        }
        return parts;
    }

    private static bool HasAffix(string text, TemplateValue affix, bool atStart) => affix switch
    {
        StringValue part => atStart
            ? text.StartsWith(part.Value, StringComparison.Ordinal)
            : text.EndsWith(part.Value, StringComparison.Ordinal),
        ListValue { Kind: ListKind.Tuple } several => Array.Exists(several.Items, part => HasAffix(text, part, atStart)),
        UndefinedValue undefined => throw TemplateErrors.Undefined(undefined),
        _ => throw TemplateErrors.Type(
            $"{(atStart ? "startswith" : "endswith")} first arg must be str or a tuple of str, not {affix.TypeName}"),
    };

    private static TemplateValue Find(string text, string name, CallArguments arguments)
    {
        string sought = RequireText(arguments.Expect(name, "sub", "start", "end"), 0, "sub", name);
        int length = PythonText.Length(text);
        int start = Bound(arguments.Find(1, "start"), 0);
        int end = Bound(arguments.Find(2, "end"), length);
        int from = PythonText.PositionOf(text, start);
        string part = start <= end ? text[from..PythonText.PositionOf(text, end)] : string.Empty;
        if (name == "count")
        {
            int count = 0;
            for (int i = 0; sought.Length > 0 && (i = part.IndexOf(sought, i, StringComparison.Ordinal)) >= 0; i += sought.Length)
                count++;
            return TemplateValue.From((long)(sought.Length == 0 ? PythonText.Length(part) + 1 : count));
        }
        int found = start > end ? -1
            : name[0] == 'r' ? part.LastIndexOf(sought, StringComparison.Ordinal)
            : part.IndexOf(sought, StringComparison.Ordinal);
        if (found < 0 && name.EndsWith("index", StringComparison.Ordinal))
            throw TemplateErrors.Type("substring not found");
        return TemplateValue.From((long)(found < 0 ? -1 : start + PythonText.Length(part[..found])));

        int Bound(TemplateValue? value, int absent)
        {
            int bound = Integer(value, absent);
            return Math.Clamp(bound < 0 ? bound + length : bound, 0, length);
        }
    }

    private static ListValue Partition(string text, string separator, bool last)
    {
        if (separator.Length == 0)
            throw TemplateErrors.Type("empty separator");
        int found = last ? text.LastIndexOf(separator, StringComparison.Ordinal) : text.IndexOf(separator, StringComparison.Ordinal);
        string[] parts = found >= 0 ? [text[..found], separator, text[(found + separator.Length)..]]
            : last ? [string.Empty, string.Empty, text]
            : [text, string.Empty, string.Empty];
        return new ListValue(Array.ConvertAll(parts, part => (TemplateValue)new StringValue(part)), ListKind.Tuple);
    }

    private static StringValue Pad(TemplateEvaluator evaluator, string text, string name, CallArguments arguments)
    {
        int width = Integer(arguments.Expect(name, "width", "fillchar").Require(0, "width", name), 0);
        string fill = name == "zfill" ? "0" : OptionalText(arguments, 1, "fillchar") ?? " ";
        if (PythonText.Length(fill) != 1)
            throw TemplateErrors.Type("The fill character must be exactly one character long");
        int missing = Math.Max(0, width - PythonText.Length(text));
        evaluator.ChargeText((long)text.Length + ((long)missing * fill.Length));
        int left = name switch
        {
            "ljust" => 0,
            "center" => (missing / 2) + (missing & width & 1),
            _ => missing,
        };
        int sign = name == "zfill" && text.Length > 0 && text[0] is '+' or '-' ? 1 : 0;
        string before = string.Concat(Enumerable.Repeat(fill, left));
        string after = string.Concat(Enumerable.Repeat(fill, missing - left));
        return new StringValue(text[..sign] + before + text[sign..] + after);
    }

    // The questions that a string answers about its characters: all of them, and there is at least one.
    private static bool Holds(string text, string name)
    {
        bool any = text.Length > 0;
        switch (name)
        {
            case "isdigit" or "isdecimal" or "isnumeric":
                return any && text.EnumerateRunes().All(name == "isdecimal" ? Rune.IsDigit : name == "isdigit" ? IsDigit : Rune.IsNumber);
            case "isalpha":
                return any && text.EnumerateRunes().All(Rune.IsLetter);
            case "isalnum":
                return any && text.EnumerateRunes().All(rune => Rune.IsLetter(rune) || Rune.IsNumber(rune));
            case "isspace":
                return any && text.All(PythonText.IsSpace);
            case "isascii":
                return Ascii.IsValid(text);
            case "isprintable":
                return PythonText.Repr(new StringValue(text.Replace("\\", string.Empty, StringComparison.Ordinal)
                    .Replace("'", string.Empty, StringComparison.Ordinal))).IndexOf('\\', StringComparison.Ordinal) < 0;
            case "isupper":
                return text.EnumerateRunes().Any(Rune.IsUpper) && !text.EnumerateRunes().Any(Rune.IsLower);
            case "islower":
                return text.EnumerateRunes().Any(Rune.IsLower) && !text.EnumerateRunes().Any(Rune.IsUpper);
            case "istitle":
                return text.EnumerateRunes().Any(Rune.IsLetter) && PythonText.Title(text) == text;
            default:
                return any && !char.IsAsciiDigit(text[0])
                    && text.EnumerateRunes().All(rune => Rune.IsLetterOrDigit(rune) || rune.Value == '_');
        }
    }

    // Digits include the superscript and circled ones, fractions and roman numerals do not count.
    private static bool IsDigit(Rune rune) => Rune.IsDigit(rune)
        || (Rune.GetUnicodeCategory(rune) == System.Globalization.UnicodeCategory.OtherNumber
            && Rune.GetNumericValue(rune) is >= 0 and <= 9 and double value && value == Math.Floor(value));

    private static ListValue Strings(TemplateEvaluator evaluator, List<string> parts)
    {
        evaluator.Charge(parts.Count);
        return new ListValue([.. parts.Select(part => new StringValue(part))]);
    }

    private static string RequireText(CallArguments arguments, int place, string name, string function)
    {
        TemplateValue value = arguments.Require(place, name, function);
        return value is StringValue text ? text.Value
            : throw (value is UndefinedValue undefined
                ? TemplateErrors.Undefined(undefined)
                : TemplateErrors.Type($"{function}() argument '{name}' must be str, not {value.TypeName}"));
    }

    private static string? OptionalText(CallArguments arguments, int place, string name) => arguments.Find(place, name) switch
    {
        null or NoneValue => null,
        StringValue text => text.Value,
        UndefinedValue undefined => throw TemplateErrors.Undefined(undefined),
        { } other => throw TemplateErrors.Type($"must be str or None, not {other.TypeName}"),
    };

    private static int Integer(TemplateValue? value, int absent)
    {
        if (value is null or NoneValue)
            return absent;
        return Numbers.TryInteger(value, out BigInteger integer)
            ? (int)BigInteger.Max(BigInteger.Min(integer, int.MaxValue), int.MinValue)
            : throw TemplateErrors.Type($"'{value.TypeName}' object cannot be interpreted as an integer");
    }
}
