using System;
using System.Globalization;
using System.Numerics;

namespace Quire.Tokenization.Chat;

/// <summary>A width, an alignment and a number format, as <c>%</c> and <c>str.format</c> share them.</summary>
internal sealed record FormatSpec
{
    // What a template may pad or round to; more is not text for a model.
    private const int NumberMax = 1000;

    public char Fill { get; init; } = ' ';

    /// <summary>&lt;, &gt;, ^, = or nothing.</summary>
    public char Align { get; init; }

    /// <summary>+, a space, or nothing.</summary>
    public char Sign { get; init; }

    public bool Alternate { get; init; }

    public int Width { get; init; }

    /// <summary>A thousands separator, or nothing.</summary>
    public char Grouping { get; init; }

    public int? Precision { get; init; }

    /// <summary>The conversion: s, d, x, f, g, e, % … or nothing.</summary>
    public char Kind { get; init; }

    /// <summary><c>[[fill]align][sign][#][0][width][grouping][.precision][type]</c>.</summary>
    public static FormatSpec Parse(string text)
    {
        var spec = new FormatSpec();
        int position = 0;
        if (text.Length > 1 && text[1] is '<' or '>' or '^' or '=')
        {
            spec = spec with { Fill = text[0], Align = text[1] };
            position = 2;
        }
        else if (text.Length > 0 && text[0] is '<' or '>' or '^' or '=')
        {
            spec = spec with { Align = text[0] };
            position = 1;
        }
        if (position < text.Length && text[position] is '+' or '-' or ' ')
            spec = spec with { Sign = text[position++] };
        if (position < text.Length && text[position] == '#')
        {
            spec = spec with { Alternate = true };
            position++;
        }
        if (position < text.Length && text[position] == '0')
            spec = spec.Align == '\0' ? spec with { Fill = '0', Align = '=' } : spec;
        spec = spec with { Width = ReadNumber(text, ref position) ?? 0 };
        if (position < text.Length && text[position] is ',' or '_')
            spec = spec with { Grouping = text[position++] };
        if (position < text.Length && text[position] == '.')
        {
            position++;
            int? precision = ReadNumber(text, ref position);
            spec = spec with { Precision = precision ?? throw TemplateErrors.Type("Format specifier missing precision") };
        }
        if (position < text.Length)
            spec = spec with { Kind = text[position++] };
        return position == text.Length ? spec : throw TemplateErrors.Type($"Invalid format specifier '{text}'");
    }

    /// <summary>A number of at most three digits, or nothing when there is none.</summary>
    public static int? ReadNumber(string text, ref int position)
    {
        int start = position;
        int value = 0;
        for (; position < text.Length && char.IsAsciiDigit(text[position]); position++)
        {
            value = (value * 10) + text[position] - '0';
            if (value > NumberMax)
                throw new ChatTemplateException(ChatTemplateErrorKind.Limit, $"A width or precision is more than {NumberMax}.");
        }
        return position == start ? null : value;
    }

    /// <summary>Formats a value: numbers by their kind, the rest as text.</summary>
    public string Apply(TemplateValue value)
    {
        if (value is StringValue or BooleanValue { } && Kind is '\0' or 's')
            return Pad(Shorten(PythonText.Str(value)), '<');
        bool whole = Kind is '\0' or 'd' or 'i' or 'u' or 'x' or 'X' or 'o' or 'b' or 'c' or 'n';
        if (whole && Numbers.TryInteger(value, out BigInteger integer))
            return PadNumber(integer.Sign < 0, IntegerText(BigInteger.Abs(integer)));
        if (Numbers.TryFloat(value, out double number) && Kind is '\0' or 'f' or 'F' or 'e' or 'E' or 'g' or 'G' or '%')
            return PadNumber(double.IsNegative(number), FloatText(Math.Abs(number)));
        if (Kind is not ('\0' or 's'))
            throw TemplateErrors.Type($"Unknown format code '{Kind}' for object of type '{value.TypeName}'");
        return Pad(Shorten(PythonText.Str(value)), '<');
    }

    /// <summary>Fills a text up to the width.</summary>
    public string Pad(string text, char alignByDefault)
    {
        int missing = Width - PythonText.Length(text);
        if (missing <= 0)
            return text;
        return (Align == '\0' ? alignByDefault : Align) switch
        {
            '<' => text + new string(Fill, missing),
            '^' => new string(Fill, missing / 2) + text + new string(Fill, missing - (missing / 2)),
            _ => new string(Fill, missing) + text,
        };
    }

    private string Shorten(string text) =>
        Precision is int most && PythonText.Length(text) > most ? text[..PythonText.PositionOf(text, most)] : text;

    private string PadNumber(bool negative, string digits)
    {
        string sign = negative ? "-" : Sign is '+' or ' ' ? Sign.ToString() : string.Empty;
        if (Align != '=')
            return Pad(sign + digits, '>');
        return sign + digits.PadLeft(Math.Max(0, Width - sign.Length), Fill);
    }

    private string IntegerText(BigInteger value)
    {
        string prefix = Alternate ? $"0{char.ToLowerInvariant(Kind)}" : string.Empty;
        return Kind switch
        {
            'x' => prefix + Radix(value, 4),
            'X' => prefix + Radix(value, 4).ToUpperInvariant(),
            'o' => prefix + Radix(value, 3),
            'b' => prefix + Radix(value, 1),
            'c' => new StringValue(char.ConvertFromUtf32((int)BigInteger.Min(value, 0xD7FF))).Value,
            _ => Group(value.ToString(CultureInfo.InvariantCulture)),
        };
    }

    private static string Radix(BigInteger value, int bits)
    {
        var digits = new System.Collections.Generic.Stack<char>();
        do
        {
            digits.Push("0123456789abcdef"[(int)(value & ((1 << bits) - 1))]);
            value >>= bits;
        }
        while (!value.IsZero);
        return new string(digits.ToArray());
    }

    private string FloatText(double value)
    {
        if (!double.IsFinite(value))
            return double.IsNaN(value) ? "nan" : "inf";
        switch (Kind)
        {
            case '%':
                return Fixed(value * 100, Precision ?? 6) + "%";
            case 'f' or 'F':
                return Group(Fixed(value, Precision ?? 6));
            case 'e' or 'E':
                return Exponential(value, Precision ?? 6, Kind);
            default:
                return Kind == '\0' && Precision is null ? Group(Numbers.Format(value)) : General(value);
        }
    }

    private static string Fixed(double value, int precision) =>
        Numbers.Round(value, precision).ToString($"F{precision}", CultureInfo.InvariantCulture);

    private static string Exponential(double value, int precision, char mark)
    {
        string text = value.ToString($"{mark}{precision}", CultureInfo.InvariantCulture);
        int at = text.IndexOf(mark, StringComparison.Ordinal);
        string power = text[(at + 2)..].TrimStart('0').PadLeft(2, '0');
        return $"{text[..at]}{mark}{text[at + 1]}{power}";
    }

    private string General(double value)
    {
        int precision = Math.Max(1, Precision ?? 6);
        char mark = Kind == 'G' ? 'E' : 'e';
        string exponential = Exponential(value, precision - 1, mark);
        int at = exponential.IndexOf(mark, StringComparison.Ordinal);
        int power = int.Parse(exponential.AsSpan(at + 1), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture);
        if (power < -4 || power >= precision)
            return TrimZeros(exponential[..at]) + exponential[at..];
        return Group(TrimZeros(Fixed(value, precision - 1 - power)));
    }

    private static string TrimZeros(string digits) =>
        digits.Contains('.', StringComparison.Ordinal) ? digits.TrimEnd('0').TrimEnd('.') : digits;

    private string Group(string digits)
    {
        if (Grouping == '\0')
            return digits;
        int point = digits.IndexOf('.', StringComparison.Ordinal);
        int end = point < 0 ? digits.Length : point;
        for (int at = end - 3; at > 0; at -= 3)
            digits = digits.Insert(at, Grouping.ToString());
        return digits;
    }
}
