using System;

namespace Quire.Models;

/// <summary>How far a mistyped name is from another, for "did you mean" (Damerau and Levenshtein's distance, each place edited once).</summary>
public static class EditDistance
{
    /// <summary>Fewest insertions, deletions, replacements and swaps of neighbouring characters that turn one text into the other.</summary>
    public static int Between(string a, string b)
    {
        ArgumentNullException.ThrowIfNull(a);
        ArgumentNullException.ThrowIfNull(b);

        // Rows of the table of distances between beginnings: two places back (for swaps), one back, the present one.
        int[] earlier = new int[b.Length + 1];
        int[] before = new int[b.Length + 1];
        int[] row = new int[b.Length + 1];
        for (int j = 0; j <= b.Length; j++)
        {
            before[j] = j;
        }

        for (int i = 1; i <= a.Length; i++)
        {
            row[0] = i;
            for (int j = 1; j <= b.Length; j++)
            {
                int replaced = before[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
                row[j] = Math.Min(replaced, Math.Min(before[j], row[j - 1]) + 1);
                if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                {
                    row[j] = Math.Min(row[j], earlier[j - 2] + 1);
                }
            }

            (earlier, before, row) = (before, row, earlier);
        }

        return before[b.Length];
    }
}
