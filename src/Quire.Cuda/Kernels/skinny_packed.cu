// y[M, N] = x[M, K] W[N, K]^T for few rows (M <= 8 * QUIRE_TILES) over weights of 8 or 4 bits, which are unpacked in registers to the element
// type, exactly; scales are applied to the sums. See skinny_gemm.cu for how a block works and what is joined with the product.
//
// QUIRE_FORMAT says what a row of W is, and in which order: the K of a fragment's registers can be any, as long as x has the same.
//   0  FP8 E4M3, adjacent. A thread loads 16 adjacent ones. One scale for each output.
//   1  unsigned bytes in chunks of 64: the thread t = lane % 4 loads the 16 bytes of columns 16 j + 4 t + (0..3), j = 0..3.
//   2  nibbles in chunks of 128: the thread t loads the four words of columns 32 i + 16 h + 4 t + (0..3), i = 0..3, h = 0, 1; of the eight
//      elements of a word, pair p (elements 2 p and 2 p + 1) is in nibbles p and p + 4.
// Integers have a scale, and a zero point or half of the range, for each output and group of groupSize columns, a multiple of QUIRE_FOLD.
// Rows are padded to whole chunks.
//
// Compile-time: QUIRE_TILES (1, 2 or 4), QUIRE_ROW_TILES (1 or 2), QUIRE_FORMAT, QUIRE_FOLD (a multiple of 16 that divides a chunk),
// QUIRE_CHUNKS (what a warp loads before it computes) and QUIRE_BLOCKS (of a multiprocessor): registers against loads in flight.
#include "skinny.cuh"
#include "unpack.cuh"

#ifndef QUIRE_CHUNKS
#define QUIRE_CHUNKS 1
#endif
#ifndef QUIRE_BLOCKS
#define QUIRE_BLOCKS 2
#endif
constexpr int Chunks = QUIRE_CHUNKS;
constexpr int Span = Chunks * ChunkColumns;
constexpr int Steps = ChunkColumns / 16; // products of 16 columns in a chunk

// A thread's columns of a chunk, four of each step.
struct ChunkOfX
{
    uint2 steps[Steps];

    // From the chunk's first column on; columns beyond the row's end are zero.
    __device__ __forceinline__ void load(const elem* row, int start, int t, int columns)
    {
        if (Format == 0)
        {
            // Adjacent ones: two loads of 16 bytes.
#pragma unroll
            for (int j = 0; j < Steps; j += 2)
            {
                const int column = start + 16 * t + 4 * j;
                const uint4 bits = column < columns ? *(const uint4*)(row + column) : make_uint4(0, 0, 0, 0);
                steps[j] = make_uint2(bits.x, bits.y);
                steps[j + 1] = make_uint2(bits.z, bits.w);
            }

            return;
        }

#pragma unroll
        for (int j = 0; j < Steps; j++)
        {
            const int column = start + 16 * j + 4 * t;
            steps[j] = column < columns ? *(const uint2*)(row + column) : make_uint2(0, 0);
        }
    }

    __device__ __forceinline__ void clear()
    {
#pragma unroll
        for (int j = 0; j < Steps; j++)
        {
            steps[j] = make_uint2(0, 0);
        }
    }
};

extern "C" __global__ void __launch_bounds__(Warps* WarpSize, QUIRE_BLOCKS) skinny_packed(const __grid_constant__ SkinnyArguments a)
{
    __shared__ SkinnySums sums;
    const int warp = threadIdx.x / WarpSize;
    const int lane = threadIdx.x % WarpSize;
    const int g = lane / 4;
    const int t = lane % 4;
    const bool gated = a.upOffset > 0;
    const bool addsOne = a.normAddsOne != 0;
    const int rowsPerBlock = gated ? Rows / 2 : Rows;
    const int firstRow = blockIdx.x * rowsPerBlock;

    // This thread's rows of W: row g and g + 8 of each tile. Rows beyond the matrix read its last row; their results are dropped.
    int rows[RowTiles][2];
    const u8* weights[RowTiles][2];
#pragma unroll
    for (int r = 0; r < RowTiles; r++)
    {
#pragma unroll
        for (int h = 0; h < 2; h++)
        {
            const int within = (gated ? 0 : r * 16) + h * 8 + g;
            rows[r][h] = min(firstRow + within, a.n - 1) + (gated && r == 1 ? a.upOffset : 0);
            weights[r][h] = (const u8*)a.w + (i64)rows[r][h] * a.wStride + 16 * t;
        }
    }

    uint4 w[Chunks][RowTiles][2];
    auto fetch = [&](int k) {
#pragma unroll
        for (int c = 0; c < Chunks; c++)
        {
            const bool valid = k + c * ChunkColumns + (Format == 0 ? 16 * t : 0) < a.k;
#pragma unroll
            for (int r = 0; r < RowTiles; r++)
            {
#pragma unroll
                for (int h = 0; h < 2; h++)
                {
                    w[c][r][h] = valid ? load_weights(weights[r][h] + (k / ChunkColumns + c) * 64) : make_uint4(0, 0, 0, 0);
                }
            }
        }
    };

    // What comes with the weights of a span: x, and the norm's weight.
    ChunkOfX x[Chunks][Tiles];
    ChunkOfX normWeight[Chunks];
    auto fetch_x = [&](int k) {
#pragma unroll
        for (int c = 0; c < Chunks; c++)
        {
#pragma unroll
            for (int n = 0; n < Tiles; n++)
            {
                const int row = n * 8 + g;
                x[c][n].clear();
                if (row < a.m)
                {
                    x[c][n].load(a.x + (i64)row * a.xStride, k + c * ChunkColumns, t, a.k);
                }
            }

            if (a.normWeight != nullptr)
            {
                normWeight[c].load(a.normWeight, k + c * ChunkColumns, t, a.k);
            }
        }
    };

    int k = warp * Span;
    fetch(k);
    allow_next_kernel();
    wait_for_previous_kernel();
    fetch_x(k);

    float c[RowTiles][Tiles][4];
    float group[RowTiles][Tiles][4]; // integers: sums of columns that share scales
    float squares[Tiles][4];
#pragma unroll
    for (int n = 0; n < Tiles; n++)
    {
        squares[n][0] = squares[n][1] = squares[n][2] = squares[n][3] = 0.0f;
#pragma unroll
        for (int r = 0; r < RowTiles; r++)
        {
#pragma unroll
            for (int i = 0; i < 4; i++)
            {
                c[r][n][i] = group[r][n][i] = 0.0f;
            }
        }
    }

    while (k < a.k)
    {
#pragma unroll
        for (int chunk = 0; chunk < Chunks; chunk++)
        {
            const int start = k + chunk * ChunkColumns;
            if (start >= a.k)
            {
                break;
            }

#pragma unroll
            for (int fold = 0; fold < ChunkColumns / FoldColumns; fold++)
            {
                // The scales and zero points of what comes now.
                float scale[RowTiles][2];
                float zero[RowTiles][2];
                if (Format != 0)
                {
                    const int at = min((start + fold * FoldColumns) / a.groupSize, a.groups - 1);
#pragma unroll
                    for (int r = 0; r < RowTiles; r++)
                    {
#pragma unroll
                        for (int h = 0; h < 2; h++)
                        {
                            const i64 index = (i64)rows[r][h] * a.groups + at;
                            scale[r][h] = __ldg(a.scales + index);
                            zero[r][h] = a.zeros != nullptr ? (float)__ldg(a.zeros + index) : HalfRange;
                        }
                    }
                }

#pragma unroll
                for (int inner = 0; inner < FoldColumns / 16; inner++)
                {
                    const int j = fold * (FoldColumns / 16) + inner;
                    u32 fragments[RowTiles][2][2];
#pragma unroll
                    for (int r = 0; r < RowTiles; r++)
                    {
#pragma unroll
                        for (int h = 0; h < 2; h++)
                        {
                            unpack4(w[chunk][r][h], j, zero[r][h], fragments[r][h]);
                        }
                    }

#pragma unroll
                    for (int n = 0; n < Tiles; n++)
                    {
                        uint2 v = x[chunk][n].steps[j];
                        if (a.normWeight != nullptr)
                        {
                            add_squares(squares[n], v.x, v.y);
                            v.x = weighted2(v.x, normWeight[chunk].steps[j].x, addsOne);
                            v.y = weighted2(v.y, normWeight[chunk].steps[j].y, addsOne);
                        }

#pragma unroll
                        for (int r = 0; r < RowTiles; r++)
                        {
                            multiply_add(Format == 0 ? c[r][n] : group[r][n], fragments[r][0][0], fragments[r][1][0], fragments[r][0][1], fragments[r][1][1], v.x, v.y);
                        }
                    }
                }

                if (Format != 0)
                {
#pragma unroll
                    for (int r = 0; r < RowTiles; r++)
                    {
#pragma unroll
                        for (int n = 0; n < Tiles; n++)
                        {
#pragma unroll
                            for (int i = 0; i < 4; i++)
                            {
                                c[r][n][i] += scale[r][i / 2] * group[r][n][i];
                                group[r][n][i] = 0.0f;
                            }
                        }
                    }
                }
            }
        }

        k += Warps * Span;
        if (k < a.k)
        {
            fetch(k);
            fetch_x(k);
        }
    }

    sums.keep(warp, g, t, c);
    if (a.normWeight != nullptr)
    {
        sums.keep_squares(warp, g, t, squares);
    }

    finish<Format == 0>(a, sums, firstRow, rowsPerBlock, gated);
}
