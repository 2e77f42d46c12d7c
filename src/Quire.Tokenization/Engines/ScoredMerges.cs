using System;
using System.Collections.Generic;

namespace Quire.Tokenization.Engines;

/// <summary>
/// The merges of a SentencePiece BPE vocabulary, which lists scores instead: any two tokens merge whose concatenation is a token, the
/// highest score first and among equal ones the leftmost (Kudo and Richardson, arXiv 1808.06226).
/// </summary>
internal static class ScoredMerges
{
    /// <summary>The merges of a vocabulary.</summary>
    /// <param name="vocabulary">Ids by token.</param>
    /// <param name="tokens">Tokens by id.</param>
    /// <param name="scores">Scores by id.</param>
    /// <param name="isText">Whether a token may be part or result of a merge.</param>
    public static MergeTable Make(Vocabulary vocabulary, IReadOnlyList<string> tokens, IReadOnlyList<float> scores, Func<int, bool> isText)
    {
        int[] ranks = Ranks(scores);
        var found = new List<(int Left, int Right, int Merged)>();
        for (int id = 0; id < tokens.Count; id++)
        {
            string token = tokens[id];
            if (token.Length < 2 || !isText(id) || !vocabulary.TryGetId(token, out int first) || first != id)
                continue;
            for (int middle = 1; middle < token.Length; middle++)
            {
                if (vocabulary.TryGetId(token.AsSpan(0, middle), out int left) && vocabulary.TryGetId(token.AsSpan(middle), out int right)
                    && isText(left) && isText(right))
                {
                    found.Add((left, right, id));
                }
            }
        }
        var merges = new MergeTable(found.Count);
        foreach ((int left, int right, int merged) in found)
            merges.Add(left, right, ranks[merged], merged);
        return merges;
    }

    // Equal scores get equal ranks, so that position decides between them.
    private static int[] Ranks(IReadOnlyList<float> scores)
    {
        var order = new int[scores.Count];
        var keys = new float[scores.Count];
        for (int i = 0; i < order.Length; i++)
        {
            order[i] = i;
            keys[i] = float.IsNaN(scores[i]) ? float.PositiveInfinity : -scores[i];
        }
        Array.Sort(keys, order);
        var ranks = new int[order.Length];
        for (int i = 1; i < order.Length; i++)
            ranks[order[i]] = ranks[order[i - 1]] + (keys[i] == keys[i - 1] ? 0 : 1);
        return ranks;
    }
}
