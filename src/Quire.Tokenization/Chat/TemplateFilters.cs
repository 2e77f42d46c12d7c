using System;
using System.Collections.Frozen;
using System.Collections.Generic;
using System.Linq;
using System.Numerics;

namespace Quire.Tokenization.Chat;

/// <summary>
/// The filters of <c>value | filter</c>: which there are, and those on single values. Those on sequences are in the other half.
/// </summary>
internal static partial class TemplateFilters
{
    private static readonly FrozenSet<string> Names = FrozenSet.Create(
        StringComparer.Ordinal,
        "abs", "attr", "batch", "capitalize", "center", "count", "d", "default", "dictsort", "e", "escape", "first", "float", "forceescape",
        "format", "groupby", "indent", "int", "items", "join", "last", "length", "list", "lower", "map", "max", "min", "reject",
        "rejectattr", "replace", "reverse", "round", "safe", "select", "selectattr", "slice", "sort", "string", "sum", "title", "tojson",
        "trim", "truncate", "unique", "upper", "wordcount");

    public static bool Exists(string name) => Names.Contains(name);

    public static TemplateValue Apply(TemplateEvaluator evaluator, string name, TemplateValue value, CallArguments arguments)
    {
        evaluator.Charge(value.Size);
        return ApplyToText(evaluator, name, value, arguments)
            ?? ApplyToNumber(evaluator, name, value, arguments)
            ?? ApplyToSequence(evaluator, name, value, arguments)
            ?? throw new ChatTemplateException(ChatTemplateErrorKind.Runtime, $"No filter named '{name}'.");
    }

    private static TemplateValue? ApplyToText(TemplateEvaluator evaluator, string name, TemplateValue value, CallArguments arguments)
    {
        switch (name)
        {
            case "trim":
                string? characters = (arguments.Expect(name, "chars").Find(0, "chars") as StringValue)?.Value;
                return new StringValue(PythonText.Strip(PythonText.Str(value), characters, left: true, right: true));
            case "upper":
                return new StringValue(PythonText.Upper(PythonText.Str(value)));
            case "lower":
                return new StringValue(PythonText.Lower(PythonText.Str(value)));
            case "capitalize":
                return new StringValue(PythonText.Capitalize(PythonText.Str(value)));
            case "title":
                return new StringValue(TitleWords(PythonText.Str(value)));
            case "string" or "safe":
                return value is StringValue ? value : evaluator.Text(PythonText.Str(value));
            case "escape" or "e" or "forceescape":
                return evaluator.Text(Escape(PythonText.Str(value)));
            case "replace":
                arguments.Expect(name, "old", "new", "count");
                string old = PythonText.Str(arguments.Require(0, "old", name));
                string replacement = PythonText.Str(arguments.Require(1, "new", name));
                return StringMethods.Replace(evaluator, PythonText.Str(value), old, replacement, IntegerOf(arguments.Find(2, "count"), -1));
            case "format":
                return Format(evaluator, value, arguments);
            case "indent":
                return Indent(evaluator, PythonText.Str(value), arguments.Expect(name, "width", "first", "blank"));
            case "center":
                return StringMethods.Call(evaluator, PythonText.Str(value), name, new CallArguments(
                    [arguments.Expect(name, "width").Find(0, "width") ?? TemplateValue.From(80L)], []));
            case "truncate":
                return Truncate(PythonText.Str(value), arguments.Expect(name, "length", "killwords", "end", "leeway"));
            case "wordcount":
                return TemplateValue.From((long)CountWords(PythonText.Str(value)));
            case "tojson":
                return ToJson(evaluator, value, arguments.Expect(name, "ensure_ascii", "indent", "separators", "sort_keys"));
            default:
                return null;
        }
    }

    private static TemplateValue? ApplyToNumber(TemplateEvaluator evaluator, string name, TemplateValue value, CallArguments arguments)
    {
        switch (name)
        {
            case "abs":
                if (value is FloatValue real)
                    return new FloatValue(Math.Abs(real.Value));
                return Numbers.TryInteger(value, out BigInteger whole)
                    ? new IntegerValue(BigInteger.Abs(whole))
                    : throw (value is UndefinedValue undefined
                        ? TemplateErrors.Undefined(undefined)
                        : TemplateErrors.Type($"bad operand type for abs(): '{value.TypeName}'"));
            case "int":
                return ToInteger(value, arguments.Expect(name, "default", "base"));
            case "float":
                return ToFloat(value, arguments.Expect(name, "default").Find(0, "default") ?? new FloatValue(0));
            case "round":
                return Round(value, arguments.Expect(name, "precision", "method"));
            case "default" or "d":
                arguments.Expect(name, "default_value", "boolean");
                bool falsy = arguments.Find(1, "boolean") is { } boolean && Operators.IsTrue(boolean) && !Operators.IsTrue(value);
                return value is UndefinedValue || falsy ? arguments.Find(0, "default_value") ?? StringValue.Empty : value;
            default:
                return null;
        }
    }

    private static string Escape(string text) => text
        .Replace("&", "&amp;", StringComparison.Ordinal)
        .Replace(">", "&gt;", StringComparison.Ordinal)
        .Replace("<", "&lt;", StringComparison.Ordinal)
        .Replace("'", "&#39;", StringComparison.Ordinal)
        .Replace("\"", "&#34;", StringComparison.Ordinal);

    // Words begin after a dash, white space or an opening bracket.
    private static string TitleWords(string text)
    {
        var words = new List<string>();
        int start = 0;
        for (int i = 0; i <= text.Length; i++)
        {
            if (i < text.Length && !(text[i] is '-' or '(' or '{' or '[' or '<' || PythonText.IsSpace(text[i])))
                continue;
            words.Add(PythonText.Capitalize(text[start..i]));
            if (i < text.Length)
                words.Add(text[i].ToString());
            start = i + 1;
        }
        return string.Concat(words);
    }

    private static StringValue Format(TemplateEvaluator evaluator, TemplateValue value, CallArguments arguments)
    {
        if (arguments.Positional.Count > 0 && arguments.Named.Count > 0)
            throw TemplateErrors.Type("can't handle positional and keyword arguments at the same time");
        TemplateValue values = arguments.Named.Count > 0
            ? TemplateValue.Dictionary(arguments.Named.Select(item => KeyValuePair.Create(item.Name, item.Value)))
            : new ListValue([.. arguments.Positional], ListKind.Tuple);
        return evaluator.Text(PercentFormat.Format(evaluator, PythonText.Str(value), values));
    }

    private static StringValue Indent(TemplateEvaluator evaluator, string text, CallArguments arguments)
    {
        string indention = arguments.Find(0, "width") is StringValue given
            ? given.Value
            : new string(' ', Math.Clamp(IntegerOf(arguments.Find(0, "width"), 4), 0, 1000));
        bool first = IsSet(arguments.Find(1, "first"));
        bool blank = IsSet(arguments.Find(2, "blank"));
        List<string> lines = PythonText.SplitLines(text + "\n");
        evaluator.ChargeText(text.Length + ((long)indention.Length * lines.Count));
        for (int i = 0; i < lines.Count; i++)
        {
            if (i == 0 ? first : blank || lines[i].Length > 0)
                lines[i] = indention + lines[i];
        }
        return new StringValue(string.Join('\n', lines));
    }

    private static StringValue Truncate(string text, CallArguments arguments)
    {
        int length = IntegerOf(arguments.Find(0, "length"), 255);
        string end = arguments.Find(2, "end") is { } mark ? PythonText.Str(mark) : "...";
        int leeway = IntegerOf(arguments.Find(3, "leeway"), 5);
        int endLength = PythonText.Length(end);
        if (length < endLength)
            throw TemplateErrors.Type($"expected length >= {endLength}, got {length}");
        if (leeway < 0)
            throw TemplateErrors.Type($"expected leeway >= 0, got {leeway}");
        if (PythonText.Length(text) <= (long)length + leeway)
            return new StringValue(text);
        string kept = text[..PythonText.PositionOf(text, length - endLength)];
        if (!IsSet(arguments.Find(1, "killwords")) && kept.LastIndexOf(' ') is >= 0 and int space)
            kept = kept[..space];
        return new StringValue(kept + end);
    }

    private static int CountWords(string text)
    {
        int count = 0;
        bool inWord = false;
        foreach (char character in text)
        {
            bool word = char.IsLetterOrDigit(character) || character == '_';
            count += word && !inWord ? 1 : 0;
            inWord = word;
        }
        return count;
    }

    private static StringValue ToJson(TemplateEvaluator evaluator, TemplateValue value, CallArguments arguments)
    {
        string? indent = arguments.Find(1, "indent") switch
        {
            null or NoneValue => null,
            StringValue text => text.Value,
            { } width => new string(' ', Math.Clamp(IntegerOf(width, 0), 0, 100)),
        };
        string? itemSeparator = null;
        string? keySeparator = null;
        if (arguments.Find(2, "separators") is ListValue { Items.Length: 2 } separators)
        {
            itemSeparator = PythonText.Str(separators.Items[0]);
            keySeparator = PythonText.Str(separators.Items[1]);
        }
        bool ensureAscii = IsSet(arguments.Find(0, "ensure_ascii"));
        bool sortKeys = IsSet(arguments.Find(3, "sort_keys"));
        return new StringValue(new JsonText(evaluator, indent, itemSeparator, keySeparator, ensureAscii, sortKeys).Write(value));
    }

    private static TemplateValue ToInteger(TemplateValue value, CallArguments arguments)
    {
        TemplateValue fallback = arguments.Find(0, "default") ?? TemplateValue.From(0L);
        switch (value)
        {
            case IntegerValue or BooleanValue when Numbers.TryInteger(value, out BigInteger integer):
                return new IntegerValue(integer);
            case FloatValue number:
                return double.IsFinite(number.Value) ? new IntegerValue(new BigInteger(number.Value)) : fallback;
            case UndefinedValue undefined:
                throw TemplateErrors.Undefined(undefined);
            case StringValue text:
                if (PythonNumber.TryInteger(text.Value, IntegerOf(arguments.Find(1, "base"), 10), out BigInteger parsed))
                    return new IntegerValue(parsed);
                return PythonNumber.TryFloat(text.Value, out double real) && double.IsFinite(real)
                    ? new IntegerValue(new BigInteger(real))
                    : fallback;
            default:
                return fallback;
        }
    }

    private static TemplateValue ToFloat(TemplateValue value, TemplateValue fallback)
    {
        if (value is UndefinedValue undefined)
            throw TemplateErrors.Undefined(undefined);
        if (Numbers.TryFloat(value, out double number))
            return new FloatValue(number);
        return value is StringValue text && PythonNumber.TryFloat(text.Value, out number) ? new FloatValue(number) : fallback;
    }

    private static TemplateValue Round(TemplateValue value, CallArguments arguments)
    {
        int precision = IntegerOf(arguments.Find(0, "precision"), 0);
        string method = arguments.Find(1, "method") is { } given ? PythonText.Str(given) : "common";
        if (method is not ("common" or "ceil" or "floor"))
            throw TemplateErrors.Type("method must be common, ceil or floor");
        if (!Numbers.TryFloat(value, out double number))
        {
            throw value is UndefinedValue undefined
                ? TemplateErrors.Undefined(undefined)
                : TemplateErrors.Type($"type {value.TypeName} doesn't define __round__ method");
        }
        if (method == "common")
        {
            if (value is FloatValue)
                return new FloatValue(Numbers.Round(number, precision));
            return precision >= 0
                ? Operators.Apply(UnaryOperator.Plus, value)
                : new IntegerValue(new BigInteger(Numbers.Round(number, precision)));
        }
        double scale = Math.Pow(10, precision);
        double scaled = method == "ceil" ? Math.Ceiling(number * scale) : Math.Floor(number * scale);
        return new FloatValue(scaled / scale);
    }

    private static bool IsSet(TemplateValue? value) => value is not null && Operators.IsTrue(value);

    private static int IntegerOf(TemplateValue? value, int absent)
    {
        if (value is null or NoneValue)
            return absent;
        return Numbers.TryInteger(value, out BigInteger integer)
            ? (int)BigInteger.Max(BigInteger.Min(integer, int.MaxValue), int.MinValue)
            : throw TemplateErrors.Type($"'{value.TypeName}' object cannot be interpreted as an integer");
    }
}
