// Low-rank updates of several adapters in one step: y += B (A x), with the factors of each row's adapter in its slot of stacked buffers.
#include "numeric.cuh"

struct LoraArguments
{
    const elem* x;
    elem* y;
    const elem* factorsA; // [slots * parts * rank, inFeatures]
    const elem* factorsB; // [slots * rank, outFeatures]
    const int* slots; // of each row; -1 for none
    const int* order; // the rows that have an adapter
    int inFeatures;
    int outFeatures;
    int rank;
    int parts;
    int partEnd0; // columns of y where the first three of up to four parts end; beyond all columns where there are fewer parts
    int partEnd1;
    int partEnd2;
    int xStride;
    int yStride;
};

extern __shared__ float projected[]; // [parts * rank]

// A block for each row that has an adapter: A x by warps, then B's columns by threads. Rows of A and B past an adapter's rank are zero.
extern "C" __global__ void __launch_bounds__(256) add_lora(const __grid_constant__ LoraArguments a)
{
    allow_next_kernel();
    wait_for_previous_kernel();
    const int row = a.order[blockIdx.x];
    const int slot = a.slots[row];
    if (slot < 0)
    {
        return;
    }

    const int warp = threadIdx.x / WarpSize;
    const int lane = threadIdx.x % WarpSize;
    const elem* x = a.x + (i64)row * a.xStride;
    for (int r = warp; r < a.parts * a.rank; r += 8)
    {
        const elem* factor = a.factorsA + ((i64)slot * a.parts * a.rank + r) * a.inFeatures;
        float sum = 0.0f;
        for (int k = lane; k < a.inFeatures; k += WarpSize)
        {
            sum += to_float(factor[k]) * to_float(x[k]);
        }

        sum = warp_sum(sum);
        if (lane == 0)
        {
            projected[r] = sum;
        }
    }

    __syncthreads();
    elem* y = a.y + (i64)row * a.yStride;
    const elem* factor = a.factorsB + (i64)slot * a.rank * a.outFeatures;
    for (int c = blockIdx.y * 256 + threadIdx.x; c < a.outFeatures; c += gridDim.y * 256)
    {
        const int part = (c >= a.partEnd0) + (c >= a.partEnd1) + (c >= a.partEnd2);
        float sum = 0.0f;
        for (int r = 0; r < a.rank; r++)
        {
            sum += to_float(factor[(i64)r * a.outFeatures + c]) * projected[part * a.rank + r];
        }

        y[c] = to_elem(to_float(y[c]) + sum);
    }
}
