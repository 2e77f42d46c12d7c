using System;
using System.Numerics;
using System.Runtime.CompilerServices;

namespace Quire.Tokenization.Engines;

/// <summary>
/// The merges of a byte-pair vocabulary: a pair of neighbouring ids → its rank and the id it becomes. An open-addressing table, because
/// this
/// look-up is the inner loop of encoding.
/// </summary>
internal sealed class MergeTable
{
    private const ulong Free = ulong.MaxValue;

    // Pairs of ids below this are looked up in a square: in byte-level vocabularies the bytes have the lowest ids, and pairs of bytes are
    // what every piece begins with.
    private const int SmallIds = 384;

    private readonly Slot[] _slots;
    private readonly int _shift;
    private readonly (int Rank, int Merged)[] _small = new (int Rank, int Merged)[SmallIds * SmallIds];

    public MergeTable(int mergesMax)
    {
        int bits = Math.Max(4, BitOperations.Log2((uint)Math.Max(1, mergesMax)) + 2);
        _slots = new Slot[1 << bits];
        Array.Fill(_slots, new Slot { Pair = Free });
        _shift = 64 - bits;
        Array.Fill(_small, (int.MaxValue, 0));
    }

    /// <summary>Adds a merge. A pair that is listed twice keeps the later rank, as in the reference.</summary>
    public void Add(int left, int right, int rank, int merged)
    {
        if ((uint)left < SmallIds && (uint)right < SmallIds)
            _small[left * SmallIds + right] = (rank, merged);
        ulong pair = Pack(left, right);
        int index = Start(pair);
        while (_slots[index].Pair != Free && _slots[index].Pair != pair)
            index = (index + 1) & (_slots.Length - 1);
        _slots[index] = new Slot { Pair = pair, Rank = rank, Merged = merged };
    }

    /// <summary>Finds the rank of a pair (lower merges first) and the id it merges into.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public bool TryGet(int left, int right, out int rank, out int merged)
    {
        if ((uint)left < SmallIds && (uint)right < SmallIds)
        {
            (rank, merged) = _small[left * SmallIds + right];
            return rank != int.MaxValue;
        }
        ulong pair = Pack(left, right);
        Slot[] slots = _slots;
        int index = Start(pair);
        while (true)
        {
            ref Slot slot = ref slots[index];
            if (slot.Pair == pair)
            {
                rank = slot.Rank;
                merged = slot.Merged;
                return true;
            }
            if (slot.Pair == Free)
            {
                rank = int.MaxValue;
                merged = 0;
                return false;
            }
            index = (index + 1) & (slots.Length - 1);
        }
    }

    private static ulong Pack(int left, int right) => ((ulong)(uint)left << 32) | (uint)right;

    private int Start(ulong pair) => (int)((pair * 0x9E3779B97F4A7C15UL) >> _shift);

    private struct Slot
    {
        public ulong Pair;
        public int Rank;
        public int Merged;
    }
}
