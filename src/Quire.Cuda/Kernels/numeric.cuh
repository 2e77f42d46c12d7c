// Types and arithmetic that every kernel shares. Self-contained: NVRTC needs no CUDA headers for it.
//
// The element type of activations, weights and the KV cache is BF16, or F16 when QUIRE_F16 is defined. Arithmetic is in float; a value is
// rounded to the element type once, when it is stored.
#pragma once

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef long long i64;

constexpr int WarpSize = 32;
constexpr u32 FullMask = 0xffffffffu;
#define NegativeInfinity __int_as_float(0xff800000)

struct elem
{
    u16 bits;
};

// Two adjacent elements in one register, the first in the lower half.
__device__ __forceinline__ u32 pack2(float first, float second)
{
    u32 packed;
#ifdef QUIRE_F16
    asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(packed) : "f"(second), "f"(first));
#else
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(packed) : "f"(second), "f"(first));
#endif
    return packed;
}

__device__ __forceinline__ float2 unpack2(u32 packed)
{
    float2 pair;
#ifdef QUIRE_F16
    asm("{ .reg .b16 l, h; mov.b32 {l, h}, %2; cvt.f32.f16 %0, l; cvt.f32.f16 %1, h; }" : "=f"(pair.x), "=f"(pair.y) : "r"(packed));
#else
    pair.x = __uint_as_float(packed << 16);
    pair.y = __uint_as_float(packed & 0xffff0000u);
#endif
    return pair;
}

__device__ __forceinline__ float to_float(elem value)
{
    return unpack2(value.bits).x;
}

__device__ __forceinline__ elem to_elem(float value)
{
    elem result;
    result.bits = (u16)pack2(value, 0.0f);
    return result;
}

// A float as the element type holds it.
__device__ __forceinline__ float rounded(float value)
{
    return unpack2(pack2(value, 0.0f)).x;
}

// a * b + c for two elements at once.
__device__ __forceinline__ u32 fused2(u32 a, u32 b, u32 c)
{
    u32 result;
#ifdef QUIRE_F16
    asm("fma.rn.f16x2 %0, %1, %2, %3;" : "=r"(result) : "r"(a), "r"(b), "r"(c));
#else
    asm("fma.rn.bf16x2 %0, %1, %2, %3;" : "=r"(result) : "r"(a), "r"(b), "r"(c));
#endif
    return result;
}

// Eight elements: the 16 bytes that one load or store moves.
struct Vector8
{
    uint4 bits;

    __device__ __forceinline__ void load(const elem* address)
    {
        bits = *reinterpret_cast<const uint4*>(address);
    }

    __device__ __forceinline__ void store(elem* address) const
    {
        *reinterpret_cast<uint4*>(address) = bits;
    }

    __device__ __forceinline__ void to_floats(float (&values)[8]) const
    {
        const u32 words[4] = {bits.x, bits.y, bits.z, bits.w};
#pragma unroll
        for (int i = 0; i < 4; i++)
        {
            float2 pair = unpack2(words[i]);
            values[2 * i] = pair.x;
            values[2 * i + 1] = pair.y;
        }
    }

    __device__ __forceinline__ void from_floats(const float (&values)[8])
    {
        bits.x = pack2(values[0], values[1]);
        bits.y = pack2(values[2], values[3]);
        bits.z = pack2(values[4], values[5]);
        bits.w = pack2(values[6], values[7]);
    }
};

// Programmatic dependent launch (sm_90): a kernel says at its start that the next one may begin, and waits for the one before it
// immediately before it touches anything that kernels write. Every kernel does both, so that waiting is transitive.
__device__ __forceinline__ void allow_next_kernel()
{
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
    asm volatile("griddepcontrol.launch_dependents;" ::: "memory");
#endif
}

__device__ __forceinline__ void wait_for_previous_kernel()
{
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
    asm volatile("griddepcontrol.wait;" ::: "memory");
#endif
}

__device__ __forceinline__ u32 shared_address(const void* pointer)
{
    return (u32)__cvta_generic_to_shared(pointer);
}

__device__ __forceinline__ float warp_sum(float value)
{
#pragma unroll
    for (int offset = 16; offset > 0; offset /= 2)
    {
        value += __shfl_xor_sync(FullMask, value, offset);
    }

    return value;
}

__device__ __forceinline__ float warp_max(float value)
{
#pragma unroll
    for (int offset = 16; offset > 0; offset /= 2)
    {
        value = fmaxf(value, __shfl_xor_sync(FullMask, value, offset));
    }

    return value;
}

// The sum over a block of up to 1,024 threads, in every thread. Scratch holds 32 floats and may be used again after the next barrier.
__device__ __forceinline__ float block_sum(float value, float* scratch)
{
    const int warp = threadIdx.x / WarpSize;
    const int lane = threadIdx.x % WarpSize;
    const int warps = (blockDim.x + WarpSize - 1) / WarpSize;
    value = warp_sum(value);
    if (warps == 1)
    {
        return value;
    }

    if (lane == 0)
    {
        scratch[warp] = value;
    }

    __syncthreads();
    return warp_sum(lane < warps ? scratch[lane] : 0.0f);
}

__device__ __forceinline__ float exp2_fast(float x)
{
    float y;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
}

// The activations of Quire.Tensors.Activation, in its order.
__device__ __forceinline__ float activate(int kind, float x)
{
    switch (kind)
    {
        case 0:
            return x / (1.0f + __expf(-x));
        case 1:
            return 0.5f * x * (1.0f + tanhf(0.7978845608028654f * (x + 0.044715f * x * x * x)));
        case 2:
            return 0.5f * x * (1.0f + erff(x * 0.7071067811865476f));
        default:
            return fmaxf(x, 0.0f);
    }
}
