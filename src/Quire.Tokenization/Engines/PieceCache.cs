using System;
using System.Collections.Generic;
using System.Runtime.InteropServices;

namespace Quire.Tokenization.Engines;

/// <summary>
/// Remembers the ids of pieces (words) already encoded. A fixed number of slots, each holding the last piece that fell into it, so its size
/// is
/// bounded whatever it is fed; entries are immutable and replaced whole, so any number of threads may use it without a lock.
/// </summary>
internal sealed class PieceCache
{
    private const int SlotBits = 15;
    private const int PieceLengthMax = 64;

    private readonly Entry?[] _slots = new Entry?[1 << SlotBits];

    /// <summary>Appends the ids of <paramref name="piece"/> if they are known.</summary>
    public bool TryAppend(ReadOnlySpan<char> piece, List<int> destination)
    {
        if (piece.Length > PieceLengthMax)
            return false;
        Entry? entry = _slots[SlotOf(piece)];
        if (entry is null || !piece.SequenceEqual(entry.Piece))
            return false;
        int[] ids = entry.Ids;
        if (ids.Length == 1)
            destination.Add(ids[0]);
        else
            destination.AddRange(ids.AsSpan());
        return true;
    }

    /// <summary>
    /// Remembers that <paramref name="piece"/> encodes to the ids in <paramref name="destination"/> from <paramref name="start"/> on.
    /// </summary>
    public void Remember(ReadOnlySpan<char> piece, List<int> destination, int start)
    {
        if (piece.Length <= PieceLengthMax)
            _slots[SlotOf(piece)] = new Entry(piece.ToString(), CollectionsMarshal.AsSpan(destination)[start..].ToArray());
    }

    // The randomised string hash: texts cannot be built to fall into one slot.
    private static int SlotOf(ReadOnlySpan<char> piece) => string.GetHashCode(piece) & ((1 << SlotBits) - 1);

    private sealed record Entry(string Piece, int[] Ids);
}
