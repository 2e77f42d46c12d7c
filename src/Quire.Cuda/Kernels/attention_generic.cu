// Attention for the shapes that have no tensor-core kernel (odd head sizes, very large groups): one warp a query and head, plain arithmetic.
//
// Compile-time: QUIRE_CODES (cache_codes.cuh).
#include "cache_codes.cuh"

struct GenericArguments
{
    const elem* q;
    const cell* keys;
    const cell* values;
    elem* y;
    const int* queryStarts;
    const int* contextLengths;
    const int* blockTables;
    const float* keyScales; // [blocks, kvHeads, blockSize], signed bytes only
    const float* valueScales;
    i64 blockStride;
    int blockTableStride;
    int blockSize;
    int sequences;
    int group;
    int headDim;
    int qStride;
    int yStride;
    int slidingWindow;
    float scale;
    float softCap;
    float valueScale; // what the layer's FP8 codes are multiplied with; that of the keys is in scale
};

constexpr int MaxPerLane = 16; // head sizes up to 512

extern "C" __global__ void __launch_bounds__(WarpSize) attention_generic(const __grid_constant__ GenericArguments a)
{
    allow_next_kernel();
    wait_for_previous_kernel();
    const int row = blockIdx.x;
    const int head = blockIdx.y;
    const int lane = threadIdx.x;
    int low = 0;
    int high = a.sequences;
    while (high - low > 1)
    {
        const int middle = (low + high) / 2;
        if (a.queryStarts[middle] <= row)
        {
            low = middle;
        }
        else
        {
            high = middle;
        }
    }

    const int queries = a.queryStarts[low + 1] - a.queryStarts[low];
    const int position = a.contextLengths[low] - queries + row - a.queryStarts[low];
    if (row >= a.queryStarts[low + 1] || position < 0)
    {
        return;
    }

    const int* table = a.blockTables + (i64)low * a.blockTableStride;
    const i64 headOffset = (i64)(head / a.group) * a.blockSize * a.headDim;
    const elem* q = a.q + (i64)row * a.qStride + head * a.headDim;
    float query[MaxPerLane];
    float o[MaxPerLane];
#pragma unroll
    for (int i = 0; i < MaxPerLane; i++)
    {
        const int d = i * WarpSize + lane;
        query[i] = d < a.headDim ? to_float(q[d]) : 0.0f;
        o[i] = 0.0f;
    }

    float maximum = NegativeInfinity;
    float sum = 0.0f;
    for (int token = a.slidingWindow > 0 ? max(0, position + 1 - a.slidingWindow) : 0; token <= position; token++)
    {
        const i64 offset = (i64)table[token / a.blockSize] * a.blockStride + headOffset + (i64)(token % a.blockSize) * a.headDim;
        float dot = 0.0f;
#pragma unroll
        for (int i = 0; i < MaxPerLane; i++)
        {
            const int d = i * WarpSize + lane;
            dot += d < a.headDim ? query[i] * cell_value(a.keys[offset + d]) : 0.0f;
        }

        float score = warp_sum(dot) * (ScaledTokens ? a.scale * a.keyScales[offset / a.headDim] : a.scale);
        if (a.softCap > 0.0f)
        {
            score = a.softCap * tanhf(score / a.softCap);
        }

        const float newMaximum = fmaxf(maximum, score);
        const float factor = __expf(maximum - newMaximum);
        float weight = __expf(score - newMaximum);
        maximum = newMaximum;
        sum = sum * factor + weight;
        weight *= ScaledTokens ? a.valueScales[offset / a.headDim] : 1.0f;
#pragma unroll
        for (int i = 0; i < MaxPerLane; i++)
        {
            const int d = i * WarpSize + lane;
            o[i] = o[i] * factor + (d < a.headDim ? weight * cell_value(a.values[offset + d]) : 0.0f);
        }
    }

    elem* y = a.y + (i64)row * a.yStride + head * a.headDim;
#pragma unroll
    for (int i = 0; i < MaxPerLane; i++)
    {
        const int d = i * WarpSize + lane;
        if (d < a.headDim)
        {
            y[d] = to_elem(Coded && !ScaledTokens ? o[i] / sum * a.valueScale : o[i] / sum);
        }
    }
}
