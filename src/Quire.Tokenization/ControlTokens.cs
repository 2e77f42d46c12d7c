using System;
using System.Buffers;
using System.Collections.Generic;
using Quire.Tokenization.Chat;

namespace Quire.Tokenization;

/// <summary>
/// The control tokens of a tokenizer by their spelling, and where a text from outside spells one or begins one.
/// </summary>
public sealed class ControlTokens
{
    // A trie: children by (node << 16 | character), and whether a token ends at a node.
    private readonly Dictionary<long, int> _children = [];
    private readonly List<bool> _isToken = [false];
    private readonly SearchValues<char> _first;

    internal ControlTokens(IEnumerable<string> spellings)
    {
        var first = new SortedSet<char>();
        foreach (string spelling in spellings)
        {
            first.Add(spelling[0]);
            int node = 0;
            foreach (char character in spelling)
            {
                long key = ((long)node << 16) | character;
                if (!_children.TryGetValue(key, out node))
                {
                    node = _isToken.Count;
                    _children.Add(key, node);
                    _isToken.Add(false);
                }
            }

            _isToken[node] = true;
        }

        FirstCharacters = [.. first];
        _first = SearchValues.Create(FirstCharacters);
    }

    /// <summary>No control tokens: nothing is guarded.</summary>
    public static ControlTokens None { get; } = new([]);

    /// <summary>The characters that control tokens begin with.</summary>
    internal char[] FirstCharacters { get; }

    /// <summary>
    /// The next place, at <paramref name="start"/> or behind it, where a control token is spelled, or begins and might be completed by what follows the text;
    /// negative when there is none. Only that character needs to be guarded: every spelling that the text can become part of has it.
    /// </summary>
    /// <param name="text">The text.</param>
    /// <param name="start">Where to look from.</param>
    /// <param name="end">What <see cref="EndOf"/> says of the text.</param>
    internal int Find(ReadOnlySpan<char> text, int start, int end)
    {
        while (start < text.Length)
        {
            int offset = text[start..].IndexOfAny(_first);
            if (offset < 0)
                return -1;
            start += offset;
            if (Begins(text[start..], end - start))
                return start;
            start++;
        }

        return -1;
    }

    /// <summary>
    /// Where a text ends when a template has trimmed it; null for a text of letters and digits alone, which is left as it is: templates compare roles and
    /// types with words.
    /// </summary>
    internal static int? EndOf(string text)
    {
        if (IsWord(text))
            return null;
        int end = text.Length;
        while (end > 0 && PythonText.IsSpace(text[end - 1]))
            end--;
        return end;
    }

    /// <summary>Whether a token stands at the start of a text, or begins there and reaches the end, or the white space at the end, which templates trim.</summary>
    private bool Begins(ReadOnlySpan<char> text, int end)
    {
        int node = 0;
        for (int i = 0; i < text.Length; i++)
        {
            if (!_children.TryGetValue(((long)node << 16) | text[i], out node))
                return i >= end && !IsWord(text[..i]);
            if (_isToken[node])
                return true;
        }

        return !IsWord(text);
    }

    private static bool IsWord(ReadOnlySpan<char> text)
    {
        foreach (char character in text)
        {
            if (!char.IsLetterOrDigit(character))
                return false;
        }

        return true;
    }
}
