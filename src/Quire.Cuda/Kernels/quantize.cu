// Rows of activations rounded to FP8 E4M3 on their way into a product, with the norm or the activation before it; and packed weights
// expanded to the element type, for products of many rows.
#include "unpack.cuh"

struct QuantizeArguments
{
    const elem* x;
    const elem* weight; // of the norm
    u8* y;              // [rows, columns], without gaps
    float* scales;      // [rows]: x = y * scale
    int columns;        // a multiple of 16, at most 8 * MaxVectors * blockDim.x
    int xStride;        // a multiple of 8
    int activation;
    float epsilon;
    float weightOffset;
    float inputScale;   // what the checkpoint says, or 0: take the scale from the row
};

constexpr int MaxVectors = 4;         // vectors of eight that a thread keeps
constexpr float LargestFloat8 = 448.0f;
constexpr float LeastScale = 1.0f / (448.0f * 512.0f);

__device__ __forceinline__ float block_max(float value, float* scratch)
{
    const int warp = threadIdx.x / WarpSize;
    const int lane = threadIdx.x % WarpSize;
    const int warps = (blockDim.x + WarpSize - 1) / WarpSize;
    value = warp_max(value);
    if (lane == 0)
    {
        scratch[warp] = value;
    }

    __syncthreads();
    return warp_max(lane < warps ? scratch[lane] : 0.0f);
}

// Two floats as two bytes, the first in the lower; beyond the range it is the largest number.
__device__ __forceinline__ u32 to_float8(float first, float second)
{
    u16 packed = 0;
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 890
    asm("cvt.rn.satfinite.e4m3x2.f32 %0, %1, %2;" : "=h"(packed) : "f"(second), "f"(first));
#endif
    return packed;
}

// Rounds the values that the threads hold, vector i of a thread beginning at column 8 * (i * blockDim.x + threadIdx.x).
__device__ __forceinline__ void store_row(const QuantizeArguments& a, const Vector8 (&kept)[MaxVectors], float* scratch)
{
    float scale = a.inputScale;
    if (scale == 0.0f)
    {
        float largest = 0.0f;
#pragma unroll
        for (int i = 0; i < MaxVectors; i++)
        {
            float f[8];
            kept[i].to_floats(f);
#pragma unroll
            for (int e = 0; e < 8; e++)
            {
                largest = fmaxf(largest, fabsf(f[e]));
            }
        }

        scale = fmaxf(block_max(largest, scratch) / LargestFloat8, LeastScale);
    }

    const float inverse = 1.0f / scale;
#pragma unroll
    for (int i = 0; i < MaxVectors; i++)
    {
        const int column = 8 * (i * blockDim.x + threadIdx.x);
        if (column < a.columns)
        {
            float f[8];
            kept[i].to_floats(f);
            uint2 bytes;
            bytes.x = to_float8(f[0] * inverse, f[1] * inverse) | (to_float8(f[2] * inverse, f[3] * inverse) << 16);
            bytes.y = to_float8(f[4] * inverse, f[5] * inverse) | (to_float8(f[6] * inverse, f[7] * inverse) << 16);
            *(uint2*)(a.y + (i64)blockIdx.x * a.columns + column) = bytes;
        }
    }

    if (threadIdx.x == 0)
    {
        a.scales[blockIdx.x] = scale;
    }
}

// Fills what the threads keep with get(column, eight values).
template <typename F>
__device__ __forceinline__ void load_row(const QuantizeArguments& a, Vector8 (&kept)[MaxVectors], F get)
{
#pragma unroll
    for (int i = 0; i < MaxVectors; i++)
    {
        const int column = 8 * (i * blockDim.x + threadIdx.x);
        kept[i].bits = make_uint4(0, 0, 0, 0);
        if (column < a.columns)
        {
            get(column, kept[i]);
        }
    }
}

extern "C" __global__ void quantize_rows(const __grid_constant__ QuantizeArguments a)
{
    __shared__ float scratch[64];
    allow_next_kernel();
    wait_for_previous_kernel();
    const elem* x = a.x + (i64)blockIdx.x * a.xStride;
    Vector8 kept[MaxVectors];
    load_row(a, kept, [&](int column, Vector8& v) { v.load(x + column); });
    store_row(a, kept, scratch);
}

// The RMS norm of x.
extern "C" __global__ void quantize_norm(const __grid_constant__ QuantizeArguments a)
{
    __shared__ float scratch[64];
    allow_next_kernel();
    wait_for_previous_kernel();
    const elem* x = a.x + (i64)blockIdx.x * a.xStride;
    Vector8 kept[MaxVectors];
    float squares = 0.0f;
    load_row(a, kept, [&](int column, Vector8& v) {
        float f[8];
        v.load(x + column);
        v.to_floats(f);
#pragma unroll
        for (int e = 0; e < 8; e++)
        {
            squares += f[e] * f[e];
        }
    });
    const float scale = rsqrtf(block_sum(squares, scratch + 32) / a.columns + a.epsilon);
#pragma unroll
    for (int i = 0; i < MaxVectors; i++)
    {
        const int column = 8 * (i * blockDim.x + threadIdx.x);
        if (column < a.columns)
        {
            float f[8];
            float w[8];
            Vector8 weight;
            weight.load(a.weight + column);
            weight.to_floats(w);
            kept[i].to_floats(f);
#pragma unroll
            for (int e = 0; e < 8; e++)
            {
                f[e] *= scale * (a.weightOffset + w[e]);
            }

            kept[i].from_floats(f);
        }
    }

    store_row(a, kept, scratch);
}

// activation(gate) * up, x = gate | up with 2 * columns columns.
extern "C" __global__ void quantize_gate(const __grid_constant__ QuantizeArguments a)
{
    __shared__ float scratch[64];
    allow_next_kernel();
    wait_for_previous_kernel();
    const elem* gate = a.x + (i64)blockIdx.x * a.xStride;
    Vector8 kept[MaxVectors];
    load_row(a, kept, [&](int column, Vector8& v) {
        float f[8];
        float g[8];
        Vector8 up;
        v.load(gate + column);
        up.load(gate + a.columns + column);
        v.to_floats(f);
        up.to_floats(g);
#pragma unroll
        for (int e = 0; e < 8; e++)
        {
            f[e] = activate(a.activation, f[e]) * g[e];
        }

        v.from_floats(f);
    });
    store_row(a, kept, scratch);
}

struct ExpandArguments
{
    const u8* w;
    elem* y; // [rows, columns], without gaps
    const float* scales;
    const u8* zeros;
    int columns; // a multiple of 16
    int wStride; // bytes
    int groupSize;
    int groups;
};

// Packed weights as elements, rounded once. A block belongs to row blockIdx.x; a thread takes 16 bytes at a time.
extern "C" __global__ void expand_packed(const __grid_constant__ ExpandArguments a)
{
    allow_next_kernel();
    wait_for_previous_kernel();
    const int row = blockIdx.x;
    const int segments = a.wStride / 16;
    for (int segment = blockIdx.y * blockDim.x + threadIdx.x; segment < segments; segment += gridDim.y * blockDim.x)
    {
        const uint4 bits = *(const uint4*)(a.w + (i64)row * a.wStride + 16 * segment);
        const int start = segment / 4 * ChunkColumns;
        const int t = segment % 4;
#pragma unroll
        for (int j = 0; j < ChunkColumns / 16; j++)
        {
            const int column = start + (Format == 0 ? 16 * t + 4 * j : 16 * j + 4 * t);
            if (column >= a.columns)
            {
                continue;
            }

            float scale = 0.0f;
            float zero = HalfRange;
            if (Format == 0)
            {
                scale = a.scales[row];
            }
            else
            {
                const i64 index = (i64)row * a.groups + column / a.groupSize;
                scale = a.scales[index];
                zero = a.zeros != nullptr ? (float)a.zeros[index] : HalfRange;
            }

            u32 pairs[2];
            unpack4(bits, j, zero, pairs);
            const float2 lower = unpack2(pairs[0]);
            const float2 upper = unpack2(pairs[1]);
            *(uint2*)(a.y + (i64)row * a.columns + column) = make_uint2(pack2(lower.x * scale, lower.y * scale), pack2(upper.x * scale, upper.y * scale));
        }
    }
}
