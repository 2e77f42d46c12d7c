// Writes to a quantised cache: the rotation of queries and keys as rope_store of elementwise.cu does it, keys and values on their way to codes.
//
// Compile-time: QUIRE_CODES (cache_codes.cuh; not 0).
#ifndef QUIRE_CODES
#define QUIRE_CODES 1
#endif
#include "cache_codes.cuh"

struct StoreCodesArguments
{
    elem* q; // null: nothing is rotated but k
    const elem* k;
    const elem* v;
    const int* positions;
    const int* slots;
    const float* cosines; // null: store only
    const float* sines;
    u8* keys;
    u8* values;
    float* keyScales; // [blocks, kvHeads, blockSize], signed bytes only
    float* valueScales;
    int queryHeads;
    int kvHeads;
    int headDim; // at most 512
    int rotaryDim;
    int interleaved;
    int blockSize;
    int qStride;
    int kStride;
    int vStride;
    int tableStride;
    float keyScale; // of the layer, FP8 only
    float valueScale;
};

constexpr int PerLane = 16;

// A lane's elements lane, lane + 32 ... of a head, rotated where there are angles; zeros beyond its end.
__device__ __forceinline__ void load_head(const StoreCodesArguments& a, const elem* row, const float* cosines, const float* sines, int lane, float (&values)[PerLane])
{
    const int half = a.rotaryDim / 2;
#pragma unroll
    for (int i = 0; i < PerLane; i++)
    {
        const int d = i * WarpSize + lane;
        values[i] = 0.0f;
        if (d >= a.headDim)
        {
            continue;
        }

        const float x = to_float(row[d]);
        values[i] = x;
        if (cosines != nullptr && d < a.rotaryDim)
        {
            const bool isFirst = a.interleaved ? d % 2 == 0 : d < half;
            const int angle = a.interleaved ? d / 2 : isFirst ? d : d - half;
            const float other = to_float(row[a.interleaved ? d ^ 1 : isFirst ? d + half : d - half]);
            values[i] = x * cosines[angle] + (isFirst ? -other : other) * sines[angle];
        }
    }
}

// One block a token, a warp a head at a time: queries, keys, values.
extern "C" __global__ void store_codes(const __grid_constant__ StoreCodesArguments a)
{
    allow_next_kernel();
    wait_for_previous_kernel();
    const int token = blockIdx.x;
    const int warp = threadIdx.x / WarpSize;
    const int lane = threadIdx.x % WarpSize;
    const int slot = a.slots[token];
    const float* cosines = a.cosines != nullptr ? a.cosines + (i64)a.positions[token] * a.tableStride : nullptr;
    const float* sines = a.cosines != nullptr ? a.sines + (i64)a.positions[token] * a.tableStride : nullptr;
    const int tasks = a.queryHeads + (slot < 0 ? 0 : 2 * a.kvHeads);
    for (int task = warp; task < tasks; task += blockDim.x / WarpSize)
    {
        float values[PerLane];
        if (task < a.queryHeads)
        {
            elem* row = a.q + (i64)token * a.qStride + task * a.headDim;
            load_head(a, row, cosines, sines, lane, values);
            __syncwarp();
#pragma unroll
            for (int i = 0; i < PerLane; i++)
            {
                const int d = i * WarpSize + lane;
                if (d < a.headDim)
                {
                    row[d] = to_elem(values[i]);
                }
            }

            continue;
        }

        const bool isKey = task < a.queryHeads + a.kvHeads;
        const int head = (task - a.queryHeads) % a.kvHeads;
        const elem* row = isKey ? a.k + (i64)token * a.kStride + head * a.headDim : a.v + (i64)token * a.vStride + head * a.headDim;
        load_head(a, row, isKey ? cosines : nullptr, sines, lane, values);
        u8 codes[PerLane];
        const float scale = encode(values, codes, isKey ? a.keyScale : a.valueScale);
        const i64 cellRow = (i64)(slot / a.blockSize) * a.kvHeads * a.blockSize + (i64)head * a.blockSize + slot % a.blockSize;
        u8* target = (isKey ? a.keys : a.values) + cellRow * a.headDim;
#pragma unroll
        for (int i = 0; i < PerLane; i++)
        {
            const int d = i * WarpSize + lane;
            if (d < a.headDim)
            {
                target[d] = codes[i];
            }
        }

        if (ScaledTokens && lane == 0)
        {
            (isKey ? a.keyScales : a.valueScales)[cellRow] = scale;
        }
    }
}
