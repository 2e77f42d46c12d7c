// Attention of single decode tokens over the paged cache (and of a few speculated ones: any sequence whose queries fit the columns).
//
// One block serves one key-value head of one sequence, or a part of its context: all query heads of the group are the columns of one
// matrix product, so the cache is read once for all of them. Each warp streams its own tiles of 16 tokens from the cache with asynchronous
// copies and keeps a running softmax (Milakov and Gimelshein, arXiv 1805.02867); the warps meet only at the end. Where a context is split
// over blocks (flash decoding), the last block to arrive combines the parts.
//
// Scores are computed as S^T = K Q^T and outputs as O^T = V^T P^T, so that tokens fill the 16 rows of the tensor core's tile and the query
// heads its 8 columns: nothing is padded for groups of 8, and half is for 4.
//
// A quantised cache stays in codes up to the registers. A thread's four adjacent codes of a key are two pairs of elements of q, so q is
// loaded in that order; transposed as if they were elements, codes of values come in pairs of adjacent outputs.
//
// Compile-time: QUIRE_HEAD_DIM (a multiple of 16), QUIRE_COLUMNS (8 or 16: query heads of a group times queries, at most), QUIRE_WARPS (4, or
// fewer where there are blocks enough: the last of smaller blocks still keep the memory busy), QUIRE_CODES.
#include "cache_codes.cuh"
#include "paged_cache.cuh"
#include "tensor_core.cuh"

#ifndef QUIRE_HEAD_DIM
#define QUIRE_HEAD_DIM 128
#endif
#ifndef QUIRE_COLUMNS
#define QUIRE_COLUMNS 8
#endif
#ifndef QUIRE_WARPS
#define QUIRE_WARPS 4
#endif

constexpr int HeadDim = QUIRE_HEAD_DIM;
constexpr int Columns = QUIRE_COLUMNS;
constexpr int ColumnTiles = Columns / 8;
constexpr int Warps = QUIRE_WARPS;
constexpr int Steps = HeadDim / 16;
constexpr int VectorsPerRow = HeadDim * CellBytes / 16;
constexpr int RowBytes = (VectorsPerRow | 1) * 16; // an odd number of 16-byte units: no bank conflicts
constexpr int TileTokens = 16;
constexpr int TileBytes = TileTokens * RowBytes;
constexpr int TileVectors = TileTokens * VectorsPerRow;
constexpr int ScaleBytes = ScaledTokens ? 2 * TileTokens * (int)sizeof(float) : 0;
constexpr int StageBytes = 2 * TileBytes + ScaleBytes; // keys, values, scales of keys, scales of values
constexpr int Stages = HeadDim >= 96 && !Coded ? 2 : 3; // more blocks a multiprocessor gain more than deeper pipelines
constexpr float ValueRange = 128.0f; // weights times this times a scale are about as large as values: nothing underflows
constexpr int Half = HeadDim / 2;
constexpr int MaxSplits = 128;

struct DecodeArguments
{
    const elem* q;
    const cell* keys;
    const cell* values;
    elem* y;
    const int* queryStarts;
    const int* contextLengths;
    const int* blockTables;
    float* partial; // [sequences, kvHeads, splits, Columns, HeadDim + 2]: unnormalised outputs, maximum, sum
    int* arrivals;  // [sequences, kvHeads], zero between launches

    // The newest token of sequences with one query, rotated and stored on the way; null newKeys: q is rotated and the cache complete.
    const elem* newKeys;
    const elem* newValues;
    const int* positions;
    const float* cosines; // null: nothing is rotated
    const float* sines;
    cell* storeKeys; // the cache again, to write to
    cell* storeValues;
    float* keyScales; // [blocks, kvHeads, blockSize], signed bytes only
    float* valueScales;
    i64 blockStride;
    int blockTableStride;
    int blockSize;
    int blockShift; // log2 of the block size, or negative when it is no power of two
    int kvHeads;
    int group;
    int maxQueries; // sequences with more queries are somebody else's
    int qStride;
    int yStride;
    int slidingWindow;
    float scale;
    float softCap;
    int newStride;
    int tableStride;
    float keyScale;   // what the layer's FP8 codes are multiplied with; scale has it already
    float valueScale;
};

struct SharedPart
{
    float maximum[Warps][Columns];
    float sum[Warps][Columns];
};

extern __shared__ __align__(16) u8 shared[];

__device__ __forceinline__ void write_result(const DecodeArguments& a, int firstRow, int kvHead, int column, int d, float value)
{
    const int query = column / a.group;
    const int head = kvHead * a.group + column % a.group;
    if (Coded)
    {
        value *= ScaledTokens ? 1.0f / ValueRange : a.valueScale;
    }

    a.y[(i64)(firstRow + query) * a.yStride + head * HeadDim + d] = to_elem(value);
}

// Where the scale of a token and head lies.
__device__ __forceinline__ i64 scale_offset(const DecodeArguments& a, const int* table, int token, int kvHead)
{
    return cache_offset(table, token, a.blockSize, a.blockShift, (i64)a.kvHeads * a.blockSize, 1) + kvHead * a.blockSize;
}

#if QUIRE_CODES != 0
// Codes of a head whose element j + 32 i and its partner in the other half are a lane's values 2 i and 2 i + 1.
template <int N>
__device__ __forceinline__ float store_codes(const float (&values)[N], float scale, u8* target, u8* tileRow, int lane)
{
    u8 codes[N];
    scale = encode(values, codes, scale);
#pragma unroll
    for (int i = 0; i < N / 2; i++)
    {
        const int j = i * WarpSize + lane;
        if (j < Half)
        {
            target[j] = tileRow[j] = codes[2 * i];
            target[j + Half] = tileRow[j + Half] = codes[2 * i + 1];
        }
    }

    return scale;
}
#endif

// Rotates the newest key, and puts it and the newest value into the cache and into the tile that was loaded before they were there.
__device__ __forceinline__ void store_newest(
    const DecodeArguments& a, int position, int row, int kvHead, const int* table, i64 headOffset, u8* keyTile, int lane)
{
    const i64 start = cache_offset(table, position, a.blockSize, a.blockShift, a.blockStride, HeadDim) + headOffset;
    const elem* key = a.newKeys + (i64)row * a.newStride + kvHead * HeadDim;
    const elem* value = a.newValues + (i64)row * a.newStride + kvHead * HeadDim;
    const i64 angle = (i64)a.positions[row] * a.tableStride;
    const int within = position % TileTokens;
    u8* keyRow8 = keyTile + within * RowBytes;
    u8* valueRow8 = keyRow8 + TileBytes;
#if QUIRE_CODES != 0
    constexpr int PerLane = (Half + WarpSize - 1) / WarpSize * 2;
    float rotated[PerLane];
    float plain[PerLane];
#pragma unroll
    for (int i = 0; i < PerLane / 2; i++)
    {
        const int j = i * WarpSize + lane;
        const bool counts = j < Half;
        const float x = counts ? to_float(key[j]) : 0.0f;
        const float y = counts ? to_float(key[j + Half]) : 0.0f;
        const float c = counts && a.cosines != nullptr ? a.cosines[angle + j] : 1.0f;
        const float s = counts && a.cosines != nullptr ? a.sines[angle + j] : 0.0f;
        rotated[2 * i] = x * c - y * s;
        rotated[2 * i + 1] = y * c + x * s;
        plain[2 * i] = counts ? to_float(value[j]) : 0.0f;
        plain[2 * i + 1] = counts ? to_float(value[j + Half]) : 0.0f;
    }

    const float keyScale = store_codes(rotated, a.keyScale, a.storeKeys + start, keyRow8, lane);
    const float valueScale = store_codes(plain, a.valueScale, a.storeValues + start, valueRow8, lane);
    if (ScaledTokens && lane == 0)
    {
        const i64 at = scale_offset(a, table, position, kvHead);
        float* scales = reinterpret_cast<float*>(keyTile + 2 * TileBytes);
        a.keyScales[at] = scales[within] = keyScale;
        a.valueScales[at] = scales[TileTokens + within] = valueScale;
    }
#else
    elem* keyRow = reinterpret_cast<elem*>(keyRow8);
    elem* valueRow = reinterpret_cast<elem*>(valueRow8);
    for (int j = lane; j < Half; j += WarpSize)
    {
        elem first = key[j];
        elem second = key[j + Half];
        if (a.cosines != nullptr)
        {
            const float c = a.cosines[angle + j];
            const float s = a.sines[angle + j];
            const float x = to_float(first);
            const float y = to_float(second);
            first = to_elem(x * c - y * s);
            second = to_elem(y * c + x * s);
        }

        keyRow[j] = first;
        keyRow[j + Half] = second;
        a.storeKeys[start + j] = first;
        a.storeKeys[start + j + Half] = second;
        valueRow[j] = value[j];
        valueRow[j + Half] = value[j + Half];
        a.storeValues[start + j] = value[j];
        a.storeValues[start + j + Half] = value[j + Half];
    }
#endif
}

extern "C" __global__ void __launch_bounds__(Warps* WarpSize) attention_decode(const __grid_constant__ DecodeArguments a)
{
    allow_next_kernel();
    const bool takesNewest = a.newKeys != nullptr;
    if (!takesNewest)
    {
        wait_for_previous_kernel();
    }

    const int splits = gridDim.x;
    const int split = blockIdx.x;
    const int kvHead = blockIdx.y;
    const int sequence = blockIdx.z;
    const int firstRow = a.queryStarts[sequence];
    const int queries = a.queryStarts[sequence + 1] - firstRow;
    const int context = a.contextLengths[sequence];
    if (queries < 1 || queries > a.maxQueries || context < 1)
    {
        // Also who has nothing to do waits: the kernel may not end before its predecessor.
        wait_for_previous_kernel();
        return;
    }

    const int warp = threadIdx.x / WarpSize;
    const int lane = threadIdx.x % WarpSize;
    const int g = lane / 4;
    const int t = lane % 4;
    const int columns = queries * a.group;

    // The tokens of this split: whole tiles, as even as they go.
    const int firstVisible = a.slidingWindow > 0 ? max(0, context - queries + 1 - a.slidingWindow) : 0;
    const int firstTile = firstVisible / TileTokens;
    const int tiles = (context + TileTokens - 1) / TileTokens - firstTile;
    const int tilesPerSplit = (tiles + splits - 1) / splits;
    const int beginTile = firstTile + min(split * tilesPerSplit, tiles);
    const int endTile = firstTile + min((split + 1) * tilesPerSplit, tiles);
    const int usedSplits = (tiles + tilesPerSplit - 1) / tilesPerSplit;
    if (split >= usedSplits)
    {
        wait_for_previous_kernel();
        return;
    }

    const u32 mine = shared_address(shared) + warp * (Stages * StageBytes);
    const int* table = a.blockTables + (i64)sequence * a.blockTableStride;
    const i64 headOffset = (i64)kvHead * a.blockSize * HeadDim;

    // A row of a tile is VectorsPerRow vectors; lanes walk over the tile's vectors.
    auto fetch = [&](int tile, int stage) {
        if (tile < endTile)
        {
            const u32 keyTile = mine + stage * StageBytes;
            const u32 valueTile = keyTile + TileBytes;
#pragma unroll
            for (int i = 0; i < (TileVectors + WarpSize - 1) / WarpSize; i++)
            {
                const int vector = i * WarpSize + lane;
                if (TileVectors % WarpSize != 0 && vector >= TileVectors)
                {
                    break;
                }

                const int row = vector / VectorsPerRow;
                const int column = vector % VectorsPerRow;
                const int token = tile * TileTokens + row;
                const bool valid = token < context;
                const int safe = valid ? token : 0;
                const i64 offset =
                    cache_offset(table, safe, a.blockSize, a.blockShift, a.blockStride, HeadDim) + headOffset + column * (16 / CellBytes);
                const u32 at = row * RowBytes + column * 16;
                copy_async(keyTile + at, a.keys + offset, valid);
                copy_async(valueTile + at, a.values + offset, valid);
            }

            if (ScaledTokens)
            {
                const int token = tile * TileTokens + lane % TileTokens;
                const bool valid = token < context;
                const float* scales = lane < TileTokens ? a.keyScales : a.valueScales;
                copy_word_async(keyTile + 2 * TileBytes + lane * 4, scales + scale_offset(a, table, valid ? token : 0, kvHead), valid);
            }
        }

        commit_copies();
    };

    float maximum[ColumnTiles][2];
    float sum[ColumnTiles][2];
    float o[ColumnTiles][Steps][4];
#pragma unroll
    for (int n = 0; n < ColumnTiles; n++)
    {
        maximum[n][0] = maximum[n][1] = NegativeInfinity;
        sum[n][0] = sum[n][1] = 0.0f;
#pragma unroll
        for (int s = 0; s < Steps; s++)
        {
            o[n][s][0] = o[n][s][1] = o[n][s][2] = o[n][s][3] = 0.0f;
        }
    }

    const float log2e = 1.4426950408889634f;
    const float scoreScale = a.softCap > 0.0f ? a.scale : a.scale * log2e;
    int next = beginTile + warp;
#pragma unroll
    for (int s = 0; s < Stages - 1; s++)
    {
        fetch(next + s * Warps, s);
    }

    // What lies in the cache was written in earlier steps, so it is requested before the kernel waits for the projection of this one. The
    // newest token comes in below.
    if (takesNewest)
    {
        wait_for_previous_kernel();
    }

    // Query fragments: B[k = d][n = column].
    u32 qf[ColumnTiles][Steps][2];
#pragma unroll
    for (int n = 0; n < ColumnTiles; n++)
    {
        const int column = n * 8 + g;
        const bool valid = column < columns;
        const int query = valid ? column / a.group : 0;
        const int head = kvHead * a.group + (valid ? column % a.group : 0);
        const elem* row = a.q + (i64)(firstRow + query) * a.qStride + head * HeadDim;
#pragma unroll
        for (int s = 0; s < Steps; s++)
        {
            if (Coded)
            {
                // Elements 4 t and 4 t + 2, then 4 t + 1 and 4 t + 3: the order of unpacked codes.
                const uint2 four = valid ? *reinterpret_cast<const uint2*>(row + s * 16 + 4 * t) : make_uint2(0, 0);
                qf[n][s][0] = __byte_perm(four.x, four.y, 0x5410);
                qf[n][s][1] = __byte_perm(four.x, four.y, 0x7632);
            }
            else
            {
                qf[n][s][0] = valid ? *reinterpret_cast<const u32*>(row + s * 16 + 2 * t) : 0u;
                qf[n][s][1] = valid ? *reinterpret_cast<const u32*>(row + s * 16 + 2 * t + 8) : 0u;
            }
        }

#if QUIRE_HEAD_DIM % 32 == 0
        // Element d is rotated with d + HeadDim / 2, which the same thread holds.
        if (takesNewest && a.cosines != nullptr)
        {
            const i64 angle = (i64)a.positions[firstRow + query] * a.tableStride;
#pragma unroll
            for (int s = 0; s < Steps / 2; s++)
            {
#pragma unroll
                for (int h = 0; h < 2; h++)
                {
                    float2 c;
                    float2 w;
                    if (Coded)
                    {
                        const i64 at = angle + s * 16 + 4 * t + h;
                        c = make_float2(a.cosines[at], a.cosines[at + 2]);
                        w = make_float2(a.sines[at], a.sines[at + 2]);
                    }
                    else
                    {
                        c = *reinterpret_cast<const float2*>(a.cosines + angle + s * 16 + 2 * t + 8 * h);
                        w = *reinterpret_cast<const float2*>(a.sines + angle + s * 16 + 2 * t + 8 * h);
                    }

                    const float2 x = unpack2(qf[n][s][h]);
                    const float2 y = unpack2(qf[n][s + Steps / 2][h]);
                    qf[n][s][h] = pack2(x.x * c.x - y.x * w.x, x.y * c.y - y.y * w.y);
                    qf[n][s + Steps / 2][h] = pack2(y.x * c.x + x.x * w.x, y.y * c.y + x.y * w.y);
                }
            }
        }
#endif
    }

    int stage = 0;
    for (int tile = next; tile < endTile; tile += Warps)
    {
        fetch(tile + (Stages - 1) * Warps, (stage + Stages - 1) % Stages);
        wait_for_copies<Stages - 1>();
        __syncwarp();
        const u32 keyTile = mine + stage * StageBytes;
        const u32 valueTile = keyTile + TileBytes;
        if (takesNewest && tile == (context - 1) / TileTokens)
        {
            store_newest(a, context - 1, firstRow, kvHead, table, headOffset, shared + (keyTile - shared_address(shared)), lane);
            __syncwarp();
        }

        float scores[ColumnTiles][4];
#pragma unroll
        for (int n = 0; n < ColumnTiles; n++)
        {
            scores[n][0] = scores[n][1] = scores[n][2] = scores[n][3] = 0.0f;
        }

#if QUIRE_CODES != 0
#pragma unroll
        for (int s = 0; s < Steps; s += 2)
        {
            // Tokens 0-7 and 8-15 of 16 elements each, then of the next 16, or of the same again where there are no more.
            u32 k[4];
            load_matrices(k, keyTile + (lane % 16) * RowBytes + (lane < 16 || s + 1 == Steps ? s : s + 1) * 16);
#pragma unroll
            for (int h = 0; h < 2 && s + h < Steps; h++)
            {
                u32 lower[2];
                u32 upper[2];
                unpack_codes(k[2 * h], lower[0], upper[0]);
                unpack_codes(k[2 * h + 1], lower[1], upper[1]);
#pragma unroll
                for (int n = 0; n < ColumnTiles; n++)
                {
                    multiply_add(scores[n], lower[0], lower[1], upper[0], upper[1], qf[n][s + h][0], qf[n][s + h][1]);
                }
            }
        }
#else
#pragma unroll
        for (int s = 0; s < Steps; s++)
        {
            // A = K: matrices (rows 0-7, k 0-7), (rows 8-15, k 0-7), (rows 0-7, k 8-15), (rows 8-15, k 8-15).
            u32 k[4];
            load_matrices(k, keyTile + (lane % 16) * RowBytes + (s * 16 + (lane / 16) * 8) * 2);
#pragma unroll
            for (int n = 0; n < ColumnTiles; n++)
            {
                multiply_add(scores[n], k[0], k[1], k[2], k[3], qf[n][s][0], qf[n][s][1]);
            }
        }
#endif

        // Of tokens g and g + 8.
        float keyFactor[2] = {scoreScale, scoreScale};
        float valueFactor[2] = {1.0f, 1.0f};
        if (ScaledTokens)
        {
            const float* scales = reinterpret_cast<const float*>(shared + (keyTile - shared_address(shared)) + 2 * TileBytes);
#pragma unroll
            for (int h = 0; h < 2; h++)
            {
                keyFactor[h] *= scales[g + 8 * h];
                valueFactor[h] = scales[TileTokens + g + 8 * h] * ValueRange;
            }
        }

        u32 p[ColumnTiles][2];
#pragma unroll
        for (int n = 0; n < ColumnTiles; n++)
        {
            float tileMaximum[2] = {NegativeInfinity, NegativeInfinity};
#pragma unroll
            for (int i = 0; i < 4; i++)
            {
                const int token = tile * TileTokens + g + (i / 2) * 8;
                const int column = n * 8 + 2 * t + (i % 2);
                float s = scores[n][i] * keyFactor[i / 2];
                if (a.softCap > 0.0f)
                {
                    s = a.softCap * tanhf(s / a.softCap) * log2e;
                }

                const int position = context - queries + column / a.group;
                const bool visible = token <= position && (a.slidingWindow <= 0 || token > position - a.slidingWindow);
                s = visible ? s : NegativeInfinity;
                scores[n][i] = s;
                tileMaximum[i % 2] = fmaxf(tileMaximum[i % 2], s);
            }

            float factor[2];
            float base[2];
#pragma unroll
            for (int j = 0; j < 2; j++)
            {
#pragma unroll
                for (int offset = 4; offset < 32; offset *= 2)
                {
                    tileMaximum[j] = fmaxf(tileMaximum[j], __shfl_xor_sync(FullMask, tileMaximum[j], offset));
                }

                const float newMaximum = fmaxf(maximum[n][j], tileMaximum[j]);
                base[j] = newMaximum == NegativeInfinity ? 0.0f : newMaximum;
                factor[j] = exp2_fast(maximum[n][j] - base[j]);
                maximum[n][j] = newMaximum;
            }

            float weights[4];
#pragma unroll
            for (int i = 0; i < 4; i++)
            {
                weights[i] = exp2_fast(scores[n][i] - base[i % 2]);
            }

            // The sum runs over the lanes at the end only; it follows the unrounded weights.
#pragma unroll
            for (int j = 0; j < 2; j++)
            {
                sum[n][j] = sum[n][j] * factor[j] + weights[j] + weights[j + 2];
            }

#pragma unroll
            for (int s = 0; s < Steps; s++)
            {
                o[n][s][0] *= factor[0];
                o[n][s][1] *= factor[1];
                o[n][s][2] *= factor[0];
                o[n][s][3] *= factor[1];
            }

            if (ScaledTokens)
            {
#pragma unroll
                for (int i = 0; i < 4; i++)
                {
                    weights[i] *= valueFactor[i / 2];
                }
            }

            p[n][0] = transpose_matrix(pack2(weights[0], weights[1]));
            p[n][1] = transpose_matrix(pack2(weights[2], weights[3]));
        }

#if QUIRE_CODES != 0
#pragma unroll
        for (int s = 0; s < Steps; s += 2)
        {
            // Pairs of codes as the columns of 8x8 matrices: transposed, a thread has elements 2 g and 2 g + 1 of tokens 2 t and 2 t + 1.
            u32 v[4];
            load_matrices_transposed(v, valueTile + (lane % 16) * RowBytes + (lane < 16 || s + 1 == Steps ? s : s + 1) * 16);
#pragma unroll
            for (int h = 0; h < 2 && s + h < Steps; h++)
            {
                u32 even[2];
                u32 odd[2];
                unpack_codes(v[2 * h], even[0], odd[0]);
                unpack_codes(v[2 * h + 1], even[1], odd[1]);
#pragma unroll
                for (int n = 0; n < ColumnTiles; n++)
                {
                    multiply_add(o[n][s + h], even[0], odd[0], even[1], odd[1], p[n][0], p[n][1]);
                }
            }
        }
#else
#pragma unroll
        for (int s = 0; s < Steps; s++)
        {
            // A = V^T: rows are d, k are tokens. The stored matrix has tokens as rows, so each 8x8 is transposed on its way.
            u32 v[4];
            load_matrices_transposed(v, valueTile + ((lane / 16) * 8 + lane % 8) * RowBytes + (s * 16 + ((lane / 8) % 2) * 8) * 2);
#pragma unroll
            for (int n = 0; n < ColumnTiles; n++)
            {
                multiply_add(o[n][s], v[0], v[1], v[2], v[3], p[n][0], p[n][1]);
            }
        }
#endif

        __syncwarp();
        stage = (stage + 1) % Stages;
    }

    // Meet: every warp leaves its outputs, maximum and sum; then all threads add up with the factors to the common maximum.
    wait_for_copies<0>();
    __syncthreads();
    float* outputs = reinterpret_cast<float*>(shared); // [Warps][Columns][HeadDim], then SharedPart
    SharedPart* parts = reinterpret_cast<SharedPart*>(shared + Warps * Columns * HeadDim * sizeof(float));
#pragma unroll
    for (int n = 0; n < ColumnTiles; n++)
    {
#pragma unroll
        for (int j = 0; j < 2; j++)
        {
            const int column = n * 8 + 2 * t + j;
#pragma unroll
            for (int offset = 4; offset < 32; offset *= 2)
            {
                sum[n][j] += __shfl_xor_sync(FullMask, sum[n][j], offset);
            }

            if (g == 0)
            {
                parts->maximum[warp][column] = maximum[n][j];
                parts->sum[warp][column] = sum[n][j];
            }

            float* mineOut = outputs + (warp * Columns + column) * HeadDim;
#pragma unroll
            for (int s = 0; s < Steps; s++)
            {
                mineOut[s * 16 + (Coded ? 2 * g : g)] = o[n][s][j];
                mineOut[s * 16 + (Coded ? 2 * g + 1 : g + 8)] = o[n][s][j + 2];
            }
        }
    }

    __syncthreads();
    const int pair = sequence * a.kvHeads + kvHead;
    float* partial = a.partial + ((i64)pair * splits + split) * Columns * (HeadDim + 2);
    for (int i = threadIdx.x; i < columns * HeadDim; i += Warps * WarpSize)
    {
        const int column = i / HeadDim;
        const int d = i % HeadDim;
        float all = NegativeInfinity;
#pragma unroll
        for (int w = 0; w < Warps; w++)
        {
            all = fmaxf(all, parts->maximum[w][column]);
        }

        float total = 0.0f;
        float value = 0.0f;
#pragma unroll
        for (int w = 0; w < Warps; w++)
        {
            const float own = parts->maximum[w][column];
            const float factor = own == NegativeInfinity ? 0.0f : exp2_fast(own - all);
            total += parts->sum[w][column] * factor;
            value += outputs[(w * Columns + column) * HeadDim + d] * factor;
        }

        if (usedSplits == 1)
        {
            write_result(a, firstRow, kvHead, column, d, value / total);
        }
        else
        {
            float* cell = partial + column * (HeadDim + 2);
            cell[d] = value;
            if (d == 0)
            {
                cell[HeadDim] = all;
                cell[HeadDim + 1] = total;
            }
        }
    }

    if (usedSplits == 1)
    {
        return;
    }

    __shared__ int isLast;
    __threadfence();
    __syncthreads();
    if (threadIdx.x == 0)
    {
        isLast = atomicAdd(a.arrivals + pair, 1) == usedSplits - 1;
    }

    __syncthreads();
    if (!isLast)
    {
        return;
    }

    __threadfence();
    if (threadIdx.x == 0)
    {
        a.arrivals[pair] = 0;
    }

    // Factors of all parts first, a warp a column, so that the sums below are plain streams of loads.
    float* factors = reinterpret_cast<float*>(shared); // [Columns][MaxSplits]
    const float* first = a.partial + (i64)pair * splits * Columns * (HeadDim + 2);
    for (int column = warp; column < columns; column += Warps)
    {
        float all = NegativeInfinity;
        for (int part = lane; part < usedSplits; part += WarpSize)
        {
            all = fmaxf(all, __ldcg(first + ((i64)part * Columns + column) * (HeadDim + 2) + HeadDim));
        }

        all = warp_max(all);
        float total = 0.0f;
        for (int part = lane; part < usedSplits; part += WarpSize)
        {
            const float* cell = first + ((i64)part * Columns + column) * (HeadDim + 2) + HeadDim;
            const float own = __ldcg(cell);
            const float factor = own == NegativeInfinity ? 0.0f : exp2_fast(own - all);
            factors[column * MaxSplits + part] = factor;
            total += factor * __ldcg(cell + 1);
        }

        total = warp_sum(total);
        __syncwarp();
        for (int part = lane; part < usedSplits; part += WarpSize)
        {
            factors[column * MaxSplits + part] /= total;
        }
    }

    __syncthreads();
    for (int i = threadIdx.x; i < columns * HeadDim; i += Warps * WarpSize)
    {
        const int column = i / HeadDim;
        const int d = i % HeadDim;
        float value = 0.0f;
#pragma unroll 8
        for (int part = 0; part < usedSplits; part++)
        {
            value += factors[column * MaxSplits + part] * __ldcg(first + ((i64)part * Columns + column) * (HeadDim + 2) + d);
        }

        write_result(a, firstRow, kvHead, column, d, value);
    }
}
