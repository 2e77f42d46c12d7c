// How the blocks of a prefill kernel share out the queries of a mixed batch.
#pragma once
#include "numeric.cuh"

// Which tile of which sequence a block takes: a scan over the sequences by one warp. Sequences with fewer queries than minQueries have no
// tiles. found: the sequence and the number of its tile; untouched where there are fewer tiles than wanted.
__device__ __forceinline__ void find_tile(const int* queryStarts, int sequences, int minQueries, int queriesPerTile, int wanted, int* found)
{
    const int lane = threadIdx.x % WarpSize;
    int before = 0;
    for (int base = 0; base < sequences; base += WarpSize)
    {
        const int sequence = base + lane;
        int count = 0;
        if (sequence < sequences)
        {
            const int queries = queryStarts[sequence + 1] - queryStarts[sequence];
            count = queries >= minQueries ? (queries + queriesPerTile - 1) / queriesPerTile : 0;
        }

        int inclusive = count;
#pragma unroll
        for (int offset = 1; offset < WarpSize; offset *= 2)
        {
            const int other = __shfl_up_sync(FullMask, inclusive, offset);
            inclusive += lane >= offset ? other : 0;
        }

        const int exclusive = before + inclusive - count;
        if (wanted >= exclusive && wanted < exclusive + count)
        {
            found[0] = sequence;
            found[1] = wanted - exclusive;
        }

        before += __shfl_sync(FullMask, inclusive, WarpSize - 1);
        if (before > wanted)
        {
            return;
        }
    }
}
