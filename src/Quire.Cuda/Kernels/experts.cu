// Mixtures of experts: choosing experts, the product of each row with its expert's weight, and the weighted sum of their outputs.
#include "numeric.cuh"

struct RouteArguments
{
    const float* logits;
    int* ids;      // [tokens, topK]
    float* weights; // [tokens, topK]
    int experts;
    int topK;
    int stride;
    int normalise;
};

// One warp a token: the largest logits one after the other, the lower number first among equals, NaN last.
extern "C" __global__ void __launch_bounds__(WarpSize) route_experts(const __grid_constant__ RouteArguments a)
{
    allow_next_kernel();
    wait_for_previous_kernel();
    const int token = blockIdx.x;
    const int lane = threadIdx.x;
    const float* logits = a.logits + (i64)token * a.stride;
    int* ids = a.ids + (i64)token * a.topK;
    float* weights = a.weights + (i64)token * a.topK;
    float largest = 0.0f;
    float chosenSum = 0.0f;
    u64 below = ~0ull; // keys of what is taken are at or above this
    for (int j = 0; j < a.topK; j++)
    {
        u64 best = 0;
        for (int e = lane; e < a.experts; e += WarpSize)
        {
            u32 bits = __float_as_uint(logits[e]);
            bits = (bits & 0x80000000u) != 0 ? ~bits : bits | 0x80000000u;
            bits = logits[e] != logits[e] ? 0u : bits;
            const u64 key = ((u64)bits << 32) | (u32)~e;
            best = key < below ? max(best, key) : best;
        }

#pragma unroll
        for (int offset = 16; offset > 0; offset /= 2)
        {
            best = max(best, __shfl_xor_sync(FullMask, best, offset));
        }

        below = best;
        const int id = (int)~(u32)best;
        const float logit = logits[id];
        largest = j == 0 ? logit : largest;
        const float weight = __expf(logit - largest);
        chosenSum += weight;
        if (lane == 0)
        {
            ids[j] = id;
            weights[j] = weight;
        }
    }

    float total = chosenSum;
    if (!a.normalise)
    {
        total = 0.0f;
        for (int e = lane; e < a.experts; e += WarpSize)
        {
            total += __expf(logits[e] - largest);
        }

        total = warp_sum(total);
    }

    __syncwarp();
    if (lane == 0)
    {
        for (int j = 0; j < a.topK; j++)
        {
            weights[j] /= total;
        }
    }
}

struct ExpertLinearArguments
{
    const elem* x;
    const u64* experts; // for each expert the addresses of its weight and its bias (or 0)
    const int* ids;     // one a row of y
    elem* y;
    int inFeatures;
    int outFeatures;
    int xStride;
    int yStride;
    int rowsPerX; // topK where x has one row a token, else 1
};

// A block makes eight outputs of one row, a warp each. Rows are read where they lie; the weight comes from the expert's own matrix.
extern "C" __global__ void __launch_bounds__(256) linear_experts(const __grid_constant__ ExpertLinearArguments a)
{
    allow_next_kernel();
    wait_for_previous_kernel();
    const int row = blockIdx.y;
    const int output = blockIdx.x * 8 + threadIdx.x / WarpSize;
    const int lane = threadIdx.x % WarpSize;
    if (output >= a.outFeatures)
    {
        return;
    }

    const int expert = a.ids[row];
    const elem* w = reinterpret_cast<const elem*>(a.experts[2 * expert]) + (i64)output * a.inFeatures;
    const elem* bias = reinterpret_cast<const elem*>(a.experts[2 * expert + 1]);
    const elem* x = a.x + (i64)(row / a.rowsPerX) * a.xStride;
    float sum = 0.0f;
    if (a.inFeatures % 8 == 0 && (((u64)w | (u64)x) & 15) == 0)
    {
        for (int k = lane * 8; k < a.inFeatures; k += WarpSize * 8)
        {
            Vector8 v;
            float f[8];
            float g[8];
            v.load(w + k);
            v.to_floats(f);
            v.load(x + k);
            v.to_floats(g);
#pragma unroll
            for (int i = 0; i < 8; i++)
            {
                sum += f[i] * g[i];
            }
        }
    }
    else
    {
        for (int k = lane; k < a.inFeatures; k += WarpSize)
        {
            sum += to_float(w[k]) * to_float(x[k]);
        }
    }

    sum = warp_sum(sum);
    if (lane == 0)
    {
        a.y[(i64)row * a.yStride + output] = to_elem(sum + (bias != nullptr ? to_float(bias[output]) : 0.0f));
    }
}

struct CombineArguments
{
    const elem* x;
    const float* weights;
    elem* y;
    int columns;
    int topK;
    int xStride;
    int yStride;
};

extern "C" __global__ void combine_experts(const __grid_constant__ CombineArguments a)
{
    allow_next_kernel();
    wait_for_previous_kernel();
    const int token = blockIdx.x;
    for (int c = blockIdx.y * blockDim.x + threadIdx.x; c < a.columns; c += gridDim.y * blockDim.x)
    {
        float sum = 0.0f;
        for (int j = 0; j < a.topK; j++)
        {
            sum += a.weights[token * a.topK + j] * to_float(a.x[(i64)(token * a.topK + j) * a.xStride + c]);
        }

        a.y[(i64)token * a.yStride + c] = to_elem(sum);
    }
}
