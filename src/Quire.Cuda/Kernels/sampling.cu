// The greedy token of each row of logits: the largest value, the lowest id among equals. Each row is read by several blocks; the last to
// arrive decides. A row with a NaN, or without any finite value, is reported as a fault for the host to look at.
#include "numeric.cuh"

struct GreedyArguments
{
    const float* logits;
    int* tokens;  // [rows]; -1 for a row with a fault
    u64* best;    // [rows], zero between launches
    int* arrivals; // [rows], zero between launches
    int columns;
    int stride;
};

// Larger floats have larger keys; NaN has the largest. The lower half prefers low ids.
__device__ __forceinline__ u64 key_of(float value, int id)
{
    u32 bits = __float_as_uint(value);
    bits = (bits & 0x80000000u) != 0 ? ~bits : bits | 0x80000000u;
    bits = value != value ? 0xffffffffu : bits;
    return ((u64)bits << 32) | (u32)~id;
}

extern "C" __global__ void __launch_bounds__(256) greedy(const __grid_constant__ GreedyArguments a)
{
    __shared__ u64 bests[8];
    allow_next_kernel();
    wait_for_previous_kernel();
    const int row = blockIdx.x;
    const float* logits = a.logits + (i64)row * a.stride;
    const int perBlock = ((a.columns + gridDim.y - 1) / gridDim.y + 3) / 4 * 4;
    const int begin = blockIdx.y * perBlock;
    const int end = min(begin + perBlock, a.columns);
    u64 best = 0;
    const bool aligned = a.stride % 4 == 0 && ((u64)a.logits & 15) == 0;
    for (int c = begin + threadIdx.x * 4; c < end; c += blockDim.x * 4)
    {
        if (aligned && c + 4 <= end)
        {
            const float4 v = *reinterpret_cast<const float4*>(logits + c);
            best = max(best, max(max(key_of(v.x, c), key_of(v.y, c + 1)), max(key_of(v.z, c + 2), key_of(v.w, c + 3))));
        }
        else
        {
            for (int i = c; i < c + 4 && i < end; i++)
            {
                best = max(best, key_of(logits[i], i));
            }
        }
    }

#pragma unroll
    for (int offset = 16; offset > 0; offset /= 2)
    {
        best = max(best, __shfl_xor_sync(FullMask, best, offset));
    }

    if (threadIdx.x % WarpSize == 0)
    {
        bests[threadIdx.x / WarpSize] = best;
    }

    __syncthreads();
    if (threadIdx.x != 0)
    {
        return;
    }

    for (int i = 1; i < 8; i++)
    {
        best = max(best, bests[i]);
    }

    atomicMax(a.best + row, best);
    __threadfence();
    if (atomicAdd(a.arrivals + row, 1) == (int)gridDim.y - 1)
    {
        __threadfence();
        best = atomicExch(a.best + row, 0ull);
        a.arrivals[row] = 0;
        const u32 value = (u32)(best >> 32);
        const bool fault = value >= 0xff800000u || value <= 0x007fffffu; // NaN or +inf; -inf
        a.tokens[row] = fault ? -1 : (int)~(u32)best;
    }
}

// ---- tokens that the host does not know yet ----------------------------------------------------------------------------------------

struct ResolveArguments
{
    int* ids;
    const int* tokens;
    int count;
};

// ids[i] <= -2 stands for tokens[-2 - ids[i]]: what the step before chose. A token of -1 (a fault) becomes 0.
extern "C" __global__ void resolve_tokens(const __grid_constant__ ResolveArguments a)
{
    allow_next_kernel();
    wait_for_previous_kernel();
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < a.count && a.ids[i] <= -2)
    {
        a.ids[i] = max(0, a.tokens[-2 - a.ids[i]]);
    }
}

// ---- drawing -----------------------------------------------------------------------------------------------------------------------

struct RowSampling
{
    float inverseTemperature; // 0: greedy
    float minP;               // 0: off
    float topP;               // 1: off
    int topK;                 // 0: off
    double uniform;           // in [0, 1)
};

struct SampleArguments
{
    const float* logits;
    const RowSampling* rows;
    int* tokens; // -1 for a row with a fault
    int columns;
    int stride;
};

constexpr int SampleThreads = 1024;
constexpr int SampleWarps = SampleThreads / WarpSize;
constexpr float FixedPoint = 1099511627776.0f; // 2^40: sums of weights as integers do not depend on the order of additions

struct SampleShared
{
    u64 best[SampleWarps];
    double sums[SampleWarps];
    u64 weights[256];
    u32 counts[256];
    u32 prefix;
    u64 left;
    int chosen;
};

// Finds the key at which a total is reached when the keys from `lowest` on are taken from the largest down: the number of keys (top-k) or
// their weights in fixed point (top-p). Eight bits of the key a pass.
template <bool ByWeight>
__device__ u32 select_key(const float* logits, int columns, u32 lowest, u64 wanted, float maximum, float inverseTemperature, SampleShared& shared)
{
    u32 prefix = 0;
    for (int shift = 24; shift >= 0; shift -= 8)
    {
        if (threadIdx.x < 256)
        {
            shared.weights[threadIdx.x] = 0;
            shared.counts[threadIdx.x] = 0;
        }

        __syncthreads();
        const u32 mask = shift == 24 ? 0u : ~0u << (shift + 8);
        for (int i = threadIdx.x; i < columns; i += SampleThreads)
        {
            const u32 key = (u32)(key_of(logits[i], 0) >> 32);
            if (key >= lowest && (key & mask) == (prefix & mask))
            {
                const u32 bin = (key >> shift) & 255;
                if (ByWeight)
                {
                    const float weight = __expf((logits[i] - maximum) * inverseTemperature);
                    atomicAdd(&shared.weights[bin], (u64)(weight * FixedPoint));
                }
                else
                {
                    atomicAdd(&shared.counts[bin], 1u);
                }
            }
        }

        __syncthreads();
        if (threadIdx.x == 0)
        {
            u64 left = wanted;
            int bin = 255;
            for (; bin > 0; bin--)
            {
                const u64 here = ByWeight ? shared.weights[bin] : (u64)shared.counts[bin];
                if (here >= left)
                {
                    break;
                }

                left -= here;
            }

            shared.prefix = prefix | (u32)bin << shift;
            shared.left = left;
        }

        __syncthreads();
        prefix = shared.prefix;
        wanted = shared.left;
        __syncthreads();
    }

    return max(prefix, lowest);
}

// The token of each row: the best one, or a draw after min-p, top-k and top-p, by inverse transform in the order of ids. Tokens whose logits
// equal the one at a cut all stay.
extern "C" __global__ void __launch_bounds__(SampleThreads) sample_rows(const __grid_constant__ SampleArguments a)
{
    __shared__ SampleShared shared;
    allow_next_kernel();
    wait_for_previous_kernel();
    const int row = blockIdx.x;
    const int warp = threadIdx.x / WarpSize;
    const int lane = threadIdx.x % WarpSize;
    const float* logits = a.logits + (i64)row * a.stride;
    const RowSampling sampling = a.rows[row];

    u64 best = 0;
    for (int i = threadIdx.x; i < a.columns; i += SampleThreads)
    {
        best = max(best, key_of(logits[i], i));
    }

#pragma unroll
    for (int offset = 16; offset > 0; offset /= 2)
    {
        best = max(best, __shfl_xor_sync(FullMask, best, offset));
    }

    if (lane == 0)
    {
        shared.best[warp] = best;
    }

    __syncthreads();
    best = shared.best[lane];
#pragma unroll
    for (int offset = 16; offset > 0; offset /= 2)
    {
        best = max(best, __shfl_xor_sync(FullMask, best, offset));
    }

    const u32 bestKey = (u32)(best >> 32);
    const int bestId = (int)~(u32)best;
    const bool fault = bestKey >= 0xff800000u || bestKey <= 0x007fffffu;
    if (fault || sampling.inverseTemperature == 0.0f)
    {
        if (threadIdx.x == 0)
        {
            a.tokens[row] = fault ? -1 : bestId;
        }

        return;
    }

    const float maximum = logits[bestId];
    u32 lowest = 0x00800000u; // of finite numbers, the key of the smallest
    if (sampling.minP > 0.0f)
    {
        lowest = max(lowest, (u32)(key_of(maximum + __logf(sampling.minP) / sampling.inverseTemperature, 0) >> 32));
    }

    if (sampling.topK > 0 && sampling.topK < a.columns)
    {
        lowest = select_key<false>(logits, a.columns, lowest, sampling.topK, maximum, sampling.inverseTemperature, shared);
    }

    // Sums in the order of ids: a warp takes adjacent ids.
    const int perWarp = (a.columns + SampleWarps - 1) / SampleWarps;
    const int begin = warp * perWarp;
    const int end = min(begin + perWarp, a.columns);
    for (int turn = 0; turn < 2; turn++)
    {
        float sum = 0.0f;
        for (int i = begin + lane; i < end; i += WarpSize)
        {
            const float logit = logits[i];
            sum += (u32)(key_of(logit, 0) >> 32) >= lowest ? __expf((logit - maximum) * sampling.inverseTemperature) : 0.0f;
        }

        sum = warp_sum(sum);
        if (lane == 0)
        {
            shared.sums[warp] = sum;
        }

        __syncthreads();
        if (turn == 1 || sampling.topP >= 1.0f)
        {
            break;
        }

        double total = 0.0;
        for (int i = 0; i < SampleWarps; i++)
        {
            total += shared.sums[i];
        }

        __syncthreads();
        lowest = select_key<true>(
            logits, a.columns, lowest, max((u64)(total * sampling.topP * FixedPoint), 1ull), maximum, sampling.inverseTemperature, shared);
    }

    if (warp != 0)
    {
        return;
    }

    double total = 0.0;
    for (int i = 0; i < SampleWarps; i++)
    {
        total += shared.sums[i];
    }

    double rest = sampling.uniform * total;
    int part = 0;
    while (part < SampleWarps - 1 && shared.sums[part] <= rest)
    {
        rest -= shared.sums[part];
        part++;
    }

    float target = (float)rest;
    int token = bestId;
    bool found = false;
    int lastPossible = -1;
    for (int first = part * perWarp; first < min((part + 1) * perWarp, a.columns) && !found; first += WarpSize)
    {
        const int i = first + lane;
        const bool inside = i < min((part + 1) * perWarp, a.columns);
        const float logit = inside ? logits[i] : NegativeInfinity;
        const float weight = (u32)(key_of(logit, 0) >> 32) >= lowest ? __expf((logit - maximum) * sampling.inverseTemperature) : 0.0f;
        float inclusive = weight;
#pragma unroll
        for (int offset = 1; offset < WarpSize; offset *= 2)
        {
            const float other = __shfl_up_sync(FullMask, inclusive, offset);
            inclusive += lane >= offset ? other : 0.0f;
        }

        const u32 possible = __ballot_sync(FullMask, weight > 0.0f);
        const u32 hits = __ballot_sync(FullMask, weight > 0.0f && inclusive > target);
        if (hits != 0)
        {
            token = first + __ffs(hits) - 1;
            found = true;
        }
        else
        {
            lastPossible = possible != 0 ? first + 31 - __clz(possible) : lastPossible;
            target -= __shfl_sync(FullMask, inclusive, WarpSize - 1);
        }
    }

    if (lane == 0)
    {
        a.tokens[row] = found ? token : lastPossible >= 0 ? lastPossible : bestId;
    }
}
