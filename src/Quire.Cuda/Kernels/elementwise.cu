// Operations that read and write each element once: embedding, norms, activations, rotation, cache writes, conversions.
// Rows are spread over blockIdx.x; a row's columns over threads, eight elements each where the row's length and address allow it.
#include "numeric.cuh"

// ---- embedding and gathering -------------------------------------------------------------------------------------------------------

struct EmbedArguments
{
    const int* ids;
    const elem* table;
    elem* y;
    int columns;
    int tableStride;
    int yStride;
    int tableRows;
    float scale;
};

// y[row] = scale * table[ids[row]]. An id outside the table gives zeros, so that a padded row reads nothing.
extern "C" __global__ void embed(const __grid_constant__ EmbedArguments a)
{
    allow_next_kernel();
    wait_for_previous_kernel();
    const int id = a.ids[blockIdx.x];
    const bool valid = id >= 0 && id < a.tableRows;
    const elem* source = a.table + (i64)id * a.tableStride;
    elem* target = a.y + (i64)blockIdx.x * a.yStride;
    const bool aligned = (((u64)a.table | (u64)a.y) & 15) == 0 && a.tableStride % 8 == 0 && a.yStride % 8 == 0;
    for (int c = threadIdx.x * 8; c < a.columns; c += blockDim.x * 8)
    {
        if (aligned && c + 8 <= a.columns)
        {
            Vector8 v;
            v.bits = make_uint4(0, 0, 0, 0);
            if (valid)
            {
                v.load(source + c);
                if (a.scale != 1.0f)
                {
                    float f[8];
                    v.to_floats(f);
                    for (int i = 0; i < 8; i++)
                    {
                        f[i] *= a.scale;
                    }

                    v.from_floats(f);
                }
            }

            v.store(target + c);
        }
        else
        {
            for (int i = c; i < c + 8 && i < a.columns; i++)
            {
                target[i] = to_elem(valid ? a.scale * to_float(source[i]) : 0.0f);
            }
        }
    }
}

// ---- norms -------------------------------------------------------------------------------------------------------------------------

struct NormArguments
{
    const elem* x;
    elem* residual; // null, or what x is added to first
    const elem* weight;
    const elem* bias; // layer norm only
    elem* y;
    int columns; // of one group
    int groups;  // in a row
    int xStride;
    int residualStride;
    int yStride;
    float epsilon;
    float weightOffset;
};

constexpr int NormVectors = 4; // vectors of eight that a thread keeps in registers; longer rows are read again

template <bool Center>
__device__ __forceinline__ void norm(const NormArguments& a)
{
    __shared__ float scratch[64];
    allow_next_kernel();
    wait_for_previous_kernel();
    const int row = blockIdx.x / a.groups;
    const int group = blockIdx.x % a.groups;
    const elem* x = a.x + (i64)row * a.xStride + (i64)group * a.columns;
    elem* residual = a.residual == nullptr ? nullptr : a.residual + (i64)row * a.residualStride + (i64)group * a.columns;
    elem* y = a.y + (i64)row * a.yStride + (i64)group * a.columns;
    const bool aligned = a.columns % 8 == 0 && (((u64)x | (u64)residual | (u64)y | (u64)a.weight | (u64)a.bias) & 15) == 0;
    const int step = blockDim.x * 8;
    float kept[NormVectors][8];
    float sum = 0.0f;
    float squares = 0.0f;
    int vector = 0;
    for (int c = threadIdx.x * 8; c < a.columns; c += step, vector++)
    {
        float f[8];
        if (aligned)
        {
            Vector8 v;
            v.load(x + c);
            v.to_floats(f);
            if (residual != nullptr)
            {
                float r[8];
                Vector8 old;
                old.load(residual + c);
                old.to_floats(r);
#pragma unroll
                for (int i = 0; i < 8; i++)
                {
                    f[i] += r[i];
                }

                old.from_floats(f);
                old.store(residual + c);
                old.to_floats(f);
            }
        }
        else
        {
#pragma unroll
            for (int i = 0; i < 8; i++)
            {
                f[i] = 0.0f;
                if (c + i < a.columns)
                {
                    f[i] = to_float(x[c + i]);
                    if (residual != nullptr)
                    {
                        f[i] = rounded(f[i] + to_float(residual[c + i]));
                        residual[c + i] = to_elem(f[i]);
                    }
                }
            }
        }

#pragma unroll
        for (int i = 0; i < 8; i++)
        {
            sum += f[i];
            squares += f[i] * f[i];
        }

#pragma unroll
        for (int k = 0; k < NormVectors; k++)
        {
            if (k == vector)
            {
#pragma unroll
                for (int i = 0; i < 8; i++)
                {
                    kept[k][i] = f[i];
                }
            }
        }
    }

    float mean = 0.0f;
    if (Center)
    {
        // Two passes over the registers would cost another barrier; rows are short and float holds them well enough for E[x^2] - E[x]^2
        // only when the mean is small, so the deviations are summed again.
        mean = block_sum(sum, scratch) / a.columns;
        squares = 0.0f;
        vector = 0;
        const elem* again = residual != nullptr ? residual : x;
        for (int c = threadIdx.x * 8; c < a.columns; c += step)
        {
            for (int i = 0; i < 8 && c + i < a.columns; i++)
            {
                float d = to_float(again[c + i]) - mean;
                squares += d * d;
            }
        }
    }

    const float scale = rsqrtf(block_sum(squares, scratch + 32) / a.columns + a.epsilon);
    vector = 0;
    for (int c = threadIdx.x * 8; c < a.columns; c += step, vector++)
    {
        float f[8];
        bool found = false;
#pragma unroll
        for (int k = 0; k < NormVectors; k++)
        {
            if (k == vector)
            {
                found = true;
#pragma unroll
                for (int i = 0; i < 8; i++)
                {
                    f[i] = kept[k][i];
                }
            }
        }

        if (!found)
        {
            const elem* again = residual != nullptr ? residual : x;
            for (int i = 0; i < 8; i++)
            {
                f[i] = c + i < a.columns ? to_float(again[c + i]) : 0.0f;
            }
        }

        if (aligned)
        {
            float w[8];
            Vector8 v;
            v.load(a.weight + c);
            v.to_floats(w);
            float b[8] = {0, 0, 0, 0, 0, 0, 0, 0};
            if (a.bias != nullptr)
            {
                v.load(a.bias + c);
                v.to_floats(b);
            }

#pragma unroll
            for (int i = 0; i < 8; i++)
            {
                f[i] = (f[i] - mean) * scale * (a.weightOffset + w[i]) + b[i];
            }

            v.from_floats(f);
            v.store(y + c);
        }
        else
        {
            for (int i = 0; i < 8 && c + i < a.columns; i++)
            {
                float b = a.bias != nullptr ? to_float(a.bias[c + i]) : 0.0f;
                y[c + i] = to_elem((f[i] - mean) * scale * (a.weightOffset + to_float(a.weight[c + i])) + b);
            }
        }
    }
}

extern "C" __global__ void rms_norm(const __grid_constant__ NormArguments a)
{
    norm<false>(a);
}

extern "C" __global__ void layer_norm(const __grid_constant__ NormArguments a)
{
    norm<true>(a);
}

// ---- sums and activations ----------------------------------------------------------------------------------------------------------

struct MapArguments
{
    const elem* x;
    elem* y;
    int columns;
    int xStride;
    int yStride;
    int activation;
    float scale;
};

template <typename F>
__device__ __forceinline__ void map_rows(const MapArguments& a, F apply)
{
    allow_next_kernel();
    wait_for_previous_kernel();
    const elem* x = a.x + (i64)blockIdx.x * a.xStride;
    elem* y = a.y + (i64)blockIdx.x * a.yStride;
    const bool aligned = a.columns % 8 == 0 && (((u64)x | (u64)y) & 15) == 0;
    for (int c = (blockIdx.y * blockDim.x + threadIdx.x) * 8; c < a.columns; c += gridDim.y * blockDim.x * 8)
    {
        if (aligned)
        {
            float f[8];
            float g[8];
            Vector8 v;
            Vector8 w;
            v.load(x + c);
            w.load(y + c);
            v.to_floats(f);
            w.to_floats(g);
#pragma unroll
            for (int i = 0; i < 8; i++)
            {
                g[i] = apply(f[i], g[i]);
            }

            w.from_floats(g);
            w.store(y + c);
        }
        else
        {
            for (int i = c; i < c + 8 && i < a.columns; i++)
            {
                y[i] = to_elem(apply(to_float(x[i]), to_float(y[i])));
            }
        }
    }
}

// y += scale * x
extern "C" __global__ void add(const __grid_constant__ MapArguments a)
{
    map_rows(a, [&](float x, float y) { return y + a.scale * x; });
}

// y = activation(y); x is y
extern "C" __global__ void activate_in_place(const __grid_constant__ MapArguments a)
{
    map_rows(a, [&](float x, float) { return activate(a.activation, x); });
}

// y = scale * y
extern "C" __global__ void scale_in_place(const __grid_constant__ MapArguments a)
{
    map_rows(a, [&](float x, float) { return a.scale * x; });
}

// y = activation(gate) * up, x = gate | up with 2 * columns columns
extern "C" __global__ void gated_activation(const __grid_constant__ MapArguments a)
{
    allow_next_kernel();
    wait_for_previous_kernel();
    const elem* gate = a.x + (i64)blockIdx.x * a.xStride;
    const elem* up = gate + a.columns;
    elem* y = a.y + (i64)blockIdx.x * a.yStride;
    const bool aligned = a.columns % 8 == 0 && (((u64)gate | (u64)y) & 15) == 0;
    for (int c = (blockIdx.y * blockDim.x + threadIdx.x) * 8; c < a.columns; c += gridDim.y * blockDim.x * 8)
    {
        if (aligned)
        {
            float f[8];
            float g[8];
            Vector8 v;
            Vector8 w;
            v.load(gate + c);
            w.load(up + c);
            v.to_floats(f);
            w.to_floats(g);
#pragma unroll
            for (int i = 0; i < 8; i++)
            {
                g[i] *= activate(a.activation, f[i]);
            }

            w.from_floats(g);
            w.store(y + c);
        }
        else
        {
            for (int i = c; i < c + 8 && i < a.columns; i++)
            {
                y[i] = to_elem(activate(a.activation, to_float(gate[i])) * to_float(up[i]));
            }
        }
    }
}

struct LogitArguments
{
    float* x;
    const elem* bias; // [columns] or null
    int columns;
    int stride;
    float cap;   // 0: none
    float scale;
};

// x = scale * x + bias, or cap * tanh(x / cap), over float rows
extern "C" __global__ void shape_logits(const __grid_constant__ LogitArguments a)
{
    allow_next_kernel();
    wait_for_previous_kernel();
    float* x = a.x + (i64)blockIdx.x * a.stride;
    for (int c = blockIdx.y * blockDim.x + threadIdx.x; c < a.columns; c += gridDim.y * blockDim.x)
    {
        const float bias = a.bias != nullptr ? to_float(a.bias[c]) : 0.0f;
        x[c] = a.cap > 0.0f ? a.cap * tanhf(x[c] / a.cap) : a.scale * x[c] + bias;
    }
}

// ---- rotation and the cache --------------------------------------------------------------------------------------------------------

struct RopeStoreArguments
{
    elem* q; // null: only k and v
    elem* k;
    const elem* v; // null: rotate only
    const int* positions;
    const int* slots;
    const float* cosines; // null: store only
    const float* sines;
    elem* keys;
    elem* values;
    i64 blockStride; // elements
    int queryHeads;
    int kvHeads;
    int headDim;
    int rotaryDim;
    int interleaved;
    int blockSize;
    int qStride;
    int kStride;
    int vStride;
    int tableStride;
};

// Eight elements of each half of a rotated head at a time: for the usual pairing of j with j + headDim / 2 and aligned rows.
__device__ __forceinline__ void rotate_vectors(const elem* x, elem* first, elem* second, int half, const float* cosines, const float* sines, int j)
{
    float lower[8];
    float upper[8];
    Vector8 v;
    v.load(x + j);
    v.to_floats(lower);
    v.load(x + j + half);
    v.to_floats(upper);
    float rotatedLower[8];
    float rotatedUpper[8];
#pragma unroll
    for (int i = 0; i < 8; i++)
    {
        const float c = cosines[j + i];
        const float s = sines[j + i];
        rotatedLower[i] = lower[i] * c - upper[i] * s;
        rotatedUpper[i] = upper[i] * c + lower[i] * s;
    }

    v.from_floats(rotatedLower);
    v.store(first);
    v.from_floats(rotatedUpper);
    v.store(second);
}

// Rotates q in place, and k on its way into the cache (in place too when there is no cache to write). One block a token.
extern "C" __global__ void rope_store(const __grid_constant__ RopeStoreArguments a)
{
    allow_next_kernel();
    wait_for_previous_kernel();
    const int token = blockIdx.x;
    const bool rotates = a.cosines != nullptr;
    const bool stores = a.v != nullptr;
    const int slot = stores ? a.slots[token] : -1;
    const i64 cell = slot < 0 ? 0 : (i64)(slot / a.blockSize) * a.blockStride + (i64)(slot % a.blockSize) * a.headDim;
    const i64 headStride = (i64)a.blockSize * a.headDim;
    const int half = a.rotaryDim / 2;
    const int heads = a.queryHeads + a.kvHeads;
    const float* cosines = rotates ? a.cosines + (i64)a.positions[token] * a.tableStride : nullptr;
    const float* sines = rotates ? a.sines + (i64)a.positions[token] * a.tableStride : nullptr;
    const elem* values = stores ? a.v + (i64)token * a.vStride : nullptr;
    if (rotates && stores && !a.interleaved && a.rotaryDim == a.headDim && a.headDim % 16 == 0 && ((a.qStride | a.kStride | a.vStride) & 7) == 0
        && (((u64)a.q | (u64)a.k | (u64)a.v) & 15) == 0)
    {
        const int vectors = half / 8;
        const int rotations = heads * vectors;
        const int copies = a.kvHeads * 2 * vectors;
        for (int task = threadIdx.x; task < rotations + copies; task += blockDim.x)
        {
            if (task < a.queryHeads * vectors)
            {
                elem* row = a.q + (i64)token * a.qStride + task / vectors * a.headDim;
                const int j = task % vectors * 8;
                rotate_vectors(row, row + j, row + j + half, half, cosines, sines, j);
            }
            else if (slot >= 0 && task < rotations)
            {
                const int head = task / vectors - a.queryHeads;
                const int j = task % vectors * 8;
                elem* target = a.keys + cell + head * headStride + j;
                rotate_vectors(a.k + (i64)token * a.kStride + head * a.headDim, target, target + half, half, cosines, sines, j);
            }
            else if (slot >= 0)
            {
                const int vector = task - rotations;
                const int head = vector / (2 * vectors);
                const int j = vector % (2 * vectors) * 8;
                Vector8 v;
                v.load(values + head * a.headDim + j);
                v.store(a.values + cell + head * headStride + j);
            }
        }

        return;
    }

    if (rotates)
    {
        for (int task = threadIdx.x; task < heads * half; task += blockDim.x)
        {
            const int head = task / half;
            const int j = task % half;
            const bool isQuery = head < a.queryHeads;
            const int kvHead = head - a.queryHeads;
            elem* row = isQuery ? a.q + (i64)token * a.qStride + head * a.headDim : a.k + (i64)token * a.kStride + kvHead * a.headDim;
            const int first = a.interleaved ? 2 * j : j;
            const int second = a.interleaved ? 2 * j + 1 : j + half;
            const float c = cosines[j];
            const float s = sines[j];
            const float x = to_float(row[first]);
            const float y = to_float(row[second]);
            const elem rotatedFirst = to_elem(x * c - y * s);
            const elem rotatedSecond = to_elem(y * c + x * s);
            if (isQuery || !stores)
            {
                row[first] = rotatedFirst;
                row[second] = rotatedSecond;
            }
            else if (slot >= 0)
            {
                elem* target = a.keys + cell + kvHead * headStride;
                target[first] = rotatedFirst;
                target[second] = rotatedSecond;
            }
        }
    }

    if (!stores || slot < 0)
    {
        return;
    }

    const int rest = rotates ? a.headDim - a.rotaryDim : a.headDim;
    for (int task = threadIdx.x; task < a.kvHeads * rest; task += blockDim.x)
    {
        const int head = task / rest;
        const int d = a.headDim - rest + task % rest;
        a.keys[cell + head * headStride + d] = a.k[(i64)token * a.kStride + head * a.headDim + d];
    }

    for (int task = threadIdx.x; task < a.kvHeads * a.headDim; task += blockDim.x)
    {
        const int head = task / a.headDim;
        const int d = task % a.headDim;
        a.values[cell + head * headStride + d] = values[head * a.headDim + d];
    }
}

struct CopyBlockArguments
{
    uint4* keys;
    uint4* values;
    const int* pairs; // from, to, from, to
    int vectorsPerBlock;
};

extern "C" __global__ void copy_blocks(const __grid_constant__ CopyBlockArguments a)
{
    allow_next_kernel();
    wait_for_previous_kernel();
    uint4* data = blockIdx.y == 0 ? a.keys : a.values;
    const uint4* from = data + (i64)a.pairs[2 * blockIdx.x] * a.vectorsPerBlock;
    uint4* to = data + (i64)a.pairs[2 * blockIdx.x + 1] * a.vectorsPerBlock;
    for (int i = threadIdx.x; i < a.vectorsPerBlock; i += blockDim.x)
    {
        to[i] = from[i];
    }
}

// ---- conversion at load ------------------------------------------------------------------------------------------------------------

struct ConvertArguments
{
    const void* x;
    void* y;
    i64 count;
    int from; // Quire.Tensors.DType: 0 F32, 1 F16, 2 BF16
    int to;
};

__device__ __forceinline__ float read_as(const void* x, i64 i, int type)
{
    if (type == 0)
    {
        return ((const float*)x)[i];
    }

    const u32 bits = ((const u16*)x)[i];
    if (type == 2)
    {
        return __uint_as_float(bits << 16);
    }

    float value;
    asm("{ .reg .b16 h; cvt.u16.u32 h, %1; cvt.f32.f16 %0, h; }" : "=f"(value) : "r"(bits));
    return value;
}

__device__ __forceinline__ void write_as(void* y, i64 i, int type, float value)
{
    if (type == 0)
    {
        ((float*)y)[i] = value;
        return;
    }

    u32 packed;
    if (type == 2)
    {
        asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(packed) : "f"(0.0f), "f"(value));
    }
    else
    {
        asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(packed) : "f"(0.0f), "f"(value));
    }

    ((u16*)y)[i] = (u16)packed;
}

extern "C" __global__ void convert(const __grid_constant__ ConvertArguments a)
{
    for (i64 i = (i64)blockIdx.x * blockDim.x + threadIdx.x; i < a.count; i += (i64)gridDim.x * blockDim.x)
    {
        write_as(a.y, i, a.to, read_as(a.x, i, a.from));
    }
}
