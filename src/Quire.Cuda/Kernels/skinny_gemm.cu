// y[M, N] = x[M, K] W[N, K]^T for few rows (M <= 8 * QUIRE_TILES), where the time is that of reading W once.
//
// A block takes 32 (or 16) rows of W; its eight warps divide K among them and add up at the end. Weights go from memory to the registers of
// the tensor core without shared memory: since a dot product does not mind the order of K, each thread loads 16 adjacent bytes of a row and
// uses them as the K indices that the fragment layout gives it, for x alike. The first weights are requested before the kernel waits for
// its predecessor, so that memory stays busy between kernels.
//
// Fused around it, each optional: the RMS norm of x (its weight is applied to x, its scale, one number a row, to the result), a bias, adding
// to y (the residual stream), and the gated activation, for which a block takes 16 rows of the gate and the 16 matching rows of up.
//
// Compile-time: QUIRE_TILES (1, 2 or 4), QUIRE_ROW_TILES (1 or 2: 16 or 32 rows of W a block).
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
constexpr int Chunks = (Tiles > 2 ? 2 : 4) / RowTiles; // of 32 elements of K: what a warp loads before it computes
constexpr int Span = Chunks * 32;

struct SkinnyArguments
{
    const elem* x;
    const elem* w;
    void* y;
    const elem* bias;       // [N] or null
    const elem* normWeight; // [K] or null
    int m;
    int n;       // outputs; the inner size when gated
    int k;       // a multiple of 8
    int xStride;
    int wStride;
    int yStride;
    int upOffset;   // rows of W from gate to up when gated, else 0
    int activation; // when gated
    int accumulate; // y += result
    int floatOutput;
    float epsilon;
    float weightOffset;
};

__device__ __forceinline__ uint4 load_weights(const elem* address)
{
    uint4 v;
    asm volatile("ld.global.nc.L1::no_allocate.L2::128B.v4.u32 {%0, %1, %2, %3}, [%4];" : "=r"(v.x), "=r"(v.y), "=r"(v.z), "=r"(v.w) : "l"(address));
    return v;
}

extern "C" __global__ void __launch_bounds__(Warps* WarpSize, 2) skinny_gemm(const __grid_constant__ SkinnyArguments a)
{
    __shared__ float partial[Warps][Rows][Columns + 1];
    __shared__ float squares[Warps][Columns];
    const int warp = threadIdx.x / WarpSize;
    const int lane = threadIdx.x % WarpSize;
    const int g = lane / 4;
    const int t = lane % 4;
    const bool gated = a.upOffset > 0;
    const int rowsPerBlock = gated ? Rows / 2 : Rows;
    const int firstRow = blockIdx.x * rowsPerBlock;

    // This thread's rows of W: row g and g + 8 of each tile. Rows beyond the matrix read its last row; their results are dropped.
    const elem* weights[RowTiles][2];
#pragma unroll
    for (int r = 0; r < RowTiles; r++)
    {
#pragma unroll
        for (int h = 0; h < 2; h++)
        {
            const int within = (gated ? 0 : r * 16) + h * 8 + g;
            const int row = min(firstRow + within, a.n - 1) + (gated && r == 1 ? a.upOffset : 0);
            weights[r][h] = a.w + (i64)row * a.wStride + 8 * t;
        }
    }

    uint4 w[Chunks][RowTiles][2];
    auto fetch = [&](int k) {
#pragma unroll
        for (int c = 0; c < Chunks; c++)
        {
            const bool valid = k + c * 32 + 8 * t < a.k;
#pragma unroll
            for (int r = 0; r < RowTiles; r++)
            {
#pragma unroll
                for (int h = 0; h < 2; h++)
                {
                    w[c][r][h] = valid ? load_weights(weights[r][h] + k + c * 32) : make_uint4(0, 0, 0, 0);
                }
            }
        }
    };

    // What comes with the weights of a span: x, and the norm's weight.
    Vector8 x[Chunks][Tiles];
    Vector8 normWeight[Chunks];
    auto fetch_x = [&](int k) {
#pragma unroll
        for (int c = 0; c < Chunks; c++)
        {
            const int at = k + c * 32 + 8 * t;
            const bool inside = at < a.k;
#pragma unroll
            for (int n = 0; n < Tiles; n++)
            {
                const int row = n * 8 + g;
                x[c][n].bits = make_uint4(0, 0, 0, 0);
                if (inside && row < a.m)
                {
                    x[c][n].load(a.x + (i64)row * a.xStride + at);
                }
            }

            normWeight[c].bits = make_uint4(0, 0, 0, 0);
            if (a.normWeight != nullptr && inside)
            {
                normWeight[c].load(a.normWeight + at);
            }
        }
    };

    int k = warp * Span;
    fetch(k);
    allow_next_kernel();
    wait_for_previous_kernel();
    fetch_x(k);

    float c[RowTiles][Tiles][4];
    float square[Tiles];
#pragma unroll
    for (int n = 0; n < Tiles; n++)
    {
        square[n] = 0.0f;
#pragma unroll
        for (int r = 0; r < RowTiles; r++)
        {
            c[r][n][0] = c[r][n][1] = c[r][n][2] = c[r][n][3] = 0.0f;
        }
    }

    while (k < a.k)
    {
#pragma unroll
        for (int chunk = 0; chunk < Chunks; chunk++)
        {
            float scale[8];
            if (a.normWeight != nullptr)
            {
                normWeight[chunk].to_floats(scale);
#pragma unroll
                for (int i = 0; i < 8; i++)
                {
                    scale[i] += a.weightOffset;
                }
            }

#pragma unroll
            for (int n = 0; n < Tiles; n++)
            {
                Vector8 v = x[chunk][n];
                if (a.normWeight != nullptr)
                {
                    float f[8];
                    v.to_floats(f);
#pragma unroll
                    for (int i = 0; i < 8; i++)
                    {
                        square[n] += f[i] * f[i];
                        f[i] *= scale[i];
                    }

                    v.from_floats(f);
                }

#pragma unroll
                for (int r = 0; r < RowTiles; r++)
                {
                    multiply_add(c[r][n], w[chunk][r][0].x, w[chunk][r][1].x, w[chunk][r][0].y, w[chunk][r][1].y, v.bits.x, v.bits.y);
                    multiply_add(c[r][n], w[chunk][r][0].z, w[chunk][r][1].z, w[chunk][r][0].w, w[chunk][r][1].w, v.bits.z, v.bits.w);
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

        if (a.normWeight != nullptr)
        {
            // Lanes of one g hold different k of the same row of x.
            square[n] += __shfl_xor_sync(FullMask, square[n], 1);
            square[n] += __shfl_xor_sync(FullMask, square[n], 2);
            if (t == 0)
            {
                squares[warp][n * 8 + g] = square[n];
            }
        }
    }

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
            result += partial[s][row][m];
            up += gated ? partial[s][(Rows / 2 + row) % Rows][m] : 0.0f;
        }

        if (a.normWeight != nullptr)
        {
            float total = 0.0f;
#pragma unroll
            for (int s = 0; s < Warps; s++)
            {
                total += squares[s][m];
            }

            const float scale = rsqrtf(total / a.k + a.epsilon);
            result *= scale;
            up *= scale;
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
