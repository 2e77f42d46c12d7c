// Attention of prompt chunks on Hopper (Shah et al., FlashAttention-3, arXiv 2407.08608), with the keys and values in paged blocks.
//
// A block takes 128 queries of one head: two warpgroups multiply 64 of them each, a third one brings tiles of 128 keys and values from the
// cache's blocks with the copy engine, two tiles ahead, and leaves its registers to them. Within a warpgroup the product of one tile's weights with its values runs while the
// softmax of the next tile is computed; the two warpgroups drift apart by themselves, so that one multiplies while the other one computes
// exponentials.
//
// Compile-time: QUIRE_HEAD_DIM (64 or 128). The cache's block size divides 128 and is a multiple of 8.
#include "prefill_tiles.cuh"
#include "warpgroup.cuh"

#ifndef QUIRE_HEAD_DIM
#define QUIRE_HEAD_DIM 128
#endif

constexpr int HeadDim = QUIRE_HEAD_DIM;
constexpr int Panels = HeadDim / 64;
constexpr int Groups = 2;
constexpr int Queries = Groups * 64;
constexpr int Keys = 128;
constexpr int Stages = 2;
constexpr int PanelBytes = Keys * 128;
constexpr int TileBytes = Panels * PanelBytes;
constexpr int QueryPanelBytes = Queries * 128;
constexpr int QueryBytes = Panels * QueryPanelBytes;
constexpr int OutputRegisters = HeadDim / 2;
constexpr int Threads = (Groups + 1) * 128;

struct __align__(64) TensorMap
{
    u64 opaque[16];
};

struct HopperPrefillArguments
{
    TensorMap keys; // rows of headDim elements: [blocks, kvHeads, blockSize]; boxes of 64 elements by one block
    TensorMap values;
    const elem* q;
    elem* y;
    const int* queryStarts;
    const int* contextLengths;
    const int* blockTables;
    int blockTableStride;
    int blockSize;
    int kvHeads;
    int sequences;
    int group;
    int minQueries; // sequences with fewer queries are the decode kernel's
    int qStride;
    int yStride;
    int slidingWindow;
    float scale;
    float softCap;
};

extern __shared__ __align__(1024) u8 shared[];

extern "C" __global__ void __launch_bounds__(Threads, 1) attention_prefill_hopper(const __grid_constant__ HopperPrefillArguments a)
{
    __shared__ __align__(8) u64 barriers[4 * Stages];
    __shared__ int found[2];
    allow_next_kernel();
    const int warp = threadIdx.x / WarpSize;
    const int lane = threadIdx.x % WarpSize;
    const u32 base = (shared_address(shared) + 1023) & ~1023u;
    const u32 queryShared = base;
    const u32 keyShared = queryShared + QueryBytes;
    const u32 valueShared = keyShared + Stages * TileBytes;
    const u32 keyFull = shared_address(barriers);
    const u32 keyEmpty = keyFull + 8 * Stages;
    const u32 valueFull = keyEmpty + 8 * Stages;
    const u32 valueEmpty = valueFull + 8 * Stages;
    if (threadIdx.x == 0)
    {
        found[0] = -1;
        for (int s = 0; s < Stages; s++)
        {
            barrier_create(keyFull + 8 * s, 1);
            barrier_create(keyEmpty + 8 * s, Groups * 4);
            barrier_create(valueFull + 8 * s, 1);
            barrier_create(valueEmpty + 8 * s, Groups * 4);
        }

        fence_for_tensor_units();
    }

    __syncthreads();
    wait_for_previous_kernel();
    if (warp == 0)
    {
        find_tile(a.queryStarts, a.sequences, a.minQueries, Queries, gridDim.y - 1 - blockIdx.y, found); // the longest contexts first
    }

    __syncthreads();
    const int sequence = found[0];
    if (sequence < 0)
    {
        return;
    }

    const int head = blockIdx.x;
    const int kvHead = head / a.group;
    const int firstRow = a.queryStarts[sequence];
    const int queries = a.queryStarts[sequence + 1] - firstRow;
    const int context = a.contextLengths[sequence];
    const int firstQuery = found[1] * Queries;
    const int firstPosition = context - queries + firstQuery;
    const int lastPosition = min(context - 1, firstPosition + Queries - 1);
    const int beginTile = a.slidingWindow > 0 ? max(0, firstPosition + 1 - a.slidingWindow) / Keys : 0;
    const int endTile = lastPosition / Keys + 1;

    if (warp >= Groups * 4)
    {
        give_registers<24>();
        if (warp > Groups * 4)
        {
            return;
        }

        // A lane a box.
        const int* table = a.blockTables + (i64)sequence * a.blockTableStride;
        const int blocksPerTile = Keys / a.blockSize;
        const int blocks = (context + a.blockSize - 1) / a.blockSize;
        const u32 boxBytes = (u32)a.blockSize * 128;
        for (int tile = beginTile; tile < endTile; tile++)
        {
            const int turn = tile - beginTile;
            const int stage = turn % Stages;
            const u32 parity = ((turn / Stages) & 1) ^ 1;
            const int firstBlock = tile * blocksPerTile;
            const int count = min(blocksPerTile, blocks - firstBlock) * Panels;
            barrier_wait(keyEmpty + 8 * stage, parity);
            if (lane == 0)
            {
                barrier_expect(keyFull + 8 * stage, count * boxBytes);
            }

            __syncwarp();
            for (int box = lane; box < count; box += WarpSize)
            {
                const int block = box / Panels;
                const int panel = box % Panels;
                const int row = (table[firstBlock + block] * a.kvHeads + kvHead) * a.blockSize;
                copy_box(keyShared + stage * TileBytes + panel * PanelBytes + block * boxBytes, &a.keys, panel * 64, row, keyFull + 8 * stage);
            }

            barrier_wait(valueEmpty + 8 * stage, parity);
            if (lane == 0)
            {
                barrier_expect(valueFull + 8 * stage, count * boxBytes);
            }

            __syncwarp();
            for (int box = lane; box < count; box += WarpSize)
            {
                const int block = box / Panels;
                const int panel = box % Panels;
                const int row = (table[firstBlock + block] * a.kvHeads + kvHead) * a.blockSize;
                copy_box(valueShared + stage * TileBytes + panel * PanelBytes + block * boxBytes, &a.values, panel * 64, row, valueFull + 8 * stage);
            }
        }
    }
    else
    {
        take_registers<240>();
        const int group = warp / 4;
        const int g = lane / 4;
        const int t = lane % 4;
        const int row0 = group * 64 + (warp % 4) * 16 + g; // of the tile; the thread's other row is 8 further

        // Queries of this warpgroup, in the swizzled layout: 16-byte unit c of row r lies at unit c ^ (r % 8).
        for (int unit = threadIdx.x % 128; unit < 64 * Panels * 8; unit += 128)
        {
            const int row = group * 64 + unit / (Panels * 8);
            const int column = unit % (Panels * 8);
            uint4 v = make_uint4(0, 0, 0, 0);
            if (firstQuery + row < queries)
            {
                v = *reinterpret_cast<const uint4*>(a.q + (i64)(firstRow + firstQuery + row) * a.qStride + head * HeadDim + column * 8);
            }

            const u32 at = queryShared + (column / 8) * QueryPanelBytes + row * 128 + ((column % 8) ^ (row % 8)) * 16;
            asm volatile("st.shared.v4.u32 [%0], {%1, %2, %3, %4};" ::"r"(at), "r"(v.x), "r"(v.y), "r"(v.z), "r"(v.w) : "memory");
        }

        fence_for_tensor_units();
        asm volatile("bar.sync %0, 128;" ::"r"(group + 1) : "memory");

        const float log2e = 1.4426950408889634f;
        const float scoreScale = a.softCap > 0.0f ? a.scale : a.scale * log2e;
        float o[OutputRegisters];
#pragma unroll
        for (int i = 0; i < OutputRegisters; i++)
        {
            o[i] = 0.0f;
        }

        float maximum[2] = {NegativeInfinity, NegativeInfinity};
        float sum[2] = {0.0f, 0.0f};
        float scores[64];
        u32 p[Keys / 16][4];

        auto multiply_keys = [&](int stage) {
            warpgroup_arrive();
#pragma unroll
            for (int s = 0; s < HeadDim / 16; s++)
            {
                const u64 queryMatrix = matrix_descriptor(queryShared + (s / 4) * QueryPanelBytes + group * 64 * 128 + (s % 4) * 32, 16, 1024);
                const u64 keyMatrix = matrix_descriptor(keyShared + stage * TileBytes + (s / 4) * PanelBytes + (s % 4) * 32, 16, 1024);
                multiply_shared_n128(scores, queryMatrix, keyMatrix, s > 0);
            }

            warpgroup_commit();
        };

        auto multiply_values = [&](int stage) {
            warpgroup_arrive();
#pragma unroll
            for (int s = 0; s < Keys / 16; s++)
            {
                const u64 valueMatrix = matrix_descriptor(valueShared + stage * TileBytes + s * 2048, PanelBytes, 1024);
#if QUIRE_HEAD_DIM == 128
                multiply_registers_n128(o, p[s], valueMatrix, 1);
#else
                multiply_registers_n64(o, p[s], valueMatrix, 1);
#endif
            }

            warpgroup_commit();
        };

        // Values of tokens that do not exist yet may be anything, and 0 times anything is not always 0.
        auto clear_values = [&](int tile, int stage) {
            const int present = context - tile * Keys;
            if (present < Keys)
            {
                for (int unit = threadIdx.x % 128; unit < (Keys - present) * Panels * 8; unit += 128)
                {
                    const int row = present + unit / (Panels * 8);
                    const int column = unit % (Panels * 8);
                    const u32 at = valueShared + stage * TileBytes + (column / 8) * PanelBytes + row * 128 + (column % 8) * 16;
                    asm volatile("st.shared.v4.u32 [%0], {%1, %1, %1, %1};" ::"r"(at), "r"(0) : "memory");
                }

                fence_for_tensor_units();
                asm volatile("bar.sync %0, 128;" ::"r"(group + 1) : "memory");
            }
        };

        // Turns scores into weights relative to the running maximum; gives the factor for what was summed before.
        auto soften = [&](int tile, float (&factor)[2]) {
            const int key = tile * Keys;
            const int position0 = firstPosition + row0;
            const bool edge = key + Keys - 1 > firstPosition + group * 64 || key + Keys > context
                || (a.slidingWindow > 0 && key <= lastPosition - a.slidingWindow);
            if (a.softCap > 0.0f)
            {
#pragma unroll
                for (int i = 0; i < 64; i++)
                {
                    scores[i] = a.softCap * tanhf(scores[i] * scoreScale / a.softCap) * (log2e / scoreScale);
                }
            }

            if (edge)
            {
#pragma unroll
                for (int i = 0; i < 64; i++)
                {
                    const int token = key + (i / 4) * 8 + 2 * t + (i % 2);
                    const int position = position0 + ((i / 2) % 2) * 8;
                    const bool visible = token <= position && token < context && (a.slidingWindow <= 0 || token > position - a.slidingWindow);
                    scores[i] = visible ? scores[i] : NegativeInfinity;
                }
            }

#pragma unroll
            for (int j = 0; j < 2; j++)
            {
                float largest = NegativeInfinity;
#pragma unroll
                for (int i = 0; i < 32; i++)
                {
                    largest = fmaxf(largest, scores[(i / 2) * 4 + j * 2 + i % 2]);
                }

                largest = fmaxf(largest, __shfl_xor_sync(FullMask, largest, 1));
                largest = fmaxf(largest, __shfl_xor_sync(FullMask, largest, 2));
                const float newMaximum = fmaxf(maximum[j], largest);
                const float safe = newMaximum == NegativeInfinity ? 0.0f : newMaximum;
                factor[j] = exp2_fast((maximum[j] - safe) * scoreScale);
                maximum[j] = newMaximum;
                const float offset = safe * scoreScale;
                float added = 0.0f;
#pragma unroll
                for (int i = 0; i < 32; i++)
                {
                    float& score = scores[(i / 2) * 4 + j * 2 + i % 2];
                    score = exp2_fast(fmaf(score, scoreScale, -offset));
                    added += score;
                }

                sum[j] = sum[j] * factor[j] + added;
            }
        };

        auto pack_weights = [&]() {
#pragma unroll
            for (int s = 0; s < Keys / 16; s++)
            {
                p[s][0] = pack2(scores[8 * s], scores[8 * s + 1]);
                p[s][1] = pack2(scores[8 * s + 2], scores[8 * s + 3]);
                p[s][2] = pack2(scores[8 * s + 4], scores[8 * s + 5]);
                p[s][3] = pack2(scores[8 * s + 6], scores[8 * s + 7]);
            }
        };

        const int tiles = endTile - beginTile;
        float factor[2];
        barrier_wait(keyFull, 0);
        multiply_keys(0);
        warpgroup_wait<0>();
        hold(scores);
        if (lane == 0)
        {
            barrier_arrive(keyEmpty);
        }

        soften(beginTile, factor);
        pack_weights();
        for (int turn = 1; turn < tiles; turn++)
        {
            const int stage = turn % Stages;
            const int previous = (turn - 1) % Stages;
            barrier_wait(keyFull + 8 * stage, (turn / Stages) & 1);
            multiply_keys(stage);
            barrier_wait(valueFull + 8 * previous, ((turn - 1) / Stages) & 1);
            multiply_values(previous);
            warpgroup_wait<1>();
            hold(scores);
            if (lane == 0)
            {
                barrier_arrive(keyEmpty + 8 * stage);
            }

            soften(beginTile + turn, factor);
            warpgroup_wait<0>();
            hold(o);
            if (lane == 0)
            {
                barrier_arrive(valueEmpty + 8 * previous);
            }

#pragma unroll
            for (int i = 0; i < OutputRegisters; i++)
            {
                o[i] *= factor[(i / 2) % 2];
            }

            pack_weights();
        }

        const int last = (tiles - 1) % Stages;
        barrier_wait(valueFull + 8 * last, ((tiles - 1) / Stages) & 1);
        clear_values(endTile - 1, last);
        multiply_values(last);
        warpgroup_wait<0>();
        hold(o);

#pragma unroll
        for (int j = 0; j < 2; j++)
        {
            sum[j] += __shfl_xor_sync(FullMask, sum[j], 1);
            sum[j] += __shfl_xor_sync(FullMask, sum[j], 2);
            const int query = firstQuery + row0 + j * 8;
            if (query < queries)
            {
                const float inverse = 1.0f / sum[j];
                elem* target = a.y + (i64)(firstRow + query) * a.yStride + head * HeadDim;
#pragma unroll
                for (int n = 0; n < HeadDim / 8; n++)
                {
                    *reinterpret_cast<u32*>(target + n * 8 + 2 * t) = pack2(o[4 * n + 2 * j] * inverse, o[4 * n + 2 * j + 1] * inverse);
                }
            }
        }
    }
}
