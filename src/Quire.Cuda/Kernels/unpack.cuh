// Weights of 8 and 4 bits as the element type holds them; the formats are those of skinny_packed.cu.
#pragma once
#include "numeric.cuh"

#ifndef QUIRE_FORMAT
#define QUIRE_FORMAT 0
#endif
#ifndef QUIRE_FOLD
#define QUIRE_FOLD (QUIRE_FORMAT == 2 ? 128 : 64)
#endif

constexpr int Format = QUIRE_FORMAT;
constexpr int ChunkColumns = Format == 2 ? 128 : 64; // columns of 64 bytes of a row
constexpr int FoldColumns = QUIRE_FOLD;
constexpr float HalfRange = Format == 2 ? 8.0f : 128.0f;

__device__ __forceinline__ u32 permute_bytes(u32 a, u32 b, u32 selector)
{
    u32 result;
    asm("prmt.b32 %0, %1, %2, %3;" : "=r"(result) : "r"(a), "r"(b), "r"(selector));
    return result;
}

// Two E4M3 numbers, each in the upper byte of a half: sign, exponent and mantissa move to their places, and one product with a power of two
// mends the exponent's bias; subnormal numbers come out right.
__device__ __forceinline__ u32 from_float8(u32 halves)
{
#ifdef QUIRE_F16
    const u32 moved = ((halves >> 1) & 0x3f803f80u) | (halves & 0x80008000u);
    return fused2(moved, 0x5c005c00u, 0x80008000u); // 2^8
#else
    const u32 moved = ((halves >> 4) & 0x07f007f0u) | (halves & 0x80008000u);
    return fused2(moved, 0x7b807b80u, 0x80008000u); // 2^120
#endif
}

// The four weights of the j-th product of a thread's 16 bytes, minus the zero point.
__device__ __forceinline__ void unpack4(const uint4& bits, int j, float zero, u32 (&pairs)[2])
{
    if (Format == 2)
    {
        const u32 words[4] = {bits.x, bits.y, bits.z, bits.w};
        const u32 word = words[j / 2] >> (j % 2 * 8);
#ifdef QUIRE_F16
        const u32 base = 0x64006400u; // 1024: a nibble in the last bits counts ones
        const u32 minus = pack2(-(1024.0f + zero), -(1024.0f + zero));
        const u32 one = 0x3c003c00u;
#else
        const u32 base = 0x43004300u; // 128
        const u32 minus = pack2(-(128.0f + zero), -(128.0f + zero));
        const u32 one = 0x3f803f80u;
#endif
        pairs[0] = fused2((word & 0x000f000fu) | base, one, minus);
        pairs[1] = fused2(((word >> 4) & 0x000f000fu) | base, one, minus);
        return;
    }

    const u32 words[4] = {bits.x, bits.y, bits.z, bits.w};
    const u32 word = words[j];
    if (Format == 0)
    {
        pairs[0] = from_float8(permute_bytes(word, 0, 0x1404));
        pairs[1] = from_float8(permute_bytes(word, 0, 0x3424));
        return;
    }

    // 2^23 + q, bit by bit; the differences are whole numbers of at most eight bits, which both element types hold.
    const float bias = 8388608.0f + zero;
    float values[4];
#pragma unroll
    for (int i = 0; i < 4; i++)
    {
        values[i] = __uint_as_float(permute_bytes(word, 0x4b000000u, 0x7650 | i)) - bias;
    }

    pairs[0] = pack2(values[0], values[1]);
    pairs[1] = pack2(values[2], values[3]);
}
