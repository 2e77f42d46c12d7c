using System;
using System.Globalization;
using System.Numerics;

namespace Quire.Tokenization.Chat;

/// <summary>Python's arithmetic details: booleans are integers, division floors, floats print in their shortest form.</summary>
internal static class Numbers
{
    /// <summary>The value of an integer or a boolean.</summary>
    public static bool TryInteger(TemplateValue value, out BigInteger integer)
    {
        switch (value)
        {
            case IntegerValue number:
                integer = number.Value;
                return true;
            case BooleanValue truth:
                integer = truth.Value ? BigInteger.One : BigInteger.Zero;
                return true;
            default:
                integer = default;
                return false;
        }
    }

    /// <summary>The value of any number as a float.</summary>
    public static bool TryFloat(TemplateValue value, out double number)
    {
        if (value is FloatValue real)
        {
            number = real.Value;
            return true;
        }
        bool found = TryInteger(value, out BigInteger integer);
        number = found ? (double)integer : 0;
        return found;
    }

    /// <summary>Compares exactly, without rounding the integer. NaN counts as unequal and not less.</summary>
    public static int Compare(BigInteger integer, double number)
    {
        if (double.IsNaN(number))
            return 2;
        if (double.IsInfinity(number))
            return number > 0 ? -1 : 1;
        double floor = Math.Floor(number);
        int whole = integer.CompareTo(new BigInteger(floor));
        return whole != 0 || floor == number ? Math.Sign(whole) : -1;
    }

    public static BigInteger FloorDivide(BigInteger left, BigInteger right)
    {
        BigInteger quotient = BigInteger.DivRem(left, right, out BigInteger remainder);
        return !remainder.IsZero && remainder.Sign != right.Sign ? quotient - 1 : quotient;
    }

    public static BigInteger FloorModulo(BigInteger left, BigInteger right)
    {
        BigInteger remainder = BigInteger.Remainder(left, right);
        return !remainder.IsZero && remainder.Sign != right.Sign ? remainder + right : remainder;
    }

    public static double FloorModulo(double left, double right)
    {
        double remainder = left % right;
        return remainder != 0 && (remainder < 0) != (right < 0) ? remainder + right : remainder;
    }

    /// <summary><c>repr</c> of a float: the fewest digits that read back the same, an exponent below 1e-4 and from 1e16 on.</summary>
    public static string Format(double value)
    {
        if (double.IsNaN(value))
            return "nan";
        if (double.IsInfinity(value))
            return value > 0 ? "inf" : "-inf";
        (string digits, int exponent) = Digits(value.ToString("R", CultureInfo.InvariantCulture));
        string sign = double.IsNegative(value) ? "-" : string.Empty;
        if (exponent is < -4 or >= 16)
        {
            string fraction = digits.Length > 1 ? "." + digits[1..] : string.Empty;
            string power = Math.Abs(exponent).ToString("00", CultureInfo.InvariantCulture);
            return $"{sign}{digits[0]}{fraction}e{(exponent < 0 ? '-' : '+')}{power}";
        }
        if (exponent < 0)
            return $"{sign}0.{new string('0', -exponent - 1)}{digits}";
        return digits.Length <= exponent + 1
            ? $"{sign}{digits.PadRight(exponent + 1, '0')}.0"
            : $"{sign}{digits[..(exponent + 1)]}.{digits[(exponent + 1)..]}";
    }

    /// <summary><c>round(value, precision)</c>: the exact binary value is rounded, halves to even.</summary>
    public static double Round(double value, int precision)
    {
        if (!double.IsFinite(value) || precision > 400)
            return value;
        if (precision < -400)
            return 0.0 * value;
        long bits = BitConverter.DoubleToInt64Bits(value);
        int exponent = (int)((bits >> 52) & 0x7FF);
        BigInteger mantissa = bits & 0xFFFFFFFFFFFFF;
        if (exponent == 0)
            exponent++;
        else
            mantissa += BigInteger.One << 52;
        // value = numerator / denominator once scaled by 10^precision.
        BigInteger numerator = mantissa;
        BigInteger denominator = BigInteger.One;
        int shift = exponent - 1075;
        if (shift >= 0)
            numerator <<= shift;
        else
            denominator <<= -shift;
        if (precision >= 0)
            numerator *= BigInteger.Pow(10, precision);
        else
            denominator *= BigInteger.Pow(10, -precision);
        BigInteger quotient = BigInteger.DivRem(numerator, denominator, out BigInteger remainder);
        int half = (remainder * 2).CompareTo(denominator);
        if (half > 0 || (half == 0 && !quotient.IsEven))
            quotient++;
        double rounded = double.Parse($"{quotient}E{-precision}", CultureInfo.InvariantCulture);
        return bits < 0 ? -rounded : rounded;
    }

    // The significant digits of a number's text and the decimal exponent of the first.
    private static (string Digits, int Exponent) Digits(string text)
    {
        text = text.TrimStart('-');
        int exponent = 0;
        int mark = text.IndexOf('E', StringComparison.Ordinal);
        if (mark >= 0)
        {
            exponent = int.Parse(text.AsSpan(mark + 1), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture);
            text = text[..mark];
        }
        int point = text.IndexOf('.', StringComparison.Ordinal);
        int whole = point < 0 ? text.Length : point;
        string digits = text.Replace(".", string.Empty, StringComparison.Ordinal);
        int leading = 0;
        while (leading < digits.Length - 1 && digits[leading] == '0')
            leading++;
        string significant = digits[leading..].TrimEnd('0');
        return significant.Length == 0 ? ("0", 0) : (significant, exponent + whole - 1 - leading);
    }
}
