using System;
using System.Buffers;

namespace Quire.Tokenization.Engines;

/// <summary>
/// The merge loop of byte-pair encoding (Sennrich et al. 2016): while any neighbouring pair has a merge, merge the pair of the lowest rank,
/// leftmost first.
/// </summary>
/// <remarks>
/// Our own loop and not Microsoft.ML.Tokenizers' BpeTokenizer: that one has no <c>ignore_merges</c>, no byte fallback and no way to give it
/// merges whose parts contain blanks, and its pre-tokenizers are .NET regular expressions over UTF-16 units, so Llama-2, Llama-3, Gemma and
/// Mistral vocabularies do not come out exact.
/// </remarks>
internal static class BytePairMerger
{
    // Up to here looking at every pair again after each merge costs less than keeping a heap.
    private const int ShortMax = 48;

    /// <summary>Merges <paramref name="symbols"/> in place; returns how many are left, at the front.</summary>
    public static int Merge(MergeTable merges, Span<int> symbols)
    {
        if (symbols.Length < 2)
            return symbols.Length;
        return symbols.Length <= ShortMax ? MergeShort(merges, symbols) : MergeLong(merges, symbols);
    }

    private static int MergeShort(MergeTable merges, Span<int> symbols)
    {
        // ranks[i] and merged[i] belong to the pair (i, i + 1).
        Span<int> ranks = stackalloc int[ShortMax];
        Span<int> merged = stackalloc int[ShortMax];
        int count = symbols.Length;
        for (int i = 0; i + 1 < count; i++)
            merges.TryGet(symbols[i], symbols[i + 1], out ranks[i], out merged[i]);
        while (count > 1)
        {
            int best = 0;
            for (int i = 1; i < count - 1; i++)
            {
                if (ranks[i] < ranks[best])
                    best = i;
            }
            if (ranks[best] == int.MaxValue)
                break;
            symbols[best] = merged[best];
            int tail = count - best - 2;
            symbols.Slice(best + 2, tail).CopyTo(symbols[(best + 1)..]);
            ranks.Slice(best + 1, tail).CopyTo(ranks[best..]);
            merged.Slice(best + 1, tail).CopyTo(merged[best..]);
            count--;
            if (best > 0)
                merges.TryGet(symbols[best - 1], symbols[best], out ranks[best - 1], out merged[best - 1]);
            if (best + 1 < count)
                merges.TryGet(symbols[best], symbols[best + 1], out ranks[best], out merged[best]);
        }
        return count;
    }

    // A linked list of symbols and a heap of candidate pairs: O(n log n) however long the piece is.
    private static int MergeLong(MergeTable merges, Span<int> symbols)
    {
        int count = symbols.Length;
        int[] next = ArrayPool<int>.Shared.Rent(count);
        int[] previous = ArrayPool<int>.Shared.Rent(count);
        var heap = new CandidateHeap(count);
        try
        {
            for (int i = 0; i < count; i++)
            {
                next[i] = i + 1;
                previous[i] = i - 1;
                if (i + 1 < count && merges.TryGet(symbols[i], symbols[i + 1], out int rank, out _))
                    heap.Push(rank, i);
            }
            while (heap.TryPop(out int candidateRank, out int left))
            {
                // A candidate is stale when its pair has changed since, which its rank tells; another pair of the same rank is as good.
                int right = next[left];
                if (symbols[left] == Gone || right >= count
                    || !merges.TryGet(symbols[left], symbols[right], out int rank, out int merged) || rank != candidateRank)
                    continue;
                symbols[left] = merged;
                symbols[right] = Gone;
                int after = next[left] = next[right];
                if (after < count)
                {
                    previous[after] = left;
                    if (merges.TryGet(merged, symbols[after], out int rankAfter, out _))
                        heap.Push(rankAfter, left);
                }
                int before = previous[left];
                if (before >= 0 && merges.TryGet(symbols[before], merged, out int rankBefore, out _))
                    heap.Push(rankBefore, before);
            }
        }
        finally
        {
            heap.Return();
            ArrayPool<int>.Shared.Return(next);
            ArrayPool<int>.Shared.Return(previous);
        }
        int kept = 0;
        foreach (int symbol in symbols)
        {
            if (symbol != Gone)
                symbols[kept++] = symbol;
        }
        return kept;
    }

    private const int Gone = -1;

    /// <summary>A binary heap of (rank, position) packed in one integer, the smallest on top.</summary>
    private struct CandidateHeap
    {
        private ulong[] _items;
        private int _count;

        public CandidateHeap(int capacity) => _items = ArrayPool<ulong>.Shared.Rent(Math.Max(16, capacity));

        public void Push(int rank, int position)
        {
            if (_count == _items.Length)
                Grow();
            ulong item = ((ulong)(uint)rank << 32) | (uint)position;
            int index = _count++;
            while (index > 0)
            {
                int parent = (index - 1) >> 1;
                if (_items[parent] <= item)
                    break;
                _items[index] = _items[parent];
                index = parent;
            }
            _items[index] = item;
        }

        public bool TryPop(out int rank, out int position)
        {
            if (_count == 0)
            {
                rank = position = 0;
                return false;
            }
            ulong top = _items[0];
            ulong last = _items[--_count];
            int index = 0;
            while (true)
            {
                int child = (2 * index) + 1;
                if (child >= _count)
                    break;
                if (child + 1 < _count && _items[child + 1] < _items[child])
                    child++;
                if (last <= _items[child])
                    break;
                _items[index] = _items[child];
                index = child;
            }
            _items[index] = last;
            rank = (int)(top >> 32);
            position = (int)(uint)top;
            return true;
        }

        public void Return() => ArrayPool<ulong>.Shared.Return(_items);

        private void Grow()
        {
            ulong[] larger = ArrayPool<ulong>.Shared.Rent(checked(_items.Length * 2));
            _items.AsSpan(0, _count).CopyTo(larger);
            ArrayPool<ulong>.Shared.Return(_items);
            _items = larger;
        }
    }
}
