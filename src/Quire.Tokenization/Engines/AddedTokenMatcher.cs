using System;
using System.Buffers;
using System.Collections.Generic;
using System.Text;
using Quire.Tokenization.PreTokenizers;

namespace Quire.Tokenization.Engines;

/// <summary>A place in the text where an added token stands, with the white space that the token takes.</summary>
internal readonly record struct AddedTokenMatch(int Start, int End, AddedToken Token);

/// <summary>Finds added tokens in text: leftmost first, the longest of those that begin at the same place.</summary>
internal sealed class AddedTokenMatcher
{
    private readonly SearchValues<char> _firstCharacters;

    // A trie. Children by (node << 16 | character); the token that ends at a node.
    private readonly Dictionary<long, int> _children = [];
    private readonly List<AddedToken?> _tokenAt = [null];

    /// <param name="tokens">The tokens with the text that is looked for (the normalized one where that differs), none empty.</param>
    public AddedTokenMatcher(IReadOnlyList<(string Text, AddedToken Token)> tokens)
    {
        var first = new HashSet<char>();
        foreach ((string text, AddedToken token) in tokens)
        {
            first.Add(text[0]);
            int node = 0;
            foreach (char character in text)
            {
                long key = ((long)node << 16) | character;
                if (!_children.TryGetValue(key, out node))
                {
                    node = _tokenAt.Count;
                    _children.Add(key, node);
                    _tokenAt.Add(null);
                }
            }
            _tokenAt[node] = token;
        }
        _firstCharacters = SearchValues.Create([.. first]);
        IsEmpty = tokens.Count == 0;
    }

    public bool IsEmpty { get; }

    /// <summary>
    /// Finds the next token at or after <paramref name="scan"/> and moves <paramref name="scan"/> behind it. A match that is turned down
    /// (part of a word, or special while those are not wanted) still uses up its characters, as in the reference.
    /// </summary>
    /// <param name="text">The whole text.</param>
    /// <param name="scan">Where to look from.</param>
    /// <param name="taken">What is before this already belongs to an earlier token.</param>
    /// <param name="matchSpecial">Whether special tokens match.</param>
    /// <param name="literals">Positions of characters that are part of no special token, ascending.</param>
    /// <param name="match">The match.</param>
    public bool TryFind(ReadOnlySpan<char> text, ref int scan, int taken, bool matchSpecial, ReadOnlySpan<int> literals, out AddedTokenMatch match)
    {
        while (scan < text.Length)
        {
            int offset = text[scan..].IndexOfAny(_firstCharacters);
            if (offset < 0)
                break;
            int start = scan + offset;
            if (!TryWalk(text, start, out int end, out AddedToken? token))
            {
                scan = start + 1;
                continue;
            }
            if (token!.Special && HasAny(literals, start, end))
            {
                // The reference has no such thing; a token of the template may begin inside.
                scan = start + 1;
                continue;
            }
            scan = end;
            if ((token.Special && !matchSpecial) || (token.SingleWord && !StandsAlone(text, start, end)))
                continue;
            if (token.StripLeft)
                start = Math.Max(taken, text[..start].TrimEnd().Length);
            if (token.StripRight)
                end = text.Length - text[end..].TrimStart().Length;
            match = new AddedTokenMatch(start, end, token);
            return true;
        }
        scan = text.Length;
        match = default;
        return false;
    }

    /// <summary>Whether one of these ascending positions is in a range.</summary>
    public static bool HasAny(ReadOnlySpan<int> literals, int start, int end)
    {
        if (literals.IsEmpty)
            return false;
        int index = literals.BinarySearch(start);
        if (index < 0)
            index = ~index;
        return index < literals.Length && literals[index] < end;
    }

    private bool TryWalk(ReadOnlySpan<char> text, int start, out int end, out AddedToken? token)
    {
        token = null;
        end = start;
        int node = 0;
        for (int i = start; i < text.Length && _children.TryGetValue(((long)node << 16) | text[i], out node); i++)
        {
            if (_tokenAt[node] is { } found)
            {
                token = found;
                end = i + 1;
            }
        }
        return token is not null;
    }

    private static bool StandsAlone(ReadOnlySpan<char> text, int start, int end)
    {
        bool hasBefore = Rune.DecodeLastFromUtf16(text[..start], out Rune before, out _) == OperationStatus.Done;
        bool hasAfter = Rune.DecodeFromUtf16(text[end..], out Rune after, out _) == OperationStatus.Done;
        return !(hasBefore && RuneFinder.IsWord(before)) && !(hasAfter && RuneFinder.IsWord(after));
    }
}
