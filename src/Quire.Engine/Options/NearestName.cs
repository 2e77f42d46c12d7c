using System;
using System.Collections.Generic;
using Quire.Models;

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
            int d = EditDistance.Between(name, candidate);
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
}
