using System;

namespace Quire.Tokenization;

/// <summary>A text of which some characters are never part of a control token, because they came from outside.</summary>
/// <param name="Text">The text.</param>
/// <param name="Literals">Positions of these characters, ascending: a control token whose spelling has one of them is read as ordinary characters.</param>
public sealed record GuardedText(string Text, ReadOnlyMemory<int> Literals)
{
    /// <summary>A text that was made here, so that everything in it means what it says.</summary>
    public static implicit operator GuardedText(string text) => new(text, default);

    /// <summary>The first characters of it.</summary>
    public GuardedText Start(int length)
    {
        int kept = 0;
        while (kept < Literals.Length && Literals.Span[kept] < length)
            kept++;
        return new GuardedText(Text[..length], Literals[..kept]);
    }
}
