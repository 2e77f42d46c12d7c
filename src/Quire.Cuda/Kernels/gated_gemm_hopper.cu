// y = activation(x Gᵀ) * (x Uᵀ) for many rows on Hopper, G and U being the halves of one weight.
//
// After CUTLASS's persistent warp-specialised kernels (https://github.com/NVIDIA/cutlass, "Efficient GEMM in CUDA"): a block stays on its
// multiprocessor and takes one tile after the other; a warp brings pieces of x and W by the copy engine, several ahead, and two warpgroups
// multiply them, 64 rows of 256 outputs each. Two blocks form a cluster with the same outputs for adjacent rows: one reads the piece of G, the
// other that of U, and each sends it to both. The 128 outputs of either half meet in one thread's registers and leave from there: neither half
// is written and read again, which is what an activation behind a library's product costs. Rows and outputs beyond the ends read as zeroes
// and are not written.
//
// Compile-time: QUIRE_ACTIVATION (its number). All of them, unrolled 64 times, would not fit into the instruction cache.
#include "warpgroup.cuh"

#ifndef QUIRE_ACTIVATION
#define QUIRE_ACTIVATION 0
#endif

constexpr int Stages = 4;
constexpr int TileRows = 128;   // of a block; 64 of a warpgroup
constexpr int TileOutputs = 128; // of y: as many rows of G and of U
constexpr int GroupRows = 8;    // clusters that take adjacent rows at a time
constexpr int Groups = 2;
constexpr int Threads = (Groups + 1) * 128;
constexpr int Depth = 64; // of a stage: the 128 bytes that the swizzle covers
constexpr int RowBytes = TileRows * Depth * 2;
constexpr int HalfBytes = TileOutputs * Depth * 2;
constexpr int StageBytes = RowBytes + 2 * HalfBytes;

struct __align__(64) TensorMap
{
    u64 opaque[16];
};

struct GatedGemmArguments
{
    TensorMap x; // [rows, depth], boxes of 64 elements by 128 rows
    TensorMap w; // [2 * outputs, depth], likewise
    elem* y;
    int rows;
    int outputs; // a multiple of 8
    int depth;
    int yStride;
};

extern __shared__ __align__(1024) u8 shared[];

// The order in which clusters take tiles: some rows of tiles, column by column, then the next rows. What runs at a time is about as wide as
// high, so that the L2 cache holds what its tiles read in common.
struct TileOrder
{
    int tiles;
    int height;
    int columns;

    __device__ __forceinline__ TileOrder(int rows, int outputs)
    {
        height = (rows + 2 * TileRows - 1) / (2 * TileRows);
        columns = (outputs + TileOutputs - 1) / TileOutputs;
        tiles = height * columns;
    }

    __device__ __forceinline__ void find(int tile, int& row, int& column) const
    {
        const int group = tile / (GroupRows * columns);
        const int within = tile % (GroupRows * columns);
        const int rows = min(GroupRows, height - group * GroupRows);
        row = group * GroupRows + within % rows;
        column = within / rows;
    }
};

__device__ __forceinline__ float gate(float x)
{
#if QUIRE_ACTIVATION == 0
    return __fdividef(x, 1.0f + __expf(-x));
#else
    return activate(QUIRE_ACTIVATION, x);
#endif
}

extern "C" __global__ void __launch_bounds__(Threads, 1) gated_gemm_hopper(const __grid_constant__ GatedGemmArguments a)
{
    __shared__ __align__(8) u64 barriers[2 * Stages];
    allow_next_kernel();
    const int warp = threadIdx.x / WarpSize;
    const int lane = threadIdx.x % WarpSize;
    const u32 rank = cluster_rank();
    const u32 base = (shared_address(shared) + 1023) & ~1023u;
    const u32 full = shared_address(barriers);
    const u32 empty = full + 8 * Stages;
    if (threadIdx.x == 0)
    {
        for (int s = 0; s < Stages; s++)
        {
            barrier_create(full + 8 * s, 1);
            barrier_create(empty + 8 * s, 2 * Groups); // both blocks' warpgroups
        }

        fence_barriers_for_cluster();
    }

    cluster_arrive();
    cluster_wait();
    wait_for_previous_kernel();

    const int steps = (a.depth + Depth - 1) / Depth;
    const TileOrder order(a.rows, a.outputs);
    const int firstTile = blockIdx.x / 2;
    const int stride = gridDim.x / 2;
    if (warp >= Groups * 4)
    {
        give_registers<40>();
        if (warp == Groups * 4 && lane == 0)
        {
            int turn = 0;
            for (int tile = firstTile; tile < order.tiles; tile += stride)
            {
                int m, n;
                order.find(tile, m, n);
                const int row = (2 * m + rank) * TileRows;
                const int weight = n * TileOutputs + rank * a.outputs;
                for (int step = 0; step < steps; step++, turn++)
                {
                    const int stage = turn % Stages;
                    const u32 at = base + stage * StageBytes;
                    barrier_wait(empty + 8 * stage, ((turn / Stages) & 1) ^ 1);
                    barrier_expect(full + 8 * stage, StageBytes);
                    copy_box(at, &a.x, step * Depth, row, full + 8 * stage);
                    copy_box_to_cluster(at + RowBytes + rank * HalfBytes, &a.w, step * Depth, weight, full + 8 * stage, 3);
                }
            }
        }
    }
    else
    {
        take_registers<232>();
        const int group = warp / 4;
        float d[128]; // the gate's 64 sums, then those of the other half
        int turn = 0;
        for (int tile = firstTile; tile < order.tiles; tile += stride)
        {
            int m, n;
            order.find(tile, m, n);
            for (int step = 0; step < steps; step++, turn++)
            {
                const int stage = turn % Stages;
                const u32 at = base + stage * StageBytes;
                barrier_wait(full + 8 * stage, (turn / Stages) & 1);
                warpgroup_arrive();
#pragma unroll
                for (int part = 0; part < 4; part++)
                {
                    const u64 rows = matrix_descriptor(at + group * 64 * Depth * 2 + part * 32, 16, 1024);
                    const u64 weights = matrix_descriptor(at + RowBytes + part * 32, 16, 1024);
                    multiply_shared_n256(d, rows, weights, step + part > 0);
                }

                warpgroup_commit();
                warpgroup_wait<1>();
                if (step > 0 && lane == 0 && warp % 4 < 2)
                {
                    barrier_arrive_at(empty + 8 * ((turn - 1) % Stages), warp % 4);
                }
            }

            warpgroup_wait<0>();
            hold(d);
            if (lane == 0 && warp % 4 < 2)
            {
                barrier_arrive_at(empty + 8 * ((turn - 1) % Stages), warp % 4);
            }

            // This thread's sums: rows of the warp's 16 that lane / 4 says, and 8 further; of each 8 outputs two. The four threads of a row
            // turn their words, so that each has eight adjacent outputs.
            const int row = (2 * m + rank) * TileRows + group * 64 + (warp % 4) * 16 + lane / 4;
#pragma unroll
            for (int part = 0; part < TileOutputs / 32; part++)
            {
                const int column = n * TileOutputs + part * 32 + (lane % 4) * 8;
#pragma unroll
                for (int half = 0; half < 2; half++)
                {
                    u32 words[4];
#pragma unroll
                    for (int i = 0; i < 4; i++)
                    {
                        const int at = part * 16 + i * 4 + half * 2;
                        words[i] = pack2(gate(d[at]) * d[64 + at], gate(d[at + 1]) * d[64 + at + 1]);
                    }

                    turn_words(words, lane % 4);
                    if (row + half * 8 < a.rows && column < a.outputs)
                    {
                        *reinterpret_cast<uint4*>(a.y + (i64)(row + half * 8) * a.yStride + column) = make_uint4(words[0], words[1], words[2], words[3]);
                    }
                }
            }
        }
    }

    // Nobody leaves while the other block may still write to it.
    __syncwarp();
    cluster_arrive();
    cluster_wait();
}
