namespace Quire.Tokenization.PreTokenizers;

/// <summary>
/// Tells patterns that .NET would read without complaint but in another sense than Oniguruma, for which the files are written.
/// </summary>
internal static class RegexDialect
{
    /// <summary>The first construct that means something else to .NET, or <see langword="null"/>.</summary>
    public static string? FindForeign(string pattern)
    {
        bool inClass = false;
        for (int i = 0; i < pattern.Length; i++)
        {
            char character = pattern[i];
            if (char.IsSurrogate(character))
                return "a character beyond U+FFFF";
            if (character == '\\')
            {
                i++;
                continue;
            }
            if (!inClass)
            {
                inClass = character == '[';
                if (inClass && i + 1 < pattern.Length && pattern[i + 1] == '^')
                    i++;
            }
            else if (character == ']')
            {
                inClass = false;
            }
            else if (character == '[')
            {
                return "a class within a class";
            }
            else if (character == '&' && i + 1 < pattern.Length && pattern[i + 1] == '&')
            {
                return "an intersection of classes";
            }
        }
        return pattern.Contains("(?m", System.StringComparison.Ordinal) ? "the option m" : null;
    }
}
