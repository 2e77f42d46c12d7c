// Attention of prompt chunks on Hopper (Shah et al., FlashAttention-3, arXiv 2407.08608), with the keys and values in paged blocks.
//
// A block stays on its multiprocessor and takes one piece of work after the other: 128 queries of one head, the longest contexts first. Two
// warpgroups multiply 64 queries each; a warp of a third one fetches the next piece of work, brings its queries and tiles of 128 keys and
// values from the cache's blocks with the copy engine, so that the next piece's first tiles are there when the last one ends. Within a
// warpgroup the product of one tile's weights with its values runs while the softmax of the next tile is computed; the two warpgroups take
// turns, so that one multiplies while the other one computes exponentials.
//
// Compile-time: QUIRE_HEAD_DIM (64 or 128), QUIRE_SOFT_CAP (0 or 1). The cache's block size divides 128 and is a multiple of 8.
#include "prefill_tiles.cuh"
#include "warpgroup.cuh"

#ifndef QUIRE_HEAD_DIM
#define QUIRE_HEAD_DIM 128
#endif
#ifndef QUIRE_SOFT_CAP
#define QUIRE_SOFT_CAP 0
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
constexpr int Slots = 2; // pieces of work under way

struct __align__(64) TensorMap
{
    u64 opaque[16];
};

struct HopperPrefillArguments
{
    TensorMap keys; // rows of headDim elements: [blocks, kvHeads, blockSize]; boxes of 64 elements by one block
    TensorMap values;
    TensorMap queries; // [tokens, heads * headDim]; boxes of 64 elements by 128 rows
    elem* y;
    const int* queryStarts;
    const int* contextLengths;
    const int* blockTables;
    int* progress; // two zeroes: pieces of work taken, and blocks that have ended; zeroes again at the end
    int blockTableStride;
    int blockSize;
    int heads;
    int kvHeads;
    int sequences;
    int tiles; // of 128 queries, at most
    int minQueries; // sequences with fewer queries are the decode kernel's
    int yStride;
    int slidingWindow;
    float scale;
    float softCap;
};

struct Work
{
    int head; // or -1: there is no more
    int firstRow;
    int queries;
    int context;
    int firstQuery;
};

extern __shared__ __align__(1024) u8 shared[];

struct Shared
{
    u32 queries;
    u32 keys;
    u32 values;
    u32 workFull;
    u32 workEmpty;
    u32 keyFull;
    u32 keyEmpty;
    u32 valueFull;
    u32 valueEmpty;
};

// Tiles of keys that a piece of work looks at.
__device__ __forceinline__ void tile_range(const HopperPrefillArguments& a, const Work& work, int& begin, int& end)
{
    const int firstPosition = work.context - work.queries + work.firstQuery;
    const int lastPosition = min(work.context - 1, firstPosition + Queries - 1);
    begin = a.slidingWindow > 0 ? max(0, firstPosition + 1 - a.slidingWindow) / Keys : 0;
    end = lastPosition / Keys + 1;
}

// What the third warpgroup's first warp does.
__device__ __forceinline__ void bring(const HopperPrefillArguments& a, const Shared& s, volatile Work* works, int* found)
{
    const int lane = threadIdx.x % WarpSize;
    const int blocksPerTile = Keys / a.blockSize;
    const u32 boxBytes = (u32)a.blockSize * 128;
    const int total = a.tiles * a.heads;
    int turn = 0;
    for (int piece = 0;; piece++)
    {
        Work work;
        int sequence = -1;
        do
        {
            int item = 0;
            if (lane == 0)
            {
                item = atomicAdd(a.progress, 1);
                found[0] = -1;
            }

            item = __shfl_sync(FullMask, item, 0);
            __syncwarp();
            work.head = item < total ? item % a.heads : -1;
            if (work.head < 0)
            {
                break;
            }

            // The longest contexts first: the last tile of a sequence looks at the most keys.
            find_tile(a.queryStarts, a.sequences, a.minQueries, Queries, a.tiles - 1 - item / a.heads, found);
            __syncwarp();
            sequence = found[0];
            work.firstQuery = found[1] * Queries;
            __syncwarp();
        } while (sequence < 0);

        const int slot = piece % Slots;
        const u32 workFull = s.workFull + 8 * slot;
        barrier_wait(s.workEmpty + 8 * slot, ((piece / Slots) & 1) ^ 1);
        if (work.head < 0)
        {
            if (lane == 0)
            {
                works[slot].head = -1;
                barrier_arrive(workFull);
                if (atomicAdd(a.progress + 1, 1) == (int)gridDim.x - 1)
                {
                    a.progress[0] = 0;
                    a.progress[1] = 0;
                }
            }

            return;
        }

        work.firstRow = a.queryStarts[sequence];
        work.queries = a.queryStarts[sequence + 1] - work.firstRow;
        work.context = a.contextLengths[sequence];
        if (lane == 0)
        {
            works[slot].head = work.head;
            works[slot].firstRow = work.firstRow;
            works[slot].queries = work.queries;
            works[slot].context = work.context;
            works[slot].firstQuery = work.firstQuery;
            barrier_expect(workFull, QueryBytes);
            for (int panel = 0; panel < Panels; panel++)
            {
                copy_box(s.queries + slot * QueryBytes + panel * QueryPanelBytes, &a.queries, work.head * HeadDim + panel * 64, work.firstRow + work.firstQuery, workFull);
            }
        }

        // A lane a box: there are at most 32.
        int beginTile, endTile;
        tile_range(a, work, beginTile, endTile);
        const int* table = a.blockTables + (i64)sequence * a.blockTableStride;
        const int blocks = (work.context + a.blockSize - 1) / a.blockSize;
        const int kvHead = work.head / (a.heads / a.kvHeads);
        const int block = lane / Panels;
        const int panel = lane % Panels;
        const u32 boxAt = panel * PanelBytes + block * boxBytes;
        for (int tile = beginTile; tile < endTile; tile++, turn++)
        {
            const int stage = turn % Stages;
            const u32 parity = ((turn / Stages) & 1) ^ 1;
            const int firstBlock = tile * blocksPerTile;
            const int count = min(blocksPerTile, blocks - firstBlock) * Panels;
            const int row = lane < count ? (table[firstBlock + block] * a.kvHeads + kvHead) * a.blockSize : 0;
            barrier_wait(s.keyEmpty + 8 * stage, parity);
            if (lane == 0)
            {
                barrier_expect(s.keyFull + 8 * stage, count * boxBytes);
            }

            __syncwarp();
            if (lane < count)
            {
                copy_box(s.keys + stage * TileBytes + boxAt, &a.keys, panel * 64, row, s.keyFull + 8 * stage);
            }

            barrier_wait(s.valueEmpty + 8 * stage, parity);
            if (lane == 0)
            {
                barrier_expect(s.valueFull + 8 * stage, count * boxBytes);
            }

            __syncwarp();
            if (lane < count)
            {
                copy_box(s.values + stage * TileBytes + boxAt, &a.values, panel * 64, row, s.valueFull + 8 * stage);
            }
        }
    }
}

// The warpgroups multiply in turns (FlashAttention-3, section 3.1).
__device__ __forceinline__ void wait_for_products(int group)
{
    asm volatile("bar.sync %0, 256;" ::"r"(group + 3) : "memory");
}

__device__ __forceinline__ void allow_products(int group)
{
    asm volatile("bar.arrive %0, 256;" ::"r"(group + 3) : "memory");
}

// What a warpgroup of the first two does.
__device__ __forceinline__ void attend(const HopperPrefillArguments& a, const Shared& s, const volatile Work* works)
{
    const int warp = threadIdx.x / WarpSize;
    const int lane = threadIdx.x % WarpSize;
    const int group = warp / 4;
    const int t = lane % 4;
    const int row0 = group * 64 + (warp % 4) * 16 + lane / 4; // of the tile; the thread's other row is 8 further
    const float log2e = 1.4426950408889634f;
#if QUIRE_SOFT_CAP
    const float scoreScale = a.scale;
#else
    const float scoreScale = a.scale * log2e;
#endif
    int turn = 0;
    if (group == 1)
    {
        allow_products(0);
    }

    for (int piece = 0;; piece++)
    {
        const int slot = piece % Slots;
        barrier_wait(s.workFull + 8 * slot, (piece / Slots) & 1);
        Work work;
        work.head = works[slot].head;
        work.firstRow = works[slot].firstRow;
        work.queries = works[slot].queries;
        work.context = works[slot].context;
        work.firstQuery = works[slot].firstQuery;
        if (work.head < 0)
        {
            break;
        }

        const u32 queryShared = s.queries + slot * QueryBytes;
        const int firstPosition = work.context - work.queries + work.firstQuery;
        int beginTile, endTile;
        tile_range(a, work, beginTile, endTile);
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
            for (int step = 0; step < HeadDim / 16; step++)
            {
                const u64 queryMatrix = matrix_descriptor(queryShared + (step / 4) * QueryPanelBytes + group * 64 * 128 + (step % 4) * 32, 16, 1024);
                const u64 keyMatrix = matrix_descriptor(s.keys + stage * TileBytes + (step / 4) * PanelBytes + (step % 4) * 32, 16, 1024);
                multiply_shared_n128(scores, queryMatrix, keyMatrix, step > 0);
            }

            warpgroup_commit();
        };

        auto multiply_values = [&](int stage) {
            warpgroup_arrive();
#pragma unroll
            for (int step = 0; step < Keys / 16; step++)
            {
                const u64 valueMatrix = matrix_descriptor(s.values + stage * TileBytes + step * 2048, PanelBytes, 1024);
#if QUIRE_HEAD_DIM == 128
                multiply_registers_n128(o, p[step], valueMatrix, 1);
#else
                multiply_registers_n64(o, p[step], valueMatrix, 1);
#endif
            }

            warpgroup_commit();
        };

        // Values of tokens that do not exist yet may be anything, and 0 times anything is not always 0.
        auto clear_values = [&](int tile, int stage) {
            const int present = work.context - tile * Keys;
            if (present < Keys)
            {
                for (int unit = threadIdx.x % 128; unit < (Keys - present) * Panels * 8; unit += 128)
                {
                    const int row = present + unit / (Panels * 8);
                    const int column = unit % (Panels * 8);
                    const u32 at = s.values + stage * TileBytes + (column / 8) * PanelBytes + row * 128 + (column % 8) * 16;
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
            const bool edge = key + Keys - 1 > firstPosition + group * 64 || key + Keys > work.context
                || (a.slidingWindow > 0 && key <= firstPosition + Queries - 1 - a.slidingWindow);
#if QUIRE_SOFT_CAP
#pragma unroll
            for (int i = 0; i < 64; i++)
            {
                scores[i] = a.softCap * tanhf(scores[i] * scoreScale / a.softCap) * (log2e / scoreScale);
            }
#endif

            if (edge)
            {
#pragma unroll
                for (int i = 0; i < 64; i++)
                {
                    const int token = key + (i / 4) * 8 + 2 * t + (i % 2);
                    const int position = position0 + ((i / 2) % 2) * 8;
                    const bool visible = token <= position && token < work.context && (a.slidingWindow <= 0 || token > position - a.slidingWindow);
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
            for (int step = 0; step < Keys / 16; step++)
            {
                p[step][0] = pack2(scores[8 * step], scores[8 * step + 1]);
                p[step][1] = pack2(scores[8 * step + 2], scores[8 * step + 3]);
                p[step][2] = pack2(scores[8 * step + 4], scores[8 * step + 5]);
                p[step][3] = pack2(scores[8 * step + 6], scores[8 * step + 7]);
            }
        };

        float factor[2];
        barrier_wait(s.keyFull + 8 * (turn % Stages), (turn / Stages) & 1);
        wait_for_products(group);
        multiply_keys(turn % Stages);
        allow_products(group ^ 1);
        warpgroup_wait<0>();
        hold(scores);
        if (lane == 0)
        {
            barrier_arrive(s.keyEmpty + 8 * (turn % Stages));
        }

        soften(beginTile, factor);
        pack_weights();
        for (int tile = beginTile + 1; tile < endTile; tile++)
        {
            const int previous = turn % Stages;
            const u32 previousParity = (turn / Stages) & 1;
            turn++;
            const int stage = turn % Stages;
            barrier_wait(s.keyFull + 8 * stage, (turn / Stages) & 1);
            wait_for_products(group);
            multiply_keys(stage);
            barrier_wait(s.valueFull + 8 * previous, previousParity);
            multiply_values(previous);
            allow_products(group ^ 1);
            warpgroup_wait<1>();
            hold(scores);
            if (lane == 0)
            {
                barrier_arrive(s.keyEmpty + 8 * stage);
            }

            soften(tile, factor);
            warpgroup_wait<0>();
            hold(o);
            if (lane == 0)
            {
                barrier_arrive(s.valueEmpty + 8 * previous);
            }

#pragma unroll
            for (int i = 0; i < OutputRegisters; i++)
            {
                o[i] *= factor[(i / 2) % 2];
            }

            pack_weights();
        }

        if (lane == 0)
        {
            barrier_arrive(s.workEmpty + 8 * slot);
        }

        const int last = turn % Stages;
        barrier_wait(s.valueFull + 8 * last, (turn / Stages) & 1);
        turn++;
        clear_values(endTile - 1, last);
        multiply_values(last);
#pragma unroll
        for (int j = 0; j < 2; j++)
        {
            sum[j] += __shfl_xor_sync(FullMask, sum[j], 1);
            sum[j] += __shfl_xor_sync(FullMask, sum[j], 2);
            sum[j] = 1.0f / sum[j];
        }

        warpgroup_wait<0>();
        hold(o);
        if (lane == 0)
        {
            barrier_arrive(s.valueEmpty + 8 * last);
        }

#pragma unroll
        for (int j = 0; j < 2; j++)
        {
            const int query = work.firstQuery + row0 + j * 8;
            elem* target = a.y + (i64)(work.firstRow + query) * a.yStride + work.head * HeadDim + t * 8;
#pragma unroll
            for (int part = 0; part < HeadDim / 32; part++)
            {
                u32 words[4];
#pragma unroll
                for (int i = 0; i < 4; i++)
                {
                    const int at = part * 16 + i * 4 + j * 2;
                    words[i] = pack2(o[at] * sum[j], o[at + 1] * sum[j]);
                }

                turn_words(words, t);
                if (query < work.queries)
                {
                    *reinterpret_cast<uint4*>(target + part * 32) = make_uint4(words[0], words[1], words[2], words[3]);
                }
            }
        }
    }

    if (group == 0)
    {
        wait_for_products(0); // the other one's last leave
    }
}

extern "C" __global__ void __launch_bounds__(Threads, 1) attention_prefill_hopper(const __grid_constant__ HopperPrefillArguments a)
{
    __shared__ __align__(8) u64 barriers[4 * Stages + 2 * Slots];
    __shared__ Work works[Slots];
    __shared__ int found[2];
    allow_next_kernel();
    Shared s;
    s.queries = (shared_address(shared) + 1023) & ~1023u;
    s.keys = s.queries + Slots * QueryBytes;
    s.values = s.keys + Stages * TileBytes;
    s.keyFull = shared_address(barriers);
    s.keyEmpty = s.keyFull + 8 * Stages;
    s.valueFull = s.keyEmpty + 8 * Stages;
    s.valueEmpty = s.valueFull + 8 * Stages;
    s.workFull = s.valueEmpty + 8 * Stages;
    s.workEmpty = s.workFull + 8 * Slots;
    if (threadIdx.x == 0)
    {
        for (int i = 0; i < Stages; i++)
        {
            barrier_create(s.keyFull + 8 * i, 1);
            barrier_create(s.keyEmpty + 8 * i, Groups * 4);
            barrier_create(s.valueFull + 8 * i, 1);
            barrier_create(s.valueEmpty + 8 * i, Groups * 4);
        }

        for (int i = 0; i < Slots; i++)
        {
            barrier_create(s.workFull + 8 * i, 1);
            barrier_create(s.workEmpty + 8 * i, Groups * 4);
        }

        fence_for_tensor_units();
    }

    __syncthreads();
    wait_for_previous_kernel();
    const int warp = threadIdx.x / WarpSize;
    if (warp >= Groups * 4)
    {
        give_registers<24>();
        if (warp == Groups * 4)
        {
            bring(a, s, works, found);
        }
    }
    else
    {
        take_registers<240>();
        attend(a, s, works);
    }
}
