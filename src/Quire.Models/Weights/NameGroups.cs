using System;
using System.Collections.Generic;
using System.Globalization;
using System.Text;

namespace Quire.Models.Weights;

/// <summary>
/// Shortens a list of tensor names without losing any: names that differ only in their first number (the layer) share one entry, such
/// as <c>model.layers.{0-21}.mlp.up_proj.weight</c>.
/// </summary>
internal static class NameGroups
{
    public static string Describe(IEnumerable<string> names)
    {
        var groups = new List<(string Head, string Tail, List<int> Numbers)>();
        var index = new Dictionary<(string Head, string Tail), int>();
        foreach (string name in names)
        {
            (string head, int? number, string tail) = Split(name);
            if (!index.TryGetValue((head, tail), out int at) || number is null)
            {
                at = groups.Count;
                index[(head, tail)] = at;
                groups.Add((head, tail, []));
            }

            if (number is { } value)
            {
                groups[at].Numbers.Add(value);
            }
        }

        var text = new StringBuilder();
        foreach ((string head, string tail, List<int> numbers) in groups)
        {
            text.Append(text.Length == 0 ? "" : ", ").Append(head).Append(Ranges(numbers)).Append(tail);
        }

        return text.ToString();
    }

    /// <summary>Splits at the first run of digits between dots.</summary>
    private static (string Head, int? Number, string Tail) Split(string name)
    {
        int start = 0;
        while (start < name.Length)
        {
            int end = name.IndexOf('.', start);
            end = end < 0 ? name.Length : end;
            if (int.TryParse(name.AsSpan(start, end - start), NumberStyles.None, CultureInfo.InvariantCulture, out int number))
            {
                return (name[..start], number, name[end..]);
            }

            start = end + 1;
        }

        return (name, null, "");
    }

    private static string Ranges(List<int> numbers)
    {
        if (numbers.Count <= 1)
        {
            return numbers.Count == 0 ? "" : numbers[0].ToString(CultureInfo.InvariantCulture);
        }

        numbers.Sort();
        var text = new StringBuilder("{");
        for (int i = 0; i < numbers.Count; i++)
        {
            int first = numbers[i];
            while (i + 1 < numbers.Count && numbers[i + 1] == numbers[i] + 1)
            {
                i++;
            }

            text.Append(text.Length == 1 ? "" : ",").Append(first.ToString(CultureInfo.InvariantCulture));
            if (numbers[i] != first)
            {
                text.Append('-').Append(numbers[i].ToString(CultureInfo.InvariantCulture));
            }
        }

        return text.Append('}').ToString();
    }
}
