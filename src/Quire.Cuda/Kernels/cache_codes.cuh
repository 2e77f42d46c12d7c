// The cells of the paged cache: elements, or the codes of a quantised cache (Quire.Tensors.KvQuantization is their definition).
//
// QUIRE_CODES: 0 elements, 1 FP8 E4M3, 2 FP8 E5M2, both with one scale for a layer, 3 signed bytes with a scale for each token and head.
#pragma once
#include "numeric.cuh"

#ifndef QUIRE_CODES
#define QUIRE_CODES 0
#endif

constexpr bool Coded = QUIRE_CODES != 0;
constexpr bool ScaledTokens = QUIRE_CODES == 3;
constexpr int CellBytes = Coded ? 1 : 2;

#if QUIRE_CODES == 0
typedef elem cell;
#else
typedef u8 cell;
#endif

// Four adjacent codes as elements, exactly: the first and the third, the second and the fourth. Attention sums over a head's elements and
// over tokens, so their order is free as long as both factors have the same; this one needs no permutation. The code of a NaN is read as
// the number that would follow the largest.
__device__ __forceinline__ void unpack_codes(u32 word, u32& even, u32& odd)
{
#if QUIRE_CODES == 1
    // Sign, exponent and mantissa move to their places; a product with a power of two mends the exponent's bias, for subnormal numbers too.
#ifdef QUIRE_F16
    const u32 factor = 0x5c005c00u; // 2^8
    even = fused2(((word << 7) & 0x3f803f80u) | ((word << 8) & 0x80008000u), factor, 0x80008000u);
    odd = fused2(((word >> 1) & 0x3f803f80u) | (word & 0x80008000u), factor, 0x80008000u);
#else
    const u32 factor = 0x7b807b80u; // 2^120
    even = fused2(((word << 4) & 0x07f007f0u) | ((word << 8) & 0x80008000u), factor, 0x80008000u);
    odd = fused2(((word >> 4) & 0x07f007f0u) | (word & 0x80008000u), factor, 0x80008000u);
#endif
#elif QUIRE_CODES == 2
#ifdef QUIRE_F16
    even = (word << 8) & 0xff00ff00u; // the upper half of an F16
    odd = word & 0xff00ff00u;
#else
    const u32 factor = 0x77807780u; // 2^112
    even = fused2(((word << 5) & 0x0fe00fe0u) | ((word << 8) & 0x80008000u), factor, 0x80008000u);
    odd = fused2(((word >> 3) & 0x0fe00fe0u) | (word & 0x80008000u), factor, 0x80008000u);
#endif
#else
#ifdef QUIRE_F16
    // 1024 + 128 + code, minus 1152.
    even = fused2((word & 0x00ff00ffu) ^ 0x64806480u, 0x3c003c00u, 0xe480e480u);
    odd = fused2(((word >> 8) & 0x00ff00ffu) ^ 0x64806480u, 0x3c003c00u, 0xe480e480u);
#else
    // 128 + the last seven bits, minus 128, or minus 256 where the sign is set.
    const u32 upper = word >> 8;
    even = fused2((word & 0x007f007fu) | 0x43004300u, 0x3f803f80u, (word & 0x00800080u) | 0xc300c300u);
    odd = fused2((upper & 0x007f007fu) | 0x43004300u, 0x3f803f80u, (upper & 0x00800080u) | 0xc300c300u);
#endif
#endif
}

// The number that a cell stands for, without its scale.
__device__ __forceinline__ float cell_value(cell value)
{
#if QUIRE_CODES == 0
    return to_float(value);
#else
    u32 even = 0;
    u32 odd = 0;
    unpack_codes(value, even, odd);
    return unpack2(even).x;
#endif
}

#if QUIRE_CODES == 1 || QUIRE_CODES == 2
// To the nearest FP8 number, ties to even; beyond the range it is the largest.
__device__ __forceinline__ u8 to_code(float value)
{
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 890
    u16 packed;
#if QUIRE_CODES == 1
    asm("cvt.rn.satfinite.e4m3x2.f32 %0, %1, %2;" : "=h"(packed) : "f"(0.0f), "f"(value));
#else
    asm("cvt.rn.satfinite.e5m2x2.f32 %0, %1, %2;" : "=h"(packed) : "f"(0.0f), "f"(value));
#endif
    return (u8)packed;
#else
    constexpr int Mantissa = QUIRE_CODES == 1 ? 3 : 2;
    constexpr int LeastExponent = QUIRE_CODES == 1 ? -6 : -14;
    constexpr float Largest = QUIRE_CODES == 1 ? 448.0f : 57344.0f;
    const u8 sign = (u8)(__float_as_uint(value) >> 24 & 0x80u);
    if (value != value)
    {
        return 0x7f;
    }

    const float magnitude = fminf(fabsf(value), Largest);
    const int exponent = max((int)(__float_as_uint(magnitude) >> 23) - 127, LeastExponent);
    const int steps = __float2int_rn(magnitude * __int_as_float((127 + Mantissa - exponent) << 23));
    return sign | (u8)(steps + ((exponent - LeastExponent) << Mantissa));
#endif
}
#endif

#if QUIRE_CODES != 0
// The codes of a vector that a warp holds, N values a lane, zeros where it has fewer. scale: of the layer, for FP8. Gives the vector's scale.
template <int N>
__device__ __forceinline__ float encode(const float (&values)[N], u8 (&codes)[N], float scale)
{
#if QUIRE_CODES == 3
    // As bits, so that a NaN is the largest.
    u32 largest = 0;
#pragma unroll
    for (int i = 0; i < N; i++)
    {
        largest = max(largest, __float_as_uint(values[i]) & 0x7fffffffu);
    }

#pragma unroll
    for (int offset = 16; offset > 0; offset /= 2)
    {
        largest = max(largest, __shfl_xor_sync(FullMask, largest, offset));
    }

    scale = __uint_as_float(largest) / 127.0f;
    const u32 exponent = __float_as_uint(scale) & 0x7f800000u;
    const bool isNormal = exponent != 0 && exponent != 0x7f800000u;
#pragma unroll
    for (int i = 0; i < N; i++)
    {
        codes[i] = isNormal ? (u8)__float2int_rn(values[i] / scale) : 0;
    }

    return isNormal ? scale : exponent == 0 ? 0.0f : __uint_as_float(0x7fc00000u);
#else
#pragma unroll
    for (int i = 0; i < N; i++)
    {
        codes[i] = to_code(values[i] / scale);
    }

    return scale;
#endif
}
#endif
