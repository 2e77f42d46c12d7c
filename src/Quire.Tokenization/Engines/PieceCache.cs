using System;
using System.Collections.Generic;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Threading;

namespace Quire.Tokenization.Engines;

/// <summary>
/// Remembers the ids of pieces (words) already encoded. A fixed number of slots, each holding the last piece that fell into it, so its size
/// is bounded whatever it is fed. Any number of threads may use it: a slot has a version that is odd while one of them writes it, and a
/// reader that sees it change has found nothing.
/// </summary>
/// <remarks>
/// A slot is one run of 64 bytes, piece and ids included: following references to a text and to a list of ids costs more than encoding
/// saves, because few of them stay in the processor's cache.
/// </remarks>
internal sealed class PieceCache
{
    private const int SlotBits = 16;
    private const int CharactersMax = 20;
    private const int IdsMax = 4;

    private readonly PieceHash _hash = new();
    private readonly Slot[] _slots = new Slot[1 << SlotBits];

    /// <summary>Appends the ids of <paramref name="piece"/> if they are known.</summary>
    /// <param name="piece">The piece.</param>
    /// <param name="destination">Where the ids go.</param>
    /// <param name="place">What <see cref="Remember"/> wants to know.</param>
    public bool TryAppend(ReadOnlySpan<char> piece, List<int> destination, out int place)
    {
        if (piece.Length > CharactersMax)
        {
            place = -1;
            return false;
        }
        place = (int)(_hash.Of(piece) >> (64 - SlotBits));
        ref Slot slot = ref _slots[place];
        int version = Volatile.Read(ref slot.Version);
        if (slot.Characters != piece.Length || (version & 1) != 0 || !piece.SequenceEqual(((ReadOnlySpan<char>)slot.Text)[..piece.Length]))
            return false;
        int count = slot.Count;
        Ids ids = slot.Ids;
        Volatile.ReadBarrier();
        if (Volatile.Read(ref slot.Version) != version || (uint)count > IdsMax)
            return false;
        for (int i = 0; i < count; i++)
            destination.Add(ids[i]);
        return true;
    }

    /// <summary>
    /// Remembers that <paramref name="piece"/> encodes to the ids in <paramref name="destination"/> from <paramref name="start"/> on.
    /// </summary>
    public void Remember(ReadOnlySpan<char> piece, int place, List<int> destination, int start)
    {
        ReadOnlySpan<int> ids = CollectionsMarshal.AsSpan(destination)[start..];
        if (place < 0 || ids.Length > IdsMax)
            return;
        ref Slot slot = ref _slots[place];
        int version = slot.Version;
        if ((version & 1) != 0 || Interlocked.CompareExchange(ref slot.Version, version + 1, version) != version)
            return;
        slot.Characters = (short)piece.Length;
        slot.Count = (short)ids.Length;
        piece.CopyTo(slot.Text);
        ids.CopyTo(slot.Ids);
        Volatile.Write(ref slot.Version, version + 2);
    }

    private struct Slot
    {
        public int Version;
        public short Characters;
        public short Count;
        public Ids Ids;
        public Text Text;
    }

    [InlineArray(CharactersMax)]
    private struct Text
    {
        private char _first;
    }

    [InlineArray(IdsMax)]
    private struct Ids
    {
        private int _first;
    }
}
