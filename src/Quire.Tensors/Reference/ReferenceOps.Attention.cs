using System;

namespace Quire.Tensors.Reference;

/// <content>Attention over the paged cache, and what writes to it.</content>
public sealed unsafe partial class ReferenceOps
{
    public void StoreKv(Tensor k, Tensor v, Tensor slots, in KvCacheLayer cache)
    {
        KvCacheShape shape = cache.Shape;
        for (int t = 0; t < k.Rows; t++)
        {
            int slot = Elements.Integer(slots, t);
            if (slot < 0)
            {
                continue;
            }

            for (int head = 0; head < shape.KvHeads; head++)
            {
                long target = ElementIndex(cache, slot / shape.BlockSize, head, slot % shape.BlockSize);
                if (shape.IsQuantized)
                {
                    ReadOnlySpan<float> key = k.HostRow<float>(t).Slice(head * shape.HeadDim, shape.HeadDim);
                    ReadOnlySpan<float> value = v.HostRow<float>(t).Slice(head * shape.HeadDim, shape.HeadDim);
                    KvQuantization.Store(key, shape.Type, cache.Keys, target, cache.KeyScales, cache.KeyScale);
                    KvQuantization.Store(value, shape.Type, cache.Values, target, cache.ValueScales, cache.ValueScale);
                    continue;
                }

                for (int d = 0; d < shape.HeadDim; d++)
                {
                    Elements.Store(cache.Keys, shape.Type, target + d, Elements.Load(k, t, head * shape.HeadDim + d));
                    Elements.Store(cache.Values, shape.Type, target + d, Elements.Load(v, t, head * shape.HeadDim + d));
                }
            }
        }
    }

    public void PagedAttention(Tensor q, in KvCacheLayer cache, in AttentionBatch batch, in AttentionSpec spec, Tensor y)
    {
        var scores = new double[batch.MaxContextLength];
        for (int sequence = 0; sequence < batch.Sequences; sequence++)
        {
            int firstRow = Elements.Integer(batch.QueryStarts, sequence);
            int queries = Elements.Integer(batch.QueryStarts, sequence + 1) - firstRow;
            int context = Elements.Integer(batch.ContextLengths, sequence);
            Tensor blocks = batch.BlockTables.RowRange(sequence, 1);
            for (int i = 0; i < queries; i++)
            {
                int visible = context - queries + i + 1;
                for (int head = 0; head < spec.Heads; head++)
                {
                    Attend(q, firstRow + i, head, visible, cache, blocks, spec, scores, y);
                }
            }
        }
    }

    public void CopyBlocks(KvCache cache, Tensor pairs)
    {
        foreach (KvCacheLayer layer in cache.Layers)
        {
            long bytes = layer.BlockStride * layer.Shape.Type.SizeInBytes();
            for (int i = 0; i < pairs.Rows; i++)
            {
                nint from = (nint)(Elements.Integer(pairs, 2 * i) * bytes);
                nint to = (nint)(Elements.Integer(pairs, 2 * i + 1) * bytes);
                Buffer.MemoryCopy((void*)(layer.Keys + from), (void*)(layer.Keys + to), bytes, bytes);
                Buffer.MemoryCopy((void*)(layer.Values + from), (void*)(layer.Values + to), bytes, bytes);
                CopyScales(layer, Elements.Integer(pairs, 2 * i), Elements.Integer(pairs, 2 * i + 1));
            }
        }
    }

    private static void CopyScales(in KvCacheLayer layer, int from, int to)
    {
        for (long i = 0; layer.Shape.HasScales && i < layer.ScaleBlockStride; i++)
        {
            ((float*)layer.KeyScales)[to * layer.ScaleBlockStride + i] = ((float*)layer.KeyScales)[from * layer.ScaleBlockStride + i];
            ((float*)layer.ValueScales)[to * layer.ScaleBlockStride + i] = ((float*)layer.ValueScales)[from * layer.ScaleBlockStride + i];
        }
    }

    /// <summary>An element of a side of the cache as the number that it stands for.</summary>
    private static float Load(in KvCacheLayer cache, nint side, nint scales, float scale, long index)
    {
        float factor = cache.Shape.HasScales ? ((float*)scales)[index / cache.Shape.HeadDim] : scale;
        return Elements.Load(side, cache.Shape.Type, index) * factor;
    }

    /// <summary>One query of one head against the positions [first, visible): softmax(scale · q·k) · v.</summary>
    private static void Attend(
        Tensor q, int row, int head, int visible, in KvCacheLayer cache, Tensor blocks, in AttentionSpec spec, double[] scores, Tensor y)
    {
        int kvHead = head / (spec.Heads / spec.KvHeads);
        int first = spec.SlidingWindow > 0 ? Math.Max(0, visible - spec.SlidingWindow) : 0;
        double largest = double.NegativeInfinity;
        for (int position = first; position < visible; position++)
        {
            long key = ElementIndex(cache, blocks, kvHead, position);
            double dot = 0;
            for (int d = 0; d < spec.HeadDim; d++)
            {
                dot += (double)Elements.Load(q, row, head * spec.HeadDim + d)
                    * Load(cache, cache.Keys, cache.KeyScales, cache.KeyScale, key + d);
            }

            dot *= spec.Scale;
            scores[position] = spec.LogitSoftCap > 0 ? spec.LogitSoftCap * Math.Tanh(dot / spec.LogitSoftCap) : dot;
            largest = Math.Max(largest, scores[position]);
        }

        double total = 0;
        for (int position = first; position < visible; position++)
        {
            scores[position] = Math.Exp(scores[position] - largest);
            total += scores[position];
        }

        for (int d = 0; d < spec.HeadDim; d++)
        {
            double sum = 0;
            for (int position = first; position < visible; position++)
            {
                long value = ElementIndex(cache, blocks, kvHead, position);
                sum += scores[position] * Load(cache, cache.Values, cache.ValueScales, cache.ValueScale, value + d);
            }

            Elements.Store(y, row, head * spec.HeadDim + d, (float)(sum / total));
        }
    }

    private static long ElementIndex(in KvCacheLayer cache, Tensor blocks, int kvHead, int position) =>
        ElementIndex(cache, Elements.Integer(blocks, position / cache.Shape.BlockSize), kvHead, position % cache.Shape.BlockSize);

    private static long ElementIndex(in KvCacheLayer cache, int block, int kvHead, int offset) =>
        block * cache.BlockStride + (long)kvHead * cache.HeadStride + (long)offset * cache.Shape.HeadDim;
}
