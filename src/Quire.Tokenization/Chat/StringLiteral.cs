using System;
using System.Globalization;
using System.Text;

namespace Quire.Tokenization.Chat;

/// <summary>The escapes of a string literal, which are Python's.</summary>
internal static class StringLiteral
{
    public static string Unescape(ReadOnlySpan<char> text, int line)
    {
        if (!text.Contains('\\'))
            return text.ToString();
        var value = new StringBuilder(text.Length);
        int position = 0;
        while (position < text.Length)
        {
            char character = text[position++];
            if (character != '\\')
            {
                value.Append(character);
                continue;
            }
            char escape = text[position++];
            switch (escape)
            {
                case '\n':
                    break;
                case '\\' or '\'' or '"':
                    value.Append(escape);
                    break;
                case 'n' or 't' or 'r' or 'a' or 'b' or 'f' or 'v':
                    value.Append(Simple(escape));
                    break;
                case 'x' or 'u' or 'U':
                    AppendHexadecimal(value, text, escape, ref position, line);
                    break;
                case >= '0' and <= '7':
                    position--;
                    AppendOctal(value, text, ref position);
                    break;
                default:
                    value.Append('\\').Append(escape);
                    break;
            }
        }
        return value.ToString();
    }

    private static char Simple(char escape) => escape switch
    {
        'n' => '\n',
        't' => '\t',
        'r' => '\r',
        'a' => '\a',
        'b' => '\b',
        'f' => '\f',
        _ => '\v',
    };

    private static void AppendHexadecimal(StringBuilder value, ReadOnlySpan<char> text, char escape, ref int position, int line)
    {
        int digits = escape switch
        {
            'x' => 2,
            'u' => 4,
            _ => 8,
        };
        if (position + digits > text.Length
            || !int.TryParse(text.Slice(position, digits), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out int codePoint)
            || codePoint is < 0 or > 0x10FFFF)
        {
            throw new ChatTemplateException(
                ChatTemplateErrorKind.Syntax, $"a \\{escape} escape needs {digits} hexadecimal digits of a character", line);
        }
        position += digits;
        if (Rune.IsValid(codePoint))
            value.Append(new Rune(codePoint).ToString());
        else
            value.Append((char)codePoint);
    }

    private static void AppendOctal(StringBuilder value, ReadOnlySpan<char> text, ref int position)
    {
        int codePoint = 0;
        for (int digits = 0; digits < 3 && position < text.Length && text[position] is >= '0' and <= '7'; digits++)
            codePoint = (codePoint * 8) + text[position++] - '0';
        value.Append((char)codePoint);
    }
}
