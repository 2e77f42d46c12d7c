using System;
using System.Collections.Generic;

namespace Quire.Engine.Options;

/// <summary>Finds what a mistyped name was meant to be.</summary>
public static class NearestName
{
    /// <summary>The candidate with the smallest edit distance to <paramref name="name"/>, the first of equals; null without candidates.</summary>
    public static string? Find(string name, IEnumerable<string> candidates, out int distance)
    {
        string? best = null;
        distance = int.MaxValue;
        foreach (string candidate in candidates)
        {
            int d = Distance(name, candidate);
            if (d < distance)
            {
                distance = d;
                best = candidate;
            }
        }

        return best;
    }

    /// <summary>Whether a name at this distance is more likely a typing mistake than something else.</summary>
    public static bool IsClose(string name, int distance) => distance <= Math.Max(2, name.Length / 4);

    /// <summary>Insertions, deletions, substitutions and swaps of neighbours that turn one text into the other.</summary>
    public static int Distance(string a, string b)
    {
        int[,] table = new int[a.Length + 1, b.Length + 1];
        for (int i = 0; i <= a.Length; i++)
            table[i, 0] = i;
        for (int j = 0; j <= b.Length; j++)
            table[0, j] = j;
        for (int i = 1; i <= a.Length; i++)
        {
            for (int j = 1; j <= b.Length; j++)
            {
                int cost = a[i - 1] == b[j - 1] ? 0 : 1;
                int d = Math.Min(Math.Min(table[i - 1, j] + 1, table[i, j - 1] + 1), table[i - 1, j - 1] + cost);
                if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                    d = Math.Min(d, table[i - 2, j - 2] + 1);
                table[i, j] = d;
            }
        }

        return table[a.Length, b.Length];
    }
}
