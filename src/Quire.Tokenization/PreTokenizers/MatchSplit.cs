using System;
using System.Collections.Generic;

namespace Quire.Tokenization.PreTokenizers;

/// <summary>What happens to the matches of a <c>Split</c> pattern.</summary>
internal enum SplitBehavior
{
    Removed,
    Isolated,
    MergedWithPrevious,
    MergedWithNext,
    Contiguous,
}

/// <summary>Finds the matches of a pattern: non-overlapping, in order.</summary>
internal interface IMatchFinder
{
    /// <summary>Appends start and end of every match.</summary>
    void Find(ReadOnlySpan<char> text, List<(int Start, int End)> matches);
}

/// <summary><c>Split</c> with any pattern and behaviour; also <c>Digits</c>, <c>Punctuation</c> and the white-space splits.</summary>
internal sealed class MatchSplit : PreTokenizer
{
    private readonly IMatchFinder _finder;
    private readonly SplitBehavior _behavior;
    private readonly bool _invert;

    public MatchSplit(IMatchFinder finder, SplitBehavior behavior, bool invert)
    {
        _finder = finder;
        _behavior = behavior;
        _invert = invert;
    }

    /// <inheritdoc/>
    public override void Split(ReadOnlySpan<char> text, bool atStart, PieceSink sink)
    {
        List<(int Start, int End, bool IsMatch)> parts = Partition(text);
        int pendingStart = -1;
        for (int i = 0; i < parts.Count; i++)
        {
            (int start, int end, bool isMatch) = parts[i];
            bool more = i + 1 < parts.Count;
            // A part that joins the next one is kept open by remembering where it began.
            bool joinsNext = more && _behavior switch
            {
                SplitBehavior.MergedWithPrevious => !isMatch && parts[i + 1].IsMatch,
                SplitBehavior.MergedWithNext => isMatch && !parts[i + 1].IsMatch,
                SplitBehavior.Contiguous => isMatch == parts[i + 1].IsMatch,
                _ => false,
            };
            if (pendingStart < 0)
                pendingStart = start;
            if (joinsNext)
                continue;
            if (!(isMatch && _behavior == SplitBehavior.Removed))
                sink.Take(text[pendingStart..end], atStart && pendingStart == 0);
            pendingStart = -1;
        }
    }

    // The text as matches and the gaps between them.
    private List<(int Start, int End, bool IsMatch)> Partition(ReadOnlySpan<char> text)
    {
        var matches = new List<(int Start, int End)>();
        _finder.Find(text, matches);
        var parts = new List<(int Start, int End, bool IsMatch)>((2 * matches.Count) + 1);
        int position = 0;
        foreach ((int start, int end) in matches)
        {
            if (start > position)
                parts.Add((position, start, _invert));
            if (end > start)
                parts.Add((start, end, !_invert));
            position = Math.Max(position, end);
        }
        if (position < text.Length)
            parts.Add((position, text.Length, _invert));
        return parts;
    }
}
