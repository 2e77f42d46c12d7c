using System;
using System.Collections.Generic;
using System.Linq;
using System.Numerics;

namespace Quire.Tokenization.Chat;

/// <summary>
/// Python's <c>&lt;</c>: numbers with numbers, strings by code points, lists and tuples item by item; the rest is an error.
/// </summary>
internal static class ValueOrder
{
    /// <summary>The sign of the comparison. A NaN is neither less nor greater; the result is then 2.</summary>
    /// <param name="left">One value.</param>
    /// <param name="right">The other.</param>
    /// <param name="operation">The operator that the error names.</param>
    public static int Compare(TemplateValue left, TemplateValue right, string operation)
    {
        bool leftWhole = Numbers.TryInteger(left, out BigInteger a);
        bool rightWhole = Numbers.TryInteger(right, out BigInteger b);
        if (leftWhole && rightWhole)
            return Math.Sign(a.CompareTo(b));
        switch (left, right)
        {
            case (FloatValue x, FloatValue y):
                return double.IsNaN(x.Value) || double.IsNaN(y.Value) ? 2 : x.Value.CompareTo(y.Value);
            case (FloatValue x, _) when rightWhole:
                int turned = Numbers.Compare(b, x.Value);
                return turned == 2 ? 2 : -turned;
            case (_, FloatValue y) when leftWhole:
                return Numbers.Compare(a, y.Value);
            case (StringValue x, StringValue y):
                return CompareText(x.Value, y.Value);
            case (ListValue x, ListValue y) when x.Kind == y.Kind && x.Kind is ListKind.List or ListKind.Tuple:
                return CompareItems(x.Items, y.Items, operation);
            case (UndefinedValue undefined, _):
                throw new ChatTemplateException(ChatTemplateErrorKind.Runtime, undefined.Message);
            case (_, UndefinedValue undefined):
                throw new ChatTemplateException(ChatTemplateErrorKind.Runtime, undefined.Message);
            default:
                throw new ChatTemplateException(
                    ChatTemplateErrorKind.Runtime,
                    $"'{operation}' not supported between instances of '{left.TypeName}' and '{right.TypeName}'");
        }
    }

    /// <summary>
    /// A stable sort by Python's order. Our own merge sort: comparing may be an error, which must come out as it is, and NaN is in no
    /// order.
    /// </summary>
    public static List<T> Sort<T>(IReadOnlyList<T> items, Func<T, TemplateValue> key, bool reverse = false)
    {
        var keys = new TemplateValue[items.Count];
        int[] order = new int[items.Count];
        for (int i = 0; i < keys.Length; i++)
        {
            keys[i] = key(items[i]);
            order[i] = i;
        }
        int[] merged = new int[order.Length];
        for (int width = 1; width < order.Length; width *= 2)
        {
            for (int start = 0; start < order.Length; start += 2 * width)
            {
                int middle = Math.Min(start + width, order.Length);
                int end = Math.Min(middle + width, order.Length);
                Merge(keys, order, merged, start, middle, end, reverse);
            }
            (order, merged) = (merged, order);
        }
        return [.. order.Select(index => items[index])];
    }

    // The right item goes first only when it is really before the left one, so equals keep their order.
    private static void Merge(TemplateValue[] keys, int[] order, int[] merged, int start, int middle, int end, bool reverse)
    {
        int left = start;
        int right = middle;
        for (int i = start; i < end; i++)
        {
            bool takesRight = left == middle
                || (right < end && (reverse
                    ? Compare(keys[order[left]], keys[order[right]], "<") < 0
                    : Compare(keys[order[right]], keys[order[left]], "<") < 0));
            merged[i] = takesRight ? order[right++] : order[left++];
        }
    }

    private static int CompareItems(TemplateValue[] left, TemplateValue[] right, string operation)
    {
        for (int i = 0; i < left.Length && i < right.Length; i++)
        {
            if (!ValueEquality.AreEqual(left[i], right[i]))
                return Compare(left[i], right[i], operation);
        }
        return left.Length.CompareTo(right.Length);
    }

    // By code points: surrogates come after all other units, although their values are lower than U+E000.
    private static int CompareText(string left, string right)
    {
        int common = left.AsSpan().CommonPrefixLength(right);
        if (common == left.Length || common == right.Length)
            return left.Length.CompareTo(right.Length);
        char a = left[common];
        char b = right[common];
        return char.IsSurrogate(a) == char.IsSurrogate(b) ? Math.Sign(a.CompareTo(b)) : char.IsSurrogate(a) ? 1 : -1;
    }
}
