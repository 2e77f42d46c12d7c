// Where a token's row lies in the paged cache: [blocks, kvHeads, blockSize, headDim].
#pragma once
#include "numeric.cuh"

// Cells from the start of the cache to the row of a token in head 0.
__device__ __forceinline__ i64 cache_offset(const int* table, int token, int blockSize, int blockShift, i64 blockStride, int headDim)
{
    const int block = blockShift >= 0 ? token >> blockShift : token / blockSize;
    const int within = blockShift >= 0 ? token & (blockSize - 1) : token - block * blockSize;
    return (i64)table[block] * blockStride + (i64)within * headDim;
}
