using System;
using System.Diagnostics;
using Quire.Cpu.Attention;
using Quire.Cpu.Kernels;
using Quire.Cpu.Simd;
using Quire.Tensors;

namespace Quire.Cpu;

/// <content>Attention over the paged cache, and what writes to it.</content>
internal sealed unsafe partial class CpuOps<TSimd, TVector>
{
    /// <summary>Multiply-adds of attention below which the calling thread does it alone.</summary>
    private const long ParallelAttention = 64 * 1024;

    public void Rope(Tensor x, Tensor positions, in RopeTable table, int headDim)
    {
        var kernel = new RopeKernel<TSimd, TVector>
        {
            X = new FloatRows(x),
            Columns = x.Columns,
            Positions = (int*)positions.Data,
            Angles = new RopeAngles(in table),
            HeadDim = headDim,
        };
        RunRows(in kernel, x.Rows, x.Columns);
    }

    public void StoreKv(Tensor k, Tensor v, Tensor slots, in KvCacheLayer cache) => Store(default, k, v, default, default, slots, in cache);

    public void RopeAndStoreKv(Tensor q, Tensor k, Tensor v, Tensor positions, in RopeTable table, Tensor slots, in KvCacheLayer cache) =>
        Store(q, k, v, positions, in table, slots, in cache);

    public void PagedAttention(Tensor q, in KvCacheLayer cache, in AttentionBatch batch, in AttentionSpec spec, Tensor y)
    {
        Debug.Assert(q.Columns == spec.Heads * spec.HeadDim && y.Columns == q.Columns && q.Rows == y.Rows);
        Debug.Assert(cache.Shape.HeadDim == spec.HeadDim && cache.Shape.KvHeads == spec.KvHeads);
        switch (cache.Shape.Type)
        {
            case DType.F32:
                Attend<F32Element>(q, in cache, in batch, in spec, y);
                break;
            case DType.BF16:
                Attend<BF16Element>(q, in cache, in batch, in spec, y);
                break;
            case DType.F16:
                Attend<F16Element>(q, in cache, in batch, in spec, y);
                break;
            default:
                // Codes are expanded to F32 in the first-level cache, a group of keys at a time.
                Attend<F32Element>(q, in cache, in batch, in spec, y);
                break;
        }
    }

    public void CopyBlocks(KvCache cache, Tensor pairs)
    {
        int* blocks = (int*)pairs.Data;
        for (int i = 0; i < cache.Layers.Count; i++)
        {
            KvCacheLayer layer = cache.Layers[i];
            long bytes = layer.BlockStride * layer.Shape.Type.SizeInBytes();
            for (int pair = 0; pair < pairs.Rows; pair++)
            {
                nint from = (nint)(blocks[pair * pairs.Stride] * bytes);
                nint to = (nint)(blocks[pair * pairs.Stride + 1] * bytes);
                Buffer.MemoryCopy((void*)(layer.Keys + from), (void*)(layer.Keys + to), bytes, bytes);
                Buffer.MemoryCopy((void*)(layer.Values + from), (void*)(layer.Values + to), bytes, bytes);
                if (layer.Shape.HasScales)
                {
                    CopyScales(layer.KeyScales, layer.ScaleBlockStride, blocks + pair * pairs.Stride);
                    CopyScales(layer.ValueScales, layer.ScaleBlockStride, blocks + pair * pairs.Stride);
                }
            }
        }
    }

    private static void CopyScales(nint scales, long perBlock, int* pair) =>
        Buffer.MemoryCopy((float*)scales + pair[0] * perBlock, (float*)scales + pair[1] * perBlock, perBlock * sizeof(float), perBlock * sizeof(float));

    private void Store(
        Tensor q, Tensor k, Tensor v, Tensor positions, in RopeTable table, Tensor slots, in KvCacheLayer cache)
    {
        switch (cache.Shape.Type)
        {
            case DType.F32:
                Store<F32Element>(q, k, v, positions, in table, slots, in cache);
                break;
            case DType.BF16:
                Store<BF16Element>(q, k, v, positions, in table, slots, in cache);
                break;
            case DType.F16:
                Store<F16Element>(q, k, v, positions, in table, slots, in cache);
                break;
            default:
                StoreCodes(q, k, v, positions, in table, slots, in cache);
                break;
        }
    }

    private void StoreCodes(
        Tensor q, Tensor k, Tensor v, Tensor positions, in RopeTable table, Tensor slots, in KvCacheLayer cache)
    {
        var kernel = new StoreKvCodesKernel<TSimd, TVector>
        {
            Q = new FloatRows(q),
            QColumns = q.Columns,
            K = new FloatRows(k),
            V = new FloatRows(v),
            Rotates = !positions.IsNone,
            Positions = (int*)positions.Data,
            Angles = new RopeAngles(in table),
            Slots = (int*)slots.Data,
            Type = cache.Shape.Type,
            Keys = cache.Keys,
            Values = cache.Values,
            KeyScales = cache.KeyScales,
            ValueScales = cache.ValueScales,
            KeyScale = cache.KeyScale,
            ValueScale = cache.ValueScale,
            BlockStride = (nint)cache.BlockStride,
            KvHeads = cache.Shape.KvHeads,
            HeadDim = cache.Shape.HeadDim,
            BlockSize = cache.Shape.BlockSize,
        };
        RunRows(in kernel, k.Rows, q.Columns + 4 * (k.Columns + v.Columns));
    }

    private void Store<TElement>(
        Tensor q, Tensor k, Tensor v, Tensor positions, in RopeTable table, Tensor slots, in KvCacheLayer cache)
        where TElement : struct, IElement
    {
        var kernel = new StoreKvKernel<TSimd, TVector, TElement>
        {
            Q = new FloatRows(q),
            QColumns = q.Columns,
            K = new FloatRows(k),
            V = new FloatRows(v),
            Rotates = !positions.IsNone,
            Positions = (int*)positions.Data,
            Angles = new RopeAngles(in table),
            Slots = (int*)slots.Data,
            Keys = (byte*)cache.Keys,
            Values = (byte*)cache.Values,
            BlockStride = (nint)cache.BlockStride,
            KvHeads = cache.Shape.KvHeads,
            HeadDim = cache.Shape.HeadDim,
            BlockSize = cache.Shape.BlockSize,
        };
        RunRows(in kernel, k.Rows, q.Columns + k.Columns + v.Columns);
    }

    private void Attend<TElement>(Tensor q, in KvCacheLayer cache, in AttentionBatch batch, in AttentionSpec spec, Tensor y)
        where TElement : struct, IElement
    {
        int headsPerKvHead = spec.Heads / spec.KvHeads;
        int perTile = Math.Max(1, AttentionTile<TSimd, TVector, TElement>.TileRows / headsPerKvHead);
        var inputs = new AttentionInputs(q, in cache, in batch, in spec, y)
        {
            TileQueries = Math.Min(perTile, Math.Max(1, batch.MaxQueryLength)),
        };
        int threads = runtime.Pool.Threads;
        int splits = (batch.MaxContextLength + AttentionTile<TSimd, TVector, TElement>.SplitKeys - 1)
            / AttentionTile<TSimd, TVector, TElement>.SplitKeys;
        if (batch.MaxQueryLength == 1 && splits > 1 && threads > 1 && batch.Sequences * spec.KvHeads < 4 * threads)
        {
            AttendSplit<TElement>(in inputs, splits);
            return;
        }

        long tiles = 0;
        for (int sequence = 0; sequence < batch.Sequences; sequence++)
        {
            tiles += inputs.Tiles(sequence);
        }

        int rows = inputs.TileQueries * headsPerKvHead;
        var job = new TileAttentionJob<TSimd, TVector, TElement>
        {
            Inputs = inputs,
            Scratch = runtime.Scratch.Reserve(
                threads, AttentionTile<TSimd, TVector, TElement>.ScratchBytes(in inputs, rows), out nint stride),
            ScratchStride = stride,
        };
        int items = checked((int)(tiles * spec.KvHeads));
        bool alone = tiles * rows * spec.KvHeads * spec.HeadDim * batch.MaxContextLength < ParallelAttention;
        runtime.Pool.Run(in job, items, alone ? Math.Max(1, items) : Math.Max(1, items / (32 * threads)));
    }

    private void AttendSplit<TElement>(ref readonly AttentionInputs inputs, int splits)
        where TElement : struct, IElement
    {
        int threads = runtime.Pool.Threads;
        int rows = inputs.HeadsPerKvHead;
        int heads = inputs.Sequences * inputs.KvHeads;
        long perWorker = AttentionTile<TSimd, TVector, TElement>.ScratchBytes(in inputs, rows);
        long states = sizeof(float) * SoftmaxState.Size(rows, inputs.HeadStep) * heads * splits;
        byte* memory = runtime.Scratch.Reserve(1, states + (perWorker + 64) * threads, out _);
        var split = new SplitAttentionJob<TSimd, TVector, TElement>
        {
            Inputs = inputs,
            States = (float*)memory,
            Splits = splits,
            Scratch = memory + states,
            ScratchStride = (nint)((perWorker + 63) / 64 * 64),
        };
        runtime.Pool.Run(in split, heads * splits, 1);
        var merge = new MergeAttentionJob<TSimd, TVector, TElement> { Splits = split };
        runtime.Pool.Run(in merge, heads, heads);
    }
}
