// Attention of prompt chunks over the paged cache (Dao, FlashAttention-2, arXiv 2307.08691): a block takes 128 queries of one head and walks
// over the keys and values in tiles of 64 tokens, straight from the blocks of the cache, with the softmax kept running. Mixed batches: each
// block finds its sequence among the query starts; sequences with so few queries that the decode kernel takes them have no tiles here.
//
// A quantised cache stays in codes up to the registers, as in attention_decode.cu.
//
// Compile-time: QUIRE_HEAD_DIM (a multiple of 16), QUIRE_CODES.
#include "cache_codes.cuh"
#include "paged_cache.cuh"
#include "prefill_tiles.cuh"
#include "tensor_core.cuh"

#ifndef QUIRE_HEAD_DIM
#define QUIRE_HEAD_DIM 128
#endif

constexpr int HeadDim = QUIRE_HEAD_DIM;
constexpr int Warps = 4;
constexpr int RowTiles = HeadDim <= 128 ? 2 : 1; // of 16 queries each, a warp
constexpr int Queries = Warps * RowTiles * 16;
constexpr int Keys = HeadDim <= 128 ? 64 : 32;
constexpr int Steps = HeadDim / 16;
constexpr int KeyTiles = Keys / 8;
constexpr int OutputTiles = HeadDim / 8;
constexpr int QueryRowBytes = HeadDim * 2 + 16; // an odd number of 16-byte units: no bank conflicts
constexpr int VectorsPerRow = HeadDim * CellBytes / 16;
constexpr int RowBytes = (VectorsPerRow | 1) * 16;
constexpr int QueryBytes = Queries * QueryRowBytes;
constexpr int TileBytes = Keys * RowBytes;
constexpr int TileVectors = Keys * VectorsPerRow;
constexpr int ScaleBytes = ScaledTokens ? Keys * (int)sizeof(float) : 0; // of the keys, or of the values, of a tile
constexpr float ValueRange = 128.0f;                                    // as in attention_decode.cu

struct PrefillArguments
{
    const elem* q;
    const cell* keys;
    const cell* values;
    elem* y;
    const int* queryStarts;
    const int* contextLengths;
    const int* blockTables;
    const float* keyScales; // [blocks, kvHeads, blockSize], signed bytes only
    const float* valueScales;
    i64 blockStride;
    int blockTableStride;
    int blockSize;
    int blockShift; // log2 of the block size, or negative when it is no power of two
    int sequences;
    int group;
    int minQueries; // sequences with fewer queries are the decode kernel's
    int qStride;
    int yStride;
    int slidingWindow;
    float scale;
    float softCap;
    float valueScale; // what the layer's FP8 codes are multiplied with; that of the keys is in scale
};

extern __shared__ __align__(16) u8 shared[];

extern "C" __global__ void __launch_bounds__(Warps* WarpSize) attention_prefill(const __grid_constant__ PrefillArguments a)
{
    allow_next_kernel();
    wait_for_previous_kernel();
    const int warp = threadIdx.x / WarpSize;
    const int lane = threadIdx.x % WarpSize;
    const int g = lane / 4;
    const int t = lane % 4;
    const int head = blockIdx.x;
    const int kvHead = head / a.group;

    __shared__ int found[2];
    if (warp == 0)
    {
        if (lane == 0)
        {
            found[0] = -1;
        }

        __syncwarp();
        find_tile(a.queryStarts, a.sequences, a.minQueries, Queries, gridDim.y - 1 - blockIdx.y, found); // the longest contexts first
    }

    __syncthreads();
    const int sequence = found[0];
    if (sequence < 0)
    {
        return;
    }

    const int firstRow = a.queryStarts[sequence];
    const int queries = a.queryStarts[sequence + 1] - firstRow;
    const int context = a.contextLengths[sequence];
    const int firstQuery = found[1] * Queries;
    const int firstPosition = context - queries + firstQuery; // of this tile's first query
    const int lastPosition = min(context - 1, firstPosition + Queries - 1);
    const int beginKey = a.slidingWindow > 0 ? max(0, firstPosition + 1 - a.slidingWindow) / Keys * Keys : 0;
    const int endKey = lastPosition + 1;

    const u32 queryShared = shared_address(shared);
    const u32 keyShared = queryShared + QueryBytes;
    const u32 valueShared = keyShared + 2 * TileBytes;
    const u32 scaleShared = valueShared + 2 * TileBytes; // of a tile's keys and values, twice
    const int* table = a.blockTables + (i64)sequence * a.blockTableStride;
    const i64 headOffset = (i64)kvHead * a.blockSize * HeadDim;

#if QUIRE_CODES != 0
    // Of 16 elements, 4 t and 4 t + 2 go to 2 t and 2 t + 1, 4 t + 1 and 4 t + 3 to 2 t + 8 and 2 t + 9: the order of unpacked codes.
    for (int group = threadIdx.x; group < Queries * Steps; group += Warps * WarpSize)
    {
        const int row = group / Steps;
        const int step = group % Steps;
        uint4 first = make_uint4(0, 0, 0, 0);
        uint4 second = first;
        if (firstQuery + row < queries)
        {
            const uint4* source = reinterpret_cast<const uint4*>(a.q + (i64)(firstRow + firstQuery + row) * a.qStride + head * HeadDim + step * 16);
            first = source[0];
            second = source[1];
        }

        uint4* target = reinterpret_cast<uint4*>(shared + row * QueryRowBytes + step * 32);
        target[0] = make_uint4(__byte_perm(first.x, first.y, 0x5410), __byte_perm(first.z, first.w, 0x5410),
                               __byte_perm(second.x, second.y, 0x5410), __byte_perm(second.z, second.w, 0x5410));
        target[1] = make_uint4(__byte_perm(first.x, first.y, 0x7632), __byte_perm(first.z, first.w, 0x7632),
                               __byte_perm(second.x, second.y, 0x7632), __byte_perm(second.z, second.w, 0x7632));
    }
#else
    for (int vector = threadIdx.x; vector < Queries * VectorsPerRow; vector += Warps * WarpSize)
    {
        const int row = vector / VectorsPerRow;
        const int column = vector % VectorsPerRow;
        const bool valid = firstQuery + row < queries;
        const elem* source = a.q + (i64)(firstRow + (valid ? firstQuery + row : 0)) * a.qStride + head * HeadDim + column * 8;
        copy_async(queryShared + row * QueryRowBytes + column * 16, source, valid);
    }
#endif

    // The scales of both, with the keys: the weights are multiplied with them before the values are here.
    auto fetch_scales = [&](int stage, int firstKey) {
        if (ScaledTokens && threadIdx.x < 2 * Keys)
        {
            const int token = firstKey + threadIdx.x % Keys;
            const bool valid = token < endKey;
            const i64 stride = a.blockStride / HeadDim;
            const i64 offset = cache_offset(table, valid ? token : 0, a.blockSize, a.blockShift, stride, 1) + kvHead * a.blockSize;
            const float* scales = threadIdx.x < Keys ? a.keyScales : a.valueScales;
            copy_word_async(scaleShared + stage * 2 * ScaleBytes + threadIdx.x * 4, scales + offset, valid);
        }
    };

    auto fetch = [&](const cell* cache, u32 target, int firstKey) {
#pragma unroll
        for (int i = 0; i < (TileVectors + Warps * WarpSize - 1) / (Warps * WarpSize); i++)
        {
            const int vector = i * Warps * WarpSize + threadIdx.x;
            if (TileVectors % (Warps * WarpSize) != 0 && vector >= TileVectors)
            {
                break;
            }

            const int row = vector / VectorsPerRow;
            const int column = vector % VectorsPerRow;
            const int token = firstKey + row;
            const bool valid = token < endKey;
            const int safe = valid ? token : 0;
            const i64 offset = cache_offset(table, safe, a.blockSize, a.blockShift, a.blockStride, HeadDim) + headOffset + column * (16 / CellBytes);
            copy_async(target + row * RowBytes + column * 16, cache + offset, valid);
        }
    };

    float o[RowTiles][OutputTiles][4];
    float maximum[RowTiles][2];
    float sum[RowTiles][2];
#pragma unroll
    for (int m = 0; m < RowTiles; m++)
    {
        maximum[m][0] = maximum[m][1] = NegativeInfinity;
        sum[m][0] = sum[m][1] = 0.0f;
#pragma unroll
        for (int n = 0; n < OutputTiles; n++)
        {
            o[m][n][0] = o[m][n][1] = o[m][n][2] = o[m][n][3] = 0.0f;
        }
    }

    const float log2e = 1.4426950408889634f;
    const float scoreScale = a.softCap > 0.0f ? a.scale : a.scale * log2e;
    const int warpRow = warp * RowTiles * 16;

    fetch(a.keys, keyShared, beginKey);
    fetch_scales(0, beginKey);
    commit_copies(); // queries and the first keys
    fetch(a.values, valueShared, beginKey);
    commit_copies();
    int stage = 0;
    for (int key = beginKey; key < endKey; key += Keys)
    {
        const bool more = key + Keys < endKey;
        if (more)
        {
            fetch(a.keys, keyShared + (stage ^ 1) * TileBytes, key + Keys);
            fetch_scales(stage ^ 1, key + Keys);
        }

        commit_copies();
        wait_for_copies<2>(); // the keys of this tile are here
        __syncthreads();

        float scores[RowTiles][KeyTiles][4];
#pragma unroll
        for (int m = 0; m < RowTiles; m++)
        {
#pragma unroll
            for (int n = 0; n < KeyTiles; n++)
            {
                scores[m][n][0] = scores[m][n][1] = scores[m][n][2] = scores[m][n][3] = 0.0f;
            }
        }

        const u32 keyTile = keyShared + stage * TileBytes;
#pragma unroll
        for (int s = 0; s < Steps; s++)
        {
            u32 q[RowTiles][4];
#pragma unroll
            for (int m = 0; m < RowTiles; m++)
            {
                load_matrices(q[m], queryShared + (warpRow + m * 16 + lane % 16) * QueryRowBytes + (s * 16 + (lane / 16) * 8) * 2);
            }

#if QUIRE_CODES != 0
#pragma unroll
            for (int n = 0; n < KeyTiles; n += 4)
            {
                // 16 elements each of 32 tokens.
                u32 k[4];
                load_matrices(k, keyTile + (n * 8 + lane) * RowBytes + s * 16);
#pragma unroll
                for (int i = 0; i < 4; i++)
                {
                    u32 lower;
                    u32 upper;
                    unpack_codes(k[i], lower, upper);
#pragma unroll
                    for (int m = 0; m < RowTiles; m++)
                    {
                        multiply_add(scores[m][n + i], q[m][0], q[m][1], q[m][2], q[m][3], lower, upper);
                    }
                }
            }
#else
#pragma unroll
            for (int n = 0; n < KeyTiles; n += 2)
            {
                // B = K^T for 16 tokens: (tokens 0-7, k 0-7), (0-7, 8-15), (8-15, 0-7), (8-15, 8-15).
                u32 k[4];
                load_matrices(k, keyTile + (n * 8 + (lane / 16) * 8 + lane % 8) * RowBytes + (s * 16 + ((lane / 8) % 2) * 8) * 2);
#pragma unroll
                for (int m = 0; m < RowTiles; m++)
                {
                    multiply_add(scores[m][n], q[m][0], q[m][1], q[m][2], q[m][3], k[0], k[1]);
                    multiply_add(scores[m][n + 1], q[m][0], q[m][1], q[m][2], q[m][3], k[2], k[3]);
                }
            }
#endif
        }

        const float* keyScales = reinterpret_cast<const float*>(shared + QueryBytes + 4 * TileBytes + stage * 2 * ScaleBytes);
        const float* valueScales = keyScales + Keys;
        const bool edge = key + Keys - 1 > firstPosition || key + Keys > endKey
            || (a.slidingWindow > 0 && key <= lastPosition - a.slidingWindow);
        u32 p[RowTiles][KeyTiles][2];
#pragma unroll
        for (int m = 0; m < RowTiles; m++)
        {
            float tileMaximum[2] = {NegativeInfinity, NegativeInfinity};
#pragma unroll
            for (int n = 0; n < KeyTiles; n++)
            {
#pragma unroll
                for (int i = 0; i < 4; i++)
                {
                    float s = scores[m][n][i] * (ScaledTokens ? scoreScale * keyScales[n * 8 + 2 * t + (i % 2)] : scoreScale);
                    if (a.softCap > 0.0f)
                    {
                        s = a.softCap * tanhf(s / a.softCap) * log2e;
                    }

                    if (edge)
                    {
                        const int token = key + n * 8 + 2 * t + (i % 2);
                        const int position = firstPosition + warpRow + m * 16 + g + (i / 2) * 8;
                        const bool visible = token <= position && token < endKey && (a.slidingWindow <= 0 || token > position - a.slidingWindow);
                        s = visible ? s : NegativeInfinity;
                    }

                    scores[m][n][i] = s;
                    tileMaximum[i / 2] = fmaxf(tileMaximum[i / 2], s);
                }
            }

            float factor[2];
            float base[2];
#pragma unroll
            for (int j = 0; j < 2; j++)
            {
                tileMaximum[j] = fmaxf(tileMaximum[j], __shfl_xor_sync(FullMask, tileMaximum[j], 1));
                tileMaximum[j] = fmaxf(tileMaximum[j], __shfl_xor_sync(FullMask, tileMaximum[j], 2));
                const float newMaximum = fmaxf(maximum[m][j], tileMaximum[j]);
                base[j] = newMaximum == NegativeInfinity ? 0.0f : newMaximum;
                factor[j] = exp2_fast(maximum[m][j] - base[j]);
                maximum[m][j] = newMaximum;
                sum[m][j] *= factor[j];
            }

#pragma unroll
            for (int n = 0; n < KeyTiles; n++)
            {
                float w[4];
#pragma unroll
                for (int i = 0; i < 4; i++)
                {
                    w[i] = exp2_fast(scores[m][n][i] - base[i / 2]);
                    sum[m][i / 2] += w[i];
                    if (ScaledTokens)
                    {
                        w[i] *= valueScales[n * 8 + 2 * t + (i % 2)] * ValueRange;
                    }
                }

                p[m][n][0] = pack2(w[0], w[1]);
                p[m][n][1] = pack2(w[2], w[3]);
            }

#pragma unroll
            for (int n = 0; n < OutputTiles; n++)
            {
                o[m][n][0] *= factor[0];
                o[m][n][1] *= factor[0];
                o[m][n][2] *= factor[1];
                o[m][n][3] *= factor[1];
            }
        }

        if (more)
        {
            fetch(a.values, valueShared + (stage ^ 1) * TileBytes, key + Keys);
        }

        commit_copies();
        wait_for_copies<2>(); // the values of this tile are here
        __syncthreads();

        const u32 valueTile = valueShared + stage * TileBytes;
#if QUIRE_CODES != 0
#pragma unroll
        for (int k = 0; k < Keys / 16; k += 2)
        {
#pragma unroll
            for (int s = 0; s < Steps; s++)
            {
                // 16 elements each of 32 tokens: as pairs, transposed, elements 2 g and 2 g + 1 of tokens 2 t and 2 t + 1.
                u32 v[4];
                load_matrices_transposed(v, valueTile + (k * 16 + lane) * RowBytes + s * 16);
#pragma unroll
                for (int h = 0; h < 2; h++)
                {
                    u32 even[2];
                    u32 odd[2];
                    unpack_codes(v[2 * h], even[0], odd[0]);
                    unpack_codes(v[2 * h + 1], even[1], odd[1]);
#pragma unroll
                    for (int m = 0; m < RowTiles; m++)
                    {
                        const u32 (&w)[2] = p[m][2 * (k + h)];
                        const u32 (&x)[2] = p[m][2 * (k + h) + 1];
                        multiply_add(o[m][2 * s], w[0], w[1], x[0], x[1], even[0], even[1]);
                        multiply_add(o[m][2 * s + 1], w[0], w[1], x[0], x[1], odd[0], odd[1]);
                    }
                }
            }
        }
#else
#pragma unroll
        for (int k = 0; k < Keys / 16; k++)
        {
#pragma unroll
            for (int n = 0; n < OutputTiles; n += 2)
            {
                // B = V: rows are tokens, columns d; the stored 8x8 matrices are transposed on their way.
                u32 v[4];
                load_matrices_transposed(v, valueTile + (k * 16 + lane % 16) * RowBytes + (n * 8 + (lane / 16) * 8) * 2);
#pragma unroll
                for (int m = 0; m < RowTiles; m++)
                {
                    multiply_add(o[m][n], p[m][2 * k][0], p[m][2 * k][1], p[m][2 * k + 1][0], p[m][2 * k + 1][1], v[0], v[1]);
                    multiply_add(o[m][n + 1], p[m][2 * k][0], p[m][2 * k][1], p[m][2 * k + 1][0], p[m][2 * k + 1][1], v[2], v[3]);
                }
            }
        }
#endif

        stage ^= 1;
    }

    wait_for_copies<0>();
#pragma unroll
    for (int m = 0; m < RowTiles; m++)
    {
#pragma unroll
        for (int j = 0; j < 2; j++)
        {
            sum[m][j] += __shfl_xor_sync(FullMask, sum[m][j], 1);
            sum[m][j] += __shfl_xor_sync(FullMask, sum[m][j], 2);
            const int query = firstQuery + warpRow + m * 16 + g + j * 8;
            if (query < queries)
            {
                const float inverse = (ScaledTokens ? 1.0f / ValueRange : Coded ? a.valueScale : 1.0f) / sum[m][j];
                elem* target = a.y + (i64)(firstRow + query) * a.yStride + head * HeadDim;
#if QUIRE_CODES != 0
#pragma unroll
                for (int s = 0; s < Steps; s++)
                {
                    const float (&even)[4] = o[m][2 * s];
                    const float (&odd)[4] = o[m][2 * s + 1];
                    u32* four = reinterpret_cast<u32*>(target + s * 16 + 4 * t);
                    four[0] = pack2(even[2 * j] * inverse, odd[2 * j] * inverse);
                    four[1] = pack2(even[2 * j + 1] * inverse, odd[2 * j + 1] * inverse);
                }
#else
#pragma unroll
                for (int n = 0; n < OutputTiles; n++)
                {
                    *reinterpret_cast<u32*>(target + n * 8 + 2 * t) = pack2(o[m][n][2 * j] * inverse, o[m][n][2 * j + 1] * inverse);
                }
#endif
            }
        }
    }
}
