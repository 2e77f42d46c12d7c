// What the products for few rows share (skinny_gemm.cu, skinny_packed.cu): their arguments, and what happens after the sums.
#pragma once
#include "tensor_core.cuh"

#ifndef QUIRE_TILES
#define QUIRE_TILES 1
#endif
#ifndef QUIRE_ROW_TILES
#define QUIRE_ROW_TILES 2
#endif

constexpr int Tiles = QUIRE_TILES;
constexpr int RowTiles = QUIRE_ROW_TILES;
constexpr int Rows = RowTiles * 16;
constexpr int Columns = Tiles * 8;
constexpr int Warps = 8;

struct SkinnyArguments
{
    const elem* x;
    const void* w; // rows of elements, or packed as skinny_packed.cu says
    void* y;
    const elem* bias;       // [N] or null
    const elem* normWeight; // [K] or null
    const float* scales;    // packed weights: [N], or [N, groups]
    const u8* zeros;        // packed integers: [N, groups], or null where each is half of the range
    int m;
    int n;       // outputs; the inner size when gated
    int k;       // a multiple of 8
    int xStride;
    int wStride;    // elements of W, or bytes when it is packed
    int yStride;
    int upOffset;   // rows of W from gate to up when gated, else 0
    int activation; // when gated
    int accumulate; // y += result
    int floatOutput;
    float epsilon;
    int normAddsOne; // the norm's weights are 1 + normWeight
    int groupSize;  // packed integers: elements of K that share a scale
    int groups;
};

__device__ __forceinline__ uint4 load_weights(const void* address)
{
    uint4 v;
    asm volatile("ld.global.nc.L1::no_allocate.L2::128B.v4.u32 {%0, %1, %2, %3}, [%4];" : "=r"(v.x), "=r"(v.y), "=r"(v.z), "=r"(v.w) : "l"(address));
    return v;
}

// The sums of the eight warps of a block, and the squares of x where a norm is joined.
struct SkinnySums
{
    float partial[Warps][Rows][Columns + 1];
    float squares[Warps][Columns];

    // Keeps a warp's accumulators: fragments of m16n8, with g = lane / 4 and t = lane % 4.
    __device__ __forceinline__ void keep(int warp, int g, int t, const float (&c)[RowTiles][Tiles][4])
    {
#pragma unroll
        for (int n = 0; n < Tiles; n++)
        {
#pragma unroll
            for (int r = 0; r < RowTiles; r++)
            {
                partial[warp][r * 16 + g][n * 8 + 2 * t] = c[r][n][0];
                partial[warp][r * 16 + g][n * 8 + 2 * t + 1] = c[r][n][1];
                partial[warp][r * 16 + g + 8][n * 8 + 2 * t] = c[r][n][2];
                partial[warp][r * 16 + g + 8][n * 8 + 2 * t + 1] = c[r][n][3];
            }
        }
    }

    // Keeps a warp's sums of squares: the diagonals that add_squares made.
    __device__ __forceinline__ void keep_squares(int warp, int g, int t, const float (&squared)[Tiles][4])
    {
#pragma unroll
        for (int n = 0; n < Tiles; n++)
        {
            if (t == g / 2)
            {
                squares[warp][n * 8 + g] = g % 2 == 0 ? squared[n][0] : squared[n][1];
            }
        }
    }
};

// x[row g] . x[row g] on the diagonal of c, by the tensor core: a fragment of x as B is at the same time the upper half of one as A.
__device__ __forceinline__ void add_squares(float (&c)[4], u32 b0, u32 b1)
{
    multiply_add(c, b0, 0, b1, 0, b0, b1);
}

// x * w, or x * (1 + w), for two elements.
__device__ __forceinline__ u32 weighted2(u32 x, u32 w, bool addsOne)
{
    return fused2(x, w, addsOne ? x : 0x80008000u);
}

// Adds the warps' sums up and stores y, with the norm's scale, the scale of each output, the bias, the activation and the residual.
template <bool ScaledOutputs>
__device__ __forceinline__ void finish(const SkinnyArguments& a, const SkinnySums& sums, int firstRow, int rowsPerBlock, bool gated)
{
    __syncthreads();
    for (int i = threadIdx.x; i < rowsPerBlock * a.m; i += Warps * WarpSize)
    {
        const int row = i % rowsPerBlock;
        const int m = i / rowsPerBlock;
        const int n = firstRow + row;
        if (n >= a.n)
        {
            continue;
        }

        float result = 0.0f;
        float up = 0.0f;
#pragma unroll
        for (int s = 0; s < Warps; s++)
        {
            result += sums.partial[s][row][m];
            up += gated ? sums.partial[s][(Rows / 2 + row) % Rows][m] : 0.0f;
        }

        if (a.normWeight != nullptr)
        {
            float total = 0.0f;
#pragma unroll
            for (int s = 0; s < Warps; s++)
            {
                total += sums.squares[s][m];
            }

            const float scale = rsqrtf(total / a.k + a.epsilon);
            result *= scale;
            up *= scale;
        }

        if (ScaledOutputs)
        {
            result *= a.scales[n];
            up *= gated ? a.scales[n + a.upOffset] : 0.0f;
        }

        if (a.bias != nullptr)
        {
            result += to_float(a.bias[n]);
            up += gated ? to_float(a.bias[n + a.upOffset]) : 0.0f;
        }

        if (gated)
        {
            result = activate(a.activation, result) * up;
        }

        const i64 target = (i64)m * a.yStride + n;
        if (a.floatOutput)
        {
            ((float*)a.y)[target] = result;
        }
        else
        {
            elem* y = (elem*)a.y + target;
            *y = to_elem(a.accumulate ? to_float(*y) + rounded(result) : result);
        }
    }
}
