using System;
using System.Globalization;
using System.Text;

namespace Quire.Tokenization.Chat;

/// <summary><c>strftime</c> in the C locale.</summary>
internal static class TimeText
{
    public static string Format(DateTimeOffset time, string format)
    {
        var text = new StringBuilder(format.Length + 16);
        for (int i = 0; i < format.Length; i++)
        {
            if (format[i] != '%' || i + 1 == format.Length)
            {
                text.Append(format[i]);
                continue;
            }
            char directive = format[++i];
            // "%-d" leaves out the padding.
            bool bare = directive == '-' && i + 1 < format.Length;
            if (bare)
                directive = format[++i];
            string? part = Part(time, directive);
            if (part is null)
                text.Append('%').Append(bare ? "-" : string.Empty).Append(directive);
            else
                text.Append(bare ? part.TrimStart('0').PadLeft(1, '0') : part);
        }
        return text.ToString();
    }

    private static string? Part(DateTimeOffset time, char directive) => directive switch
    {
        'Y' => Text(time, "yyyy"),
        'y' => Text(time, "yy"),
        'm' => Text(time, "MM"),
        'd' => Text(time, "dd"),
        'e' => time.Day.ToString(CultureInfo.InvariantCulture).PadLeft(2),
        'H' => Text(time, "HH"),
        'I' => Text(time, "hh"),
        'M' => Text(time, "mm"),
        'S' => Text(time, "ss"),
        'f' => Text(time, "ffffff"),
        'p' => Text(time, "tt"),
        'A' => Text(time, "dddd"),
        'a' => Text(time, "ddd"),
        'B' => Text(time, "MMMM"),
        'b' or 'h' => Text(time, "MMM"),
        'j' => time.DayOfYear.ToString("000", CultureInfo.InvariantCulture),
        'w' => ((int)time.DayOfWeek).ToString(CultureInfo.InvariantCulture),
        'u' => ((((int)time.DayOfWeek + 6) % 7) + 1).ToString(CultureInfo.InvariantCulture),
        'U' => ((time.DayOfYear + 6 - (int)time.DayOfWeek) / 7).ToString("00", CultureInfo.InvariantCulture),
        'W' => ((time.DayOfYear + 6 - (((int)time.DayOfWeek + 6) % 7)) / 7).ToString("00", CultureInfo.InvariantCulture),
        'F' => Text(time, "yyyy-MM-dd"),
        'T' => Text(time, "HH:mm:ss"),
        'R' => Text(time, "HH:mm"),
        'D' or 'x' => Text(time, "MM/dd/yy"),
        'X' => Text(time, "HH:mm:ss"),
        'c' => Text(time, "ddd MMM ") + Part(time, 'e') + Text(time, " HH:mm:ss yyyy"),
        's' => time.ToUnixTimeSeconds().ToString(CultureInfo.InvariantCulture),
        // The time of Python's datetime.now() knows no zone.
        'z' or 'Z' => string.Empty,
        'n' => "\n",
        't' => "\t",
        '%' => "%",
        _ => null,
    };

    private static string Text(DateTimeOffset time, string format) => time.ToString(format, CultureInfo.InvariantCulture);
}
