using System;
using System.Linq;
using Quire.Tensors;

namespace Quire.GpuBench;

/// <summary>Rotation, cache writes and attention over shuffled blocks; slots without a token hold NaN, which would show in the result.</summary>
internal static class AttentionCheck
{
    public static double Run(
        TwinWorld world, int headDim, int kvHeads, int group, int blockSize, int window, float cap, (int Queries, int Context)[] sequences,
        DType type = DType.BF16)
    {
        int columns = sequences.Max(s => (s.Context + blockSize - 1) / blockSize);
        int blocks = sequences.Sum(s => (s.Context + blockSize - 1) / blockSize) + 2; // one of them is only copied to
        int[] free = Enumerable.Range(1, blocks - 2).ToArray();
        world.Random.Shuffle(free);
        var tables = new int[sequences.Length * columns];
        var used = new bool[blocks * blockSize];
        int tokens = sequences.Sum(s => s.Queries);
        var slots = new int[tokens];
        var positions = new int[tokens];
        var starts = new int[sequences.Length + 1];
        int next = 0;
        int token = 0;
        for (int s = 0; s < sequences.Length; s++)
        {
            (int queries, int context) = sequences[s];
            for (int b = 0; b * blockSize < context; b++)
            {
                tables[s * columns + b] = free[next++];
            }

            for (int p = 0; p < context; p++)
            {
                int slot = tables[s * columns + p / blockSize] * blockSize + p % blockSize;
                used[slot] = true;
                if (p >= context - queries)
                {
                    slots[token] = slot;
                    positions[token++] = p;
                }
            }

            starts[s + 1] = token;
        }

        var shape = new KvCacheShape(1, kvHeads, headDim, blockSize, blocks, type);
        CacheTwin cache = shape.IsQuantized ? CacheTwin.Quantized(world, shape, used) : CacheTwin.Plain(world, shape, used);
        int heads = kvHeads * group;
        Twin qkv = world.Numbers(tokens, (heads + 2 * kvHeads) * headDim);
        Twin y = world.Output(tokens, heads * headDim);
        Twin laterQueries = world.Numbers(tokens, heads * headDim);
        Twin later = world.Output(tokens, heads * headDim);
        int rotary = group == 4 ? headDim : headDim / 2 / 2 * 2; // whole heads are what the decode kernel rotates itself
        Twin cosines = world.Numbers(800, rotary / 2, DType.F32);
        Twin sines = world.Numbers(800, rotary / 2, DType.F32);
        Twin slotTensor = world.Integers(slots);
        Twin positionTensor = world.Integers(positions);
        Twin startTensor = world.Integers(starts);
        Twin contextTensor = world.Integers(sequences.Select(s => s.Context).ToArray());
        Twin tableTensor = world.Integers(sequences.Length, tables);
        var spec = new AttentionSpec(heads, kvHeads, headDim, 1 / MathF.Sqrt(headDim), window, cap);

        // A quantised cache is made from keys that were never rounded; the reference then wants them in F32.
        Tensor hostK = qkv.Host.ColumnRange(heads * headDim, kvHeads * headDim);
        Tensor hostV = qkv.Host.ColumnRange((heads + kvHeads) * headDim, kvHeads * headDim);
        hostK = shape.IsQuantized ? world.AsFloat(hostK) : hostK;
        hostV = shape.IsQuantized ? world.AsFloat(hostV) : hostV;
        Tensor deviceK = qkv.Device.ColumnRange(heads * headDim, kvHeads * headDim);
        Tensor deviceV = qkv.Device.ColumnRange((heads + kvHeads) * headDim, kvHeads * headDim);
        void Attend(ITensorOps ops, Func<Twin, Tensor> side, Tensor k, Tensor v, in KvCacheLayer cache)
        {
            Tensor q = side(qkv).ColumnRange(0, heads * headDim);
            var rope = new RopeTable(side(cosines), side(sines), rotary, Interleaved: group == 1);
            ops.RopeAndStoreKv(q, k, v, side(positionTensor), rope, side(slotTensor), cache);
            var batch = new AttentionBatch
            {
                Sequences = sequences.Length,
                QueryStarts = side(startTensor),
                ContextLengths = side(contextTensor),
                BlockTables = side(tableTensor),
                MaxQueryLength = sequences.Max(s => s.Queries),
                MaxContextLength = sequences.Max(s => s.Context),
            };
            ops.PagedAttention(q, cache, batch, spec, side(y));

            // Other queries see what was stored, however it was stored.
            ops.PagedAttention(side(laterQueries), cache, batch, spec, side(later));
        }

        Attend(world.Reference, twin => twin.Host, hostK, hostV, cache.Host);
        Attend(world.Cuda.Ops, twin => twin.Device, deviceK, deviceV, cache.Device);
        double difference = Math.Max(world.Difference(y), world.Difference(later));
        return shape.IsQuantized ? Math.Max(difference, cache.CompareCodes(world, used, tables[0])) : difference;
    }
}
