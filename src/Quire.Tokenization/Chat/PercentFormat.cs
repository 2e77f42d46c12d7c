using System;
using System.Text;

namespace Quire.Tokenization.Chat;

/// <summary><c>format % values</c>.</summary>
internal static class PercentFormat
{
    public static string Format(TemplateEvaluator evaluator, string format, TemplateValue values)
    {
        var text = new StringBuilder();
        TemplateValue[] positional = values is ListValue { Kind: ListKind.Tuple } tuple ? tuple.Items : [values];
        int next = 0;
        int position = 0;
        while (position < format.Length)
        {
            int mark = format.IndexOf('%', position);
            if (mark < 0)
            {
                text.Append(format, position, format.Length - position);
                break;
            }
            text.Append(format, position, mark - position);
            position = mark + 1;
            if (position < format.Length && format[position] == '%')
            {
                text.Append('%');
                position++;
                continue;
            }
            TemplateValue? named = ReadName(format, ref position, values);
            FormatSpec spec = ReadSpec(format, ref position);
            TemplateValue value = named
                ?? (next < positional.Length ? positional[next++] : throw TemplateErrors.Type("not enough arguments for format string"));
            string formatted = Convert(spec, value);
            evaluator.CheckText((long)text.Length + formatted.Length);
            evaluator.Charge(formatted.Length);
            text.Append(formatted);
        }
        // Whatever can be subscripted counts as a dictionary, except a text and a tuple.
        bool mayStay = values is DictionaryValue or UndefinedValue or ListValue { Kind: not ListKind.Tuple };
        if (next < positional.Length && !mayStay)
            throw TemplateErrors.Type("not all arguments converted during string formatting");
        return text.ToString();
    }

    // %(name)s takes an item of a dictionary.
    private static TemplateValue? ReadName(string format, ref int position, TemplateValue values)
    {
        if (position >= format.Length || format[position] != '(')
            return null;
        int close = format.IndexOf(')', position);
        if (close < 0)
            throw TemplateErrors.Type("incomplete format key");
        if (values is not DictionaryValue dictionary)
            throw TemplateErrors.Type("format requires a mapping");
        var key = new StringValue(format[(position + 1)..close]);
        position = close + 1;
        return dictionary.TryGet(key, out TemplateValue value) ? value : throw TemplateErrors.Type(PythonText.Repr(key));
    }

    private static FormatSpec ReadSpec(string format, ref int position)
    {
        var spec = new FormatSpec { Align = '>' };
        for (; position < format.Length && format[position] is '-' or '+' or ' ' or '#' or '0'; position++)
        {
            spec = format[position] switch
            {
                '-' => spec with { Align = '<', Fill = ' ' },
                '0' => spec.Align == '<' ? spec : spec with { Align = '=', Fill = '0' },
                '#' => spec with { Alternate = true },
                '+' => spec with { Sign = '+' },
                _ => spec.Sign == '+' ? spec : spec with { Sign = ' ' },
            };
        }
        spec = spec with { Width = FormatSpec.ReadNumber(format, ref position) ?? 0 };
        if (position < format.Length && format[position] == '.')
        {
            position++;
            spec = spec with { Precision = FormatSpec.ReadNumber(format, ref position) ?? 0 };
        }
        if (position >= format.Length)
            throw TemplateErrors.Type("incomplete format");
        return spec with { Kind = format[position++] };
    }

    private static string Convert(FormatSpec spec, TemplateValue value)
    {
        switch (spec.Kind)
        {
            case 's' or 'r' or 'a':
                string shown = spec.Kind == 's' ? PythonText.Str(value) : PythonText.Repr(value);
                FormatSpec asText = spec with { Kind = 's', Fill = ' ', Align = spec.Align == '=' ? '>' : spec.Align };
                return asText.Apply(new StringValue(shown));
            case 'd' or 'i' or 'u':
                if (value is FloatValue number && double.IsFinite(number.Value))
                    return spec.Apply(new IntegerValue(new System.Numerics.BigInteger(Math.Truncate(number.Value))));
                return Numbers.TryInteger(value, out _)
                    ? spec.Apply(value)
                    : throw TemplateErrors.Type($"%{spec.Kind} format: a real number is required, not {value.TypeName}");
            case 'x' or 'X' or 'o':
                return Numbers.TryInteger(value, out _)
                    ? spec.Apply(value)
                    : throw TemplateErrors.Type($"%{spec.Kind} format: an integer is required, not {value.TypeName}");
            case 'f' or 'F' or 'e' or 'E' or 'g' or 'G':
                return Numbers.TryFloat(value, out _)
                    ? spec.Apply(value)
                    : throw TemplateErrors.Type($"must be real number, not {value.TypeName}");
            default:
                throw TemplateErrors.Type($"unsupported format character '{spec.Kind}'");
        }
    }
}
