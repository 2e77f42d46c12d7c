using System;
using System.Collections.Generic;
using System.Globalization;
using System.Text;

namespace Quire.Core.Requests;

/// <summary>Values as Python prints them, so that messages read the same as vLLM's.</summary>
internal static class PythonText
{
    /// <summary>repr(float): the shortest digits that read back as the same value, 2.0 rather than 2, 1e-05 and 1e+16 outside [1e-4, 1e16).</summary>
    public static string Number(double value)
    {
        if (double.IsNaN(value))
            return "nan";
        if (double.IsInfinity(value))
            return value > 0 ? "inf" : "-inf";
        double magnitude = Math.Abs(value);
        if (magnitude != 0 && (magnitude < 1e-4 || magnitude >= 1e16))
            return Scientific(value);
        string shortest = value.ToString("R", CultureInfo.InvariantCulture);
        if (shortest.Contains('E', StringComparison.Ordinal))
            return value.ToString("0.0#################################", CultureInfo.InvariantCulture);
        return shortest.Contains('.', StringComparison.Ordinal) ? shortest : shortest + ".0";
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

    private static string Scientific(double value)
    {
        string shortest = value.ToString("R", CultureInfo.InvariantCulture);
        int exponentAt = shortest.IndexOf('E', StringComparison.Ordinal);
        if (exponentAt < 0)
            return shortest;
        int exponent = int.Parse(shortest.AsSpan(exponentAt + 1), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture);
        string sign = exponent < 0 ? "-" : "+";
        return shortest[..exponentAt] + "e" + sign + Math.Abs(exponent).ToString("00", CultureInfo.InvariantCulture);
    }
}
