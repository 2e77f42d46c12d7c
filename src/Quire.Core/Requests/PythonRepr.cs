using System;
using System.Collections.Generic;
using System.Globalization;
using System.Text;

namespace Quire.Core.Requests;

/// <summary>Values as Python's repr prints them, so that messages read the same as vLLM's.</summary>
internal static class PythonRepr
{
    /// <summary>repr(float): the shortest digits that read back as the same value, 2.0 rather than 2, 1e-05 and 1e+16 outside [1e-4, 1e16).</summary>
    public static string Number(double value)
    {
        if (double.IsNaN(value))
            return "nan";
        if (double.IsInfinity(value))
            return value > 0 ? "inf" : "-inf";
        if (value == 0)
            return double.IsNegative(value) ? "-0.0" : "0.0";

        // The shortest digits that read back, wherever .NET puts the point and the exponent.
        string shortest = Math.Abs(value).ToString("R", CultureInfo.InvariantCulture);
        int exponentAt = shortest.IndexOf('E', StringComparison.Ordinal);
        string mantissa = exponentAt < 0 ? shortest : shortest[..exponentAt];
        int exponent = exponentAt < 0 ? 0 : int.Parse(shortest.AsSpan(exponentAt + 1), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture);
        int point = mantissa.IndexOf('.', StringComparison.Ordinal);
        string digits = mantissa.Replace(".", "", StringComparison.Ordinal);
        exponent += point < 0 ? digits.Length : point;
        string significant = digits.TrimStart('0');
        exponent -= digits.Length - significant.Length;
        significant = significant.TrimEnd('0');
        return (value < 0 ? "-" : "") + Place(significant, exponent);
    }

    /// <summary>Writes 0.digits × 10^exponent.</summary>
    private static string Place(string digits, int exponent)
    {
        if (exponent is <= -4 or > 16)
        {
            string fraction = digits.Length > 1 ? "." + digits[1..] : "";
            int shown = exponent - 1;
            return digits[..1] + fraction + "e" + (shown < 0 ? "-" : "+") + Math.Abs(shown).ToString("00", CultureInfo.InvariantCulture);
        }

        if (exponent <= 0)
            return "0." + new string('0', -exponent) + digits;
        return digits.Length <= exponent
            ? digits + new string('0', exponent - digits.Length) + ".0"
            : digits[..exponent] + "." + digits[exponent..];
    }

    public static string List(IReadOnlyList<string> items)
    {
        var text = new StringBuilder("[");
        for (int i = 0; i < items.Count; i++)
        {
            if (i > 0)
                text.Append(", ");
            Quote(text, items[i]);
        }

        return text.Append(']').ToString();
    }

    private static void Quote(StringBuilder text, string item)
    {
        char quote = item.Contains('\'', StringComparison.Ordinal) && !item.Contains('"', StringComparison.Ordinal) ? '"' : '\'';
        text.Append(quote);
        foreach (char c in item)
        {
            switch (c)
            {
                case '\n': text.Append("\\n"); break;
                case '\r': text.Append("\\r"); break;
                case '\t': text.Append("\\t"); break;
                case '\\': text.Append("\\\\"); break;
                default:
                    if (c == quote)
                        text.Append('\\');
                    text.Append(c);
                    break;
            }
        }

        text.Append(quote);
    }
}
