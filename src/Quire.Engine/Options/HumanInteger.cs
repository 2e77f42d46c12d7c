using System;
using System.Globalization;

namespace Quire.Engine.Options;

/// <summary>
/// Integers as people write sizes, by vLLM's rule: a lower-case suffix is decimal (<c>25.6k</c> is 25600), an upper-case one binary
/// (<c>1K</c> is 1024). Suffixes are k, m, g and t; a fraction with a binary suffix is refused.
/// </summary>
public static class HumanInteger
{
    /// <summary>Reads <paramref name="text"/>; on failure <paramref name="problem"/> says why in one clause.</summary>
    public static bool TryParse(string text, out long value, out string problem)
    {
        value = 0;
        problem = "";
        ReadOnlySpan<char> digits = text.AsSpan().Trim();
        if (digits.Length == 0)
        {
            problem = "expected an integer, got an empty text";
            return false;
        }

        char suffix = digits[^1];
        int power = char.ToLowerInvariant(suffix) switch { 'k' => 1, 'm' => 2, 'g' => 3, 't' => 4, _ => 0 };
        if (power > 0)
            digits = digits[..^1];
        bool binary = power > 0 && char.IsUpper(suffix);
        if (!decimal.TryParse(digits, NumberStyles.AllowLeadingSign | NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out decimal number))
        {
            problem = $"expected an integer such as 8192, 25.6k or 1K, got {text}";
            return false;
        }

        if (binary && decimal.Truncate(number) != number)
        {
            string lower = digits.ToString() + char.ToLowerInvariant(suffix);
            problem = $"Decimals are not allowed with binary suffixes like {suffix}. Did you mean to use {lower} instead?";
            return false;
        }

        try
        {
            decimal scale = 1;
            for (int i = 0; i < power; i++)
                scale *= binary ? 1024 : 1000;
            decimal scaled = checked(number * scale);
            if (power == 0 && decimal.Truncate(scaled) != scaled)
            {
                problem = $"expected an integer, got {text}";
                return false;
            }

            value = checked((long)decimal.Truncate(scaled));
            return true;
        }
        catch (OverflowException)
        {
            problem = $"{text} does not fit a 64-bit integer";
            return false;
        }
    }
}
