using System;
using System.Globalization;
using System.Text;

namespace Quire.Tokenization.Chat;

/// <summary><c>str.format</c>: <c>{}</c>, <c>{0}</c>, <c>{name.attribute[item]!r:spec}</c>.</summary>
internal static class BraceFormat
{
    public static string Format(TemplateEvaluator evaluator, string format, CallArguments arguments)
    {
        var text = new StringBuilder();
        int automatic = 0;
        int position = 0;
        while (position < format.Length)
        {
            char character = format[position++];
            if (character is '{' or '}' && position < format.Length && format[position] == character)
            {
                text.Append(character);
                position++;
            }
            else if (character == '{')
            {
                int close = format.IndexOf('}', position);
                if (close < 0)
                    throw TemplateErrors.Type("expected '}' before end of string");
                string field = FormatField(evaluator, format[position..close], arguments, ref automatic);
                evaluator.CheckText((long)text.Length + field.Length);
                evaluator.Charge(field.Length);
                text.Append(field);
                position = close + 1;
            }
            else if (character == '}')
            {
                throw TemplateErrors.Type("Single '}' encountered in format string");
            }
            else
            {
                text.Append(character);
            }
        }
        return text.ToString();
    }

    private static string FormatField(TemplateEvaluator evaluator, string field, CallArguments arguments, ref int automatic)
    {
        int colon = field.IndexOf(':', StringComparison.Ordinal);
        string spec = colon < 0 ? string.Empty : field[(colon + 1)..];
        string path = colon < 0 ? field : field[..colon];
        char conversion = '\0';
        int mark = path.IndexOf('!', StringComparison.Ordinal);
        if (mark >= 0)
        {
            conversion = mark + 2 == path.Length ? path[mark + 1] : throw TemplateErrors.Type("expected ':' after conversion specifier");
            path = path[..mark];
        }
        TemplateValue value = Resolve(evaluator, path, arguments, ref automatic);
        if (conversion is 's' or 'r')
            value = new StringValue(conversion == 's' ? PythonText.Str(value) : PythonText.Repr(value));
        else if (conversion != '\0')
            throw TemplateErrors.Type($"Unknown conversion specifier {conversion}");
        return spec.Length == 0 ? PythonText.Str(value) : FormatSpec.Parse(spec).Apply(value);
    }

    private static TemplateValue Resolve(TemplateEvaluator evaluator, string path, CallArguments arguments, ref int automatic)
    {
        int end = path.AsSpan().IndexOfAny('.', '[');
        string first = end < 0 ? path : path[..end];
        string rest = end < 0 ? string.Empty : path[end..];
        TemplateValue value;
        if (first.Length == 0)
            value = At(arguments, automatic++);
        else if (int.TryParse(first, NumberStyles.None, CultureInfo.InvariantCulture, out int place))
            value = At(arguments, place);
        else
            value = arguments.Find(int.MaxValue, first) ?? throw TemplateErrors.Type(PythonText.Repr(new StringValue(first)));
        while (rest.Length > 0)
        {
            int close = rest[0] == '[' ? rest.IndexOf(']', StringComparison.Ordinal) : -1;
            if (rest[0] == '[' && close < 0)
                throw TemplateErrors.Type("Missing ']' in format string");
            int next = rest.AsSpan(1).IndexOfAny('.', '[');
            int stop = rest[0] == '[' ? close + 1 : next < 0 ? rest.Length : next + 1;
            string name = rest[0] == '[' ? rest[1..close] : rest[1..stop];
            value = rest[0] == '['
                ? Members.Item(evaluator, value, int.TryParse(name, NumberStyles.None, CultureInfo.InvariantCulture, out int index)
                    ? TemplateValue.From((long)index)
                    : new StringValue(name))
                : Members.Attribute(value, name);
            rest = rest[stop..];
        }
        return value;
    }

    private static TemplateValue At(CallArguments arguments, int place) => place < arguments.Positional.Count
        ? arguments.Positional[place]
        : throw TemplateErrors.Type($"Replacement index {place} out of range for positional args tuple");
}
