using System;
using System.Linq;
using Quire.Tensors;

namespace Quire.GpuBench;

/// <summary>Rotation, cache writes and attention over shuffled blocks; slots without a token hold NaN, which would show in the result.</summary>
internal static class AttentionCheck
{
    public static double Run(
        TwinWorld world, int headDim, int kvHeads, int group, int blockSize, int window, float cap, (int Queries, int Context)[] sequences)
    {
        int columns = sequences.Max(s => (s.Context + blockSize - 1) / blockSize);
        int blocks = sequences.Sum(s => (s.Context + blockSize - 1) / blockSize) + 1;
        int[] free = Enumerable.Range(1, blocks - 1).ToArray();
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

        var shape = new KvCacheShape(1, kvHeads, headDim, blockSize, blocks, DType.BF16);
        Twin keys = world.Numbers(blocks * kvHeads * blockSize, headDim);
        Twin values = world.Numbers(blocks * kvHeads * blockSize, headDim);
        foreach (Twin side in new[] { keys, values })
        {
            for (int row = 0; row < side.Host.Rows; row++)
            {
                if (!used[row / (kvHeads * blockSize) * blockSize + row % blockSize])
                {
                    for (int d = 0; d < headDim; d++)
                    {
                        Quire.Tensors.Reference.Elements.Store(side.Host, row, d, float.NaN);
                    }
                }
            }
        }

        var hostCache = new KvCacheLayer(keys.Host.Data, values.Host.Data, shape);
        var deviceCache = new KvCacheLayer(world.Upload(keys.Host).Data, world.Upload(values.Host).Data, shape);
        int heads = kvHeads * group;
        Twin qkv = world.Numbers(tokens, (heads + 2 * kvHeads) * headDim);
        Twin y = world.Output(tokens, heads * headDim);
        Twin laterQueries = world.Numbers(tokens, heads * headDim);
        Twin later = world.Output(tokens, heads * headDim);
        int rotary = group == 4 ? headDim : headDim / 2 / 2 * 2; // whole heads are what the decode kernel rotates itself
        Twin cosines = world.Numbers(400, rotary / 2, DType.F32);
        Twin sines = world.Numbers(400, rotary / 2, DType.F32);
        Twin slotTensor = world.Integers(slots);
        Twin positionTensor = world.Integers(positions);
        Twin startTensor = world.Integers(starts);
        Twin contextTensor = world.Integers(sequences.Select(s => s.Context).ToArray());
        Twin tableTensor = world.Integers(sequences.Length, tables);
        var spec = new AttentionSpec(heads, kvHeads, headDim, 1 / MathF.Sqrt(headDim), window, cap);
        void Attend(ITensorOps ops, Func<Twin, Tensor> side, in KvCacheLayer cache)
        {
            Tensor all = side(qkv);
            Tensor q = all.ColumnRange(0, heads * headDim);
            Tensor k = all.ColumnRange(heads * headDim, kvHeads * headDim);
            Tensor v = all.ColumnRange((heads + kvHeads) * headDim, kvHeads * headDim);
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

        Attend(world.Reference, twin => twin.Host, hostCache);
        Attend(world.Cuda.Ops, twin => twin.Device, deviceCache);
        return Math.Max(world.Difference(y), world.Difference(later));
    }
}
