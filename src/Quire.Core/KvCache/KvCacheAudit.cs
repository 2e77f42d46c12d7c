using System;
using System.Collections.Generic;
using Quire.Core.Foundation;
using Quire.Core.Requests;

namespace Quire.Core.KvCache;

/// <summary>Recounts the cache from scratch and compares. Slow on purpose; tests and simulations run it after every step.</summary>
internal static class KvCacheAudit
{
    /// <param name="cache">The cache.</param>
    /// <param name="holders">Every request that may hold blocks.</param>
    /// <exception cref="InvariantException">A count does not agree.</exception>
    public static void Check(KvCacheManager cache, IEnumerable<RequestState> holders)
    {
        KvGeometry geometry = cache.Geometry;
        int[] references = new int[geometry.BlockCount];
        references[0] = 1;
        int[] seenIn = new int[geometry.BlockCount];
        int table = 0;
        foreach (RequestState request in holders)
            CountTable(cache, request, references, seenIn, ++table);

        bool[] free = new bool[geometry.BlockCount];
        foreach (int block in cache.Pool.FreeQueue())
        {
            Invariant.Check(!free[block], "a block stands twice in the free queue");
            free[block] = true;
        }

        int registered = 0;
        for (int block = 0; block < geometry.BlockCount; block++)
        {
            Invariant.Check(cache.Pool.References(block) == references[block], "a block has the wrong number of holders");
            Invariant.Check(free[block] == (references[block] == 0), "a block is in the free queue exactly when nobody holds it");
            if (cache.Index is null || !cache.Index.IsRegistered(block))
                continue;
            registered++;
            Invariant.Check(block != 0, "the null block is never cached");
            Invariant.Check(cache.Index.Find(cache.Index.HashOf(block), out int first), "the hash of a registered block is not found");
            Invariant.Check(cache.Index.HashOf(first) == cache.Index.HashOf(block), "the index found a block of another hash");
        }

        Invariant.Check(cache.Index is null || cache.Index.Count == registered, "the number of registered blocks is wrong");
    }

    private static void CountTable(KvCacheManager cache, RequestState request, int[] references, int[] seenIn, int table)
    {
        ReadOnlySpan<int> blocks = request.BlockTable;
        Invariant.Check(request.Status == RequestStatus.Running || blocks.Length == 0, "only running requests hold blocks");
        Invariant.Check(blocks.Length >= cache.Geometry.BlocksFor(request.ComputedTokens), "computed tokens have no block");
        int skipped = request.Table.SkippedCount;
        int certain = request.ComputedTokens - request.UnknownTokens;
        Invariant.Check(cache.Window is not null || skipped == 0, "a block of full attention was given up");
        Invariant.Check(cache.Window is not { } window || skipped <= Math.Max(0, window.BlocksBehind(certain, cache.Geometry.BlockSize)), "a block of the window was given up");
        for (int i = 0; i < skipped; i++)
            Invariant.Check(blocks[i] == 0, "a skipped entry is the null block");
        for (int i = skipped; i < blocks.Length; i++)
        {
            int block = blocks[i];
            Invariant.Check(block > 0 && block < cache.Geometry.BlockCount, "a table names a block that does not exist");
            Invariant.Check(seenIn[block] != table, "a block stands twice in one table");
            seenIn[block] = table;
            references[block]++;
            bool shouldBeRegistered = i < request.Table.RegisteredCount;
            Invariant.Check(cache.Index is not null || !shouldBeRegistered, "nothing is registered without prefix caching");
            if (shouldBeRegistered)
            {
                Invariant.Check(cache.Index!.IsRegistered(block), "a registered block lost its hash while it was held");
                Invariant.Check(cache.Index.HashOf(block) == request.Table.Hash(i), "a held block carries the hash of other tokens");
            }
        }
    }
}
