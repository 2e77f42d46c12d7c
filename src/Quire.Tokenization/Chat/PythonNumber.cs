using System;
using System.Globalization;
using System.Numerics;

namespace Quire.Tokenization.Chat;

/// <summary>How <c>int(text)</c> and <c>float(text)</c> read.</summary>
internal static class PythonNumber
{
    public static bool TryInteger(string text, int radix, out BigInteger value)
    {
        value = BigInteger.Zero;
        if (radix is < 2 or > 36)
            return false;
        ReadOnlySpan<char> digits = PythonText.Strip(text, null, left: true, right: true);
        bool negative = digits.StartsWith("-");
        if (negative || digits.StartsWith("+"))
            digits = digits[1..];
        if (Prefix(radix) is { } prefix && digits.StartsWith(prefix, StringComparison.OrdinalIgnoreCase))
            digits = digits[2..];
        if (digits.Length is 0 or > IntegerValue.DigitsMax || digits[0] == '_' || digits[^1] == '_')
            return false;
        char before = '\0';
        foreach (char digit in digits)
        {
            if (digit == '_' && before != '_')
            {
                before = digit;
                continue;
            }
            int worth = char.IsAsciiDigit(digit) ? digit - '0' : char.IsAsciiLetter(digit) ? (digit | 0x20) - 'a' + 10 : radix;
            if (worth >= radix)
                return false;
            value = (value * radix) + worth;
            before = digit;
        }
        value = negative ? -value : value;
        return true;
    }

    public static bool TryFloat(string text, out double value)
    {
        string number = PythonText.Strip(text, null, left: true, right: true);
        switch (number.ToLowerInvariant())
        {
            case "inf" or "+inf" or "infinity" or "+infinity":
                value = double.PositiveInfinity;
                return true;
            case "-inf" or "-infinity":
                value = double.NegativeInfinity;
                return true;
            case "nan" or "+nan" or "-nan":
                value = double.NaN;
                return true;
            default:
                const NumberStyles Style = NumberStyles.AllowLeadingSign | NumberStyles.AllowDecimalPoint | NumberStyles.AllowExponent;
                return double.TryParse(number, Style, CultureInfo.InvariantCulture, out value);
        }
    }

    private static string? Prefix(int radix) => radix switch
    {
        16 => "0x",
        8 => "0o",
        2 => "0b",
        _ => null,
    };
}
