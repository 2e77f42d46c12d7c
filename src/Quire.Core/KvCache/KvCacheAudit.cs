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
        int[] groupOf = new int[geometry.BlockCount];
        Array.Fill(groupOf, -1);
        int place = 0;
        foreach (RequestState request in holders)
        {
            Invariant.Check(request.Blocks.Tables.Length == cache.Windows.Length, "a request has a table in each group");
            Invariant.Check(request.Status == RequestStatus.Running || request.BlockTable(0).IsEmpty, "only running requests hold blocks");
            ++place;
            for (int group = 0; group < cache.Windows.Length; group++)
                CountTable(cache, request, group, references, groupOf, seenIn, place);
        }

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
            Invariant.Check(cache.Index.Find(cache.Index.HashOf(block), cache.Index.GroupOf(block), out int first), "the hash of a registered block is not found");
            Invariant.Check(cache.Index.HashOf(first) == cache.Index.HashOf(block), "the index found a block of another hash");
            Invariant.Check(cache.Index.GroupOf(first) == cache.Index.GroupOf(block), "the index found a block of another group");
            Invariant.Check(groupOf[block] < 0 || groupOf[block] == cache.Index.GroupOf(block), "a block is registered for another group than its holder's");
        }

        Invariant.Check(cache.Index is null || cache.Index.Count == registered, "the number of registered blocks is wrong");
    }

    private static void CountTable(
        KvCacheManager cache, RequestState request, int group, int[] references, int[] groupOf, int[] seenIn, int place)
    {
        BlockTable table = request.Blocks.Tables[group];
        ReadOnlySpan<int> blocks = table.Blocks;
        SlidingWindow? slides = cache.Windows[group];
        Invariant.Check(blocks.Length == request.Blocks.Count, "the tables of a request are of different lengths");
        Invariant.Check(blocks.Length >= cache.Geometry.BlocksFor(request.ComputedTokens), "computed tokens have no block");
        int skipped = table.SkippedCount;
        int certain = request.ComputedTokens - request.UnknownTokens;
        Invariant.Check(slides is not null || skipped == 0, "a block of full attention was given up");
        Invariant.Check(slides is not { } window || skipped <= Math.Max(0, window.BlocksBehind(certain, cache.Geometry.BlockSize)), "a block of the window was given up");
        for (int i = 0; i < skipped; i++)
            Invariant.Check(blocks[i] == 0, "a skipped entry is the null block");
        for (int i = skipped; i < blocks.Length; i++)
        {
            int block = blocks[i];
            Invariant.Check(block > 0 && block < cache.Geometry.BlockCount, "a table names a block that does not exist");
            Invariant.Check(seenIn[block] != place, "a block stands twice in the tables of a request");
            Invariant.Check(groupOf[block] < 0 || groupOf[block] == group, "a block is held by two groups of layers");
            seenIn[block] = place;
            groupOf[block] = group;
            references[block]++;
            bool shouldBeRegistered = i < request.Blocks.RegisteredCount;
            Invariant.Check(cache.Index is not null || !shouldBeRegistered, "nothing is registered without prefix caching");
            if (shouldBeRegistered)
            {
                Invariant.Check(cache.Index!.IsRegistered(block), "a registered block lost its hash while it was held");
                Invariant.Check(cache.Index.HashOf(block) == request.Blocks.Hashes[i], "a held block carries the hash of other tokens");
            }
        }
    }
}
