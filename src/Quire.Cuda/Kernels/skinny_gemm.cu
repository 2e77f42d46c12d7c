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
#include "skinny.cuh"

constexpr int Chunks = (Tiles > 2 ? 2 : 4) / RowTiles; // of 32 elements of K: what a warp loads before it computes
constexpr int Span = Chunks * 32;

extern "C" __global__ void __launch_bounds__(Warps* WarpSize, 2) skinny_gemm(const __grid_constant__ SkinnyArguments a)
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
    const elem* weights[RowTiles][2];
#pragma unroll
    for (int r = 0; r < RowTiles; r++)
    {
#pragma unroll
        for (int h = 0; h < 2; h++)
        {
            const int within = (gated ? 0 : r * 16) + h * 8 + g;
            const int row = min(firstRow + within, a.n - 1) + (gated && r == 1 ? a.upOffset : 0);
            weights[r][h] = (const elem*)a.w + (i64)row * a.wStride + 8 * t;
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
    float squares[Tiles][4];
#pragma unroll
    for (int n = 0; n < Tiles; n++)
    {
        squares[n][0] = squares[n][1] = squares[n][2] = squares[n][3] = 0.0f;
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
#pragma unroll
            for (int n = 0; n < Tiles; n++)
            {
                uint4 v = x[chunk][n].bits;
                if (a.normWeight != nullptr)
                {
                    const uint4 weight = normWeight[chunk].bits;
                    add_squares(squares[n], v.x, v.y);
                    add_squares(squares[n], v.z, v.w);
                    v.x = weighted2(v.x, weight.x, addsOne);
                    v.y = weighted2(v.y, weight.y, addsOne);
                    v.z = weighted2(v.z, weight.z, addsOne);
                    v.w = weighted2(v.w, weight.w, addsOne);
                }

#pragma unroll
                for (int r = 0; r < RowTiles; r++)
                {
                    multiply_add(c[r][n], w[chunk][r][0].x, w[chunk][r][1].x, w[chunk][r][0].y, w[chunk][r][1].y, v.x, v.y);
                    multiply_add(c[r][n], w[chunk][r][0].z, w[chunk][r][1].z, w[chunk][r][0].w, w[chunk][r][1].w, v.z, v.w);
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

    finish<false>(a, sums, firstRow, rowsPerBlock, gated);
}
