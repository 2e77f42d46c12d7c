// Declarations that NVRTC knows by itself, so that a plain compiler for device code can check the syntax of the kernels. Nothing here is
// ever linked or run.
#pragma once

#define __global__ __attribute__((global))
#define __device__ __attribute__((device))
#define __host__ __attribute__((host))
#define __shared__ __attribute__((shared))
#define __constant__ __attribute__((constant))
#define __forceinline__ __inline__ __attribute__((always_inline))
#define __noinline__ __attribute__((noinline))
#define __launch_bounds__(...) __attribute__((launch_bounds(__VA_ARGS__)))
#define __align__(n) __attribute__((aligned(n)))
#define __grid_constant__

typedef decltype(sizeof(0)) size_t;

struct uint3 { unsigned int x, y, z; };
struct dim3 { unsigned int x, y, z; };
extern const __device__ __attribute__((weak)) uint3 threadIdx;
extern const __device__ __attribute__((weak)) uint3 blockIdx;
extern const __device__ __attribute__((weak)) dim3 blockDim;
extern const __device__ __attribute__((weak)) dim3 gridDim;

#define QUIRE_VECTOR_TYPES(type, name, a2, a4)                                                                                            \
    struct __align__(a2) name##2 { type x, y; };                                                                                          \
    struct name##3 { type x, y, z; };                                                                                                     \
    struct __align__(a4) name##4 { type x, y, z, w; };                                                                                    \
    __device__ inline name##2 make_##name##2(type x, type y) { return name##2{x, y}; }                                                    \
    __device__ inline name##3 make_##name##3(type x, type y, type z) { return name##3{x, y, z}; }                                         \
    __device__ inline name##4 make_##name##4(type x, type y, type z, type w) { return name##4{x, y, z, w}; }

struct __align__(8) uint2 { unsigned int x, y; };
struct __align__(16) uint4 { unsigned int x, y, z, w; };
__device__ inline uint2 make_uint2(unsigned int x, unsigned int y) { return uint2{x, y}; }
__device__ inline uint3 make_uint3(unsigned int x, unsigned int y, unsigned int z) { return uint3{x, y, z}; }
__device__ inline uint4 make_uint4(unsigned int x, unsigned int y, unsigned int z, unsigned int w) { return uint4{x, y, z, w}; }
QUIRE_VECTOR_TYPES(float, float, 8, 16)
QUIRE_VECTOR_TYPES(int, int, 8, 16)
QUIRE_VECTOR_TYPES(unsigned short, ushort, 4, 8)
QUIRE_VECTOR_TYPES(unsigned char, uchar, 2, 4)

__device__ void __syncthreads();
__device__ void __syncwarp(unsigned int mask = 0xffffffffu);
__device__ void __threadfence();
__device__ void __threadfence_block();
__device__ void __nanosleep(unsigned int);
__device__ void __trap();
__device__ unsigned int __activemask();
__device__ unsigned int __ballot_sync(unsigned int, int);
__device__ int __any_sync(unsigned int, int);
__device__ int __all_sync(unsigned int, int);
__device__ int __syncthreads_or(int);
__device__ int __syncthreads_and(int);
__device__ int __syncthreads_count(int);
__device__ unsigned int __match_any_sync(unsigned int, unsigned int);
__device__ unsigned int __reduce_max_sync(unsigned int, unsigned int);
__device__ unsigned int __reduce_min_sync(unsigned int, unsigned int);
__device__ unsigned int __reduce_add_sync(unsigned int, unsigned int);

#define QUIRE_SHUFFLES(type)                                                                                                              \
    __device__ type __shfl_sync(unsigned int, type, int, int = 32);                                                                       \
    __device__ type __shfl_up_sync(unsigned int, type, unsigned int, int = 32);                                                           \
    __device__ type __shfl_down_sync(unsigned int, type, unsigned int, int = 32);                                                         \
    __device__ type __shfl_xor_sync(unsigned int, type, int, int = 32);

QUIRE_SHUFFLES(int)
QUIRE_SHUFFLES(unsigned int)
QUIRE_SHUFFLES(long long)
QUIRE_SHUFFLES(unsigned long long)
QUIRE_SHUFFLES(float)

#define QUIRE_ATOMICS(type)                                                                                                               \
    __device__ type atomicAdd(type*, type);                                                                                               \
    __device__ type atomicExch(type*, type);                                                                                              \
    __device__ type atomicMax(type*, type);                                                                                               \
    __device__ type atomicMin(type*, type);                                                                                               \
    __device__ type atomicCAS(type*, type, type);                                                                                         \
    __device__ type atomicOr(type*, type);                                                                                                \
    __device__ type atomicAnd(type*, type);

QUIRE_ATOMICS(int)
QUIRE_ATOMICS(unsigned int)
QUIRE_ATOMICS(unsigned long long)
__device__ float atomicAdd(float*, float);
__device__ float atomicExch(float*, float);
__device__ unsigned int atomicInc(unsigned int*, unsigned int);

#define QUIRE_FLOAT1(name) __device__ float name(float);
QUIRE_FLOAT1(fabsf)
QUIRE_FLOAT1(sqrtf)
QUIRE_FLOAT1(rsqrtf)
QUIRE_FLOAT1(expf)
QUIRE_FLOAT1(exp2f)
QUIRE_FLOAT1(logf)
QUIRE_FLOAT1(log2f)
QUIRE_FLOAT1(log1pf)
QUIRE_FLOAT1(sinf)
QUIRE_FLOAT1(cosf)
QUIRE_FLOAT1(tanhf)
QUIRE_FLOAT1(erff)
QUIRE_FLOAT1(floorf)
QUIRE_FLOAT1(ceilf)
QUIRE_FLOAT1(rintf)
QUIRE_FLOAT1(roundf)
QUIRE_FLOAT1(truncf)
QUIRE_FLOAT1(__expf)
QUIRE_FLOAT1(__logf)
QUIRE_FLOAT1(__log2f)
QUIRE_FLOAT1(__sinf)
QUIRE_FLOAT1(__cosf)
QUIRE_FLOAT1(__frcp_rn)
QUIRE_FLOAT1(__fsqrt_rn)
__device__ float fmaxf(float, float);
__device__ float fminf(float, float);
__device__ float powf(float, float);
__device__ float fmodf(float, float);
__device__ float copysignf(float, float);
__device__ float fmaf(float, float, float);
__device__ float ldexpf(float, int);
__device__ float __fdividef(float, float);
__device__ float __fdiv_rn(float, float);
__device__ float __fmul_rn(float, float);
__device__ float __fadd_rn(float, float);
__device__ float __fmaf_rn(float, float, float);
__device__ bool isnan(float);
__device__ bool isinf(float);
__device__ bool isfinite(float);

#define QUIRE_MINMAX(type)                                                                                                                \
    __device__ inline type min(type a, type b) { return b < a ? b : a; }                                                                  \
    __device__ inline type max(type a, type b) { return a < b ? b : a; }

QUIRE_MINMAX(int)
QUIRE_MINMAX(unsigned int)
QUIRE_MINMAX(long long)
QUIRE_MINMAX(unsigned long long)
QUIRE_MINMAX(float)
__device__ int abs(int);

__device__ float __int_as_float(int);
__device__ int __float_as_int(float);
__device__ float __uint_as_float(unsigned int);
__device__ unsigned int __float_as_uint(float);
__device__ int __float2int_rn(float);
__device__ int __float2int_rd(float);
__device__ int __float2int_rz(float);
__device__ unsigned int __float2uint_rn(float);
__device__ float __int2float_rn(int);
__device__ float __uint2float_rn(unsigned int);
__device__ int __popc(unsigned int);
__device__ int __clz(int);
__device__ int __ffs(int);
__device__ unsigned int __brev(unsigned int);
__device__ unsigned int __byte_perm(unsigned int, unsigned int, unsigned int);
__device__ unsigned int __umulhi(unsigned int, unsigned int);
__device__ unsigned long long __umul64hi(unsigned long long, unsigned long long);
__device__ unsigned int __funnelshift_l(unsigned int, unsigned int, unsigned int);
__device__ unsigned int __funnelshift_r(unsigned int, unsigned int, unsigned int);
__device__ size_t __cvta_generic_to_shared(const void*);
__device__ size_t __cvta_generic_to_global(const void*);
__device__ long long clock64();
template<typename T> __device__ T __ldg(const T*);
template<typename T> __device__ T __ldcg(const T*);
template<typename T> __device__ T __ldcs(const T*);
template<typename T> __device__ void __stcg(T*, T);
template<typename T> __device__ void __stcs(T*, T);
