using System;
using System.Numerics;

namespace Quire.Engine.Sampling;

/// <summary>
/// How often each token stands in the output, and which tokens the penalties touch at all: an open-addressing table whose entries lie
/// densely, so that a pass over them costs as much as there are different tokens.
/// </summary>
internal sealed class TokenCounts
{
    private int[] _tokenIds;
    private int[] _counts;
    private int[] _slots;

    public TokenCounts(int expectedTokens)
    {
        int capacity = Math.Max(16, expectedTokens);
        _tokenIds = new int[capacity];
        _counts = new int[capacity];
        _slots = new int[SlotCount(capacity)];
    }

    /// <summary>Different tokens.</summary>
    public int Count { get; private set; }

    public ReadOnlySpan<int> TokenIds => _tokenIds.AsSpan(0, Count);

    /// <summary>Beside <see cref="TokenIds"/>: occurrences in the output, 0 for tokens of the prompt alone.</summary>
    public ReadOnlySpan<int> OutputCounts => _counts.AsSpan(0, Count);

    public void AddPromptToken(int tokenId) => EntryOf(tokenId);

    public void AddOutputToken(int tokenId)
    {
        // Looking the entry up may replace the arrays.
        int entry = EntryOf(tokenId);
        _counts[entry]++;
    }

    /// <summary>The same counts with room for so many different tokens.</summary>
    public TokenCounts Copy(int expectedTokens)
    {
        var copy = new TokenCounts(Math.Max(expectedTokens, Count));
        for (int entry = 0; entry < Count; entry++)
            copy._counts[copy.EntryOf(_tokenIds[entry])] = _counts[entry];
        return copy;
    }

    private static int SlotCount(int capacity) => (int)BitOperations.RoundUpToPowerOf2((uint)capacity * 2);

    private int EntryOf(int tokenId)
    {
        int mask = _slots.Length - 1;
        int slot = Hash(tokenId) & mask;
        while (_slots[slot] != 0)
        {
            int entry = _slots[slot] - 1;
            if (_tokenIds[entry] == tokenId)
                return entry;
            slot = (slot + 1) & mask;
        }

        if (Count == _tokenIds.Length)
        {
            Grow();
            return EntryOf(tokenId);
        }

        _tokenIds[Count] = tokenId;
        _counts[Count] = 0;
        _slots[slot] = Count + 1;
        return Count++;
    }

    private void Grow()
    {
        int capacity = _tokenIds.Length * 2;
        Array.Resize(ref _tokenIds, capacity);
        Array.Resize(ref _counts, capacity);
        _slots = new int[SlotCount(capacity)];
        int mask = _slots.Length - 1;
        for (int entry = 0; entry < Count; entry++)
        {
            int slot = Hash(_tokenIds[entry]) & mask;
            while (_slots[slot] != 0)
                slot = (slot + 1) & mask;
            _slots[slot] = entry + 1;
        }
    }

    private static int Hash(int tokenId)
    {
        uint mixed = (uint)tokenId * 0x9E3779B1u;
        return (int)(mixed ^ (mixed >> 15));
    }
}
