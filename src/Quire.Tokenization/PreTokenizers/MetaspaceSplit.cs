using System;

namespace Quire.Tokenization.PreTokenizers;

/// <summary>When <see cref="MetaspaceSplit"/> puts its mark before a piece.</summary>
internal enum PrependScheme
{
    Never,
    First,
    Always,
}

/// <summary><c>Metaspace</c>: spaces become a visible mark (▁), one is put in front, and words are cut before each mark.</summary>
internal sealed class MetaspaceSplit : PreTokenizer
{
    private readonly char _replacement;
    private readonly PrependScheme _prepend;
    private readonly bool _split;

    public MetaspaceSplit(char replacement, PrependScheme prepend, bool split)
    {
        _replacement = replacement;
        _prepend = prepend;
        _split = split;
    }

    /// <inheritdoc/>
    public override void Split(ReadOnlySpan<char> text, bool atStart, PieceSink sink)
    {
        string marked = text.ToString().Replace(' ', _replacement);
        bool prepends = _prepend == PrependScheme.Always || (_prepend == PrependScheme.First && atStart);
        if (prepends && marked[0] != _replacement)
            marked = _replacement + marked;
        if (!_split)
        {
            sink.Take(marked, atStart);
            return;
        }
        int start = 0;
        while (start < marked.Length)
        {
            int next = marked.IndexOf(_replacement, start + 1);
            int end = next < 0 ? marked.Length : next;
            sink.Take(marked.AsSpan(start, end - start), atStart && start == 0);
            start = end;
        }
    }
}
