using System;
using System.Collections.Generic;
using Quire.Cpu;
using Quire.Tensors;

namespace Quire.Kernels.Tests;

/// <summary>
/// A row's result is the same bit for bit whatever else is in the call, however many threads there are, and however a prompt was cut.
/// </summary>
public class InvarianceTests
{
    public static TheoryData<InstructionTier> Tiers => KernelWorld.Tiers;

    [Theory]
    [MemberData(nameof(Tiers))]
    public void A_row_of_a_linear_layer_does_not_depend_on_the_others_or_on_the_threads(InstructionTier tier)
    {
        bool imitated = tier != CpuFeatures.Widest;
        foreach (DType type in new[] { DType.BF16, DType.F32, DType.F16 })
        {
            foreach ((int inFeatures, int outFeatures) in new[] { (70, 50), (1500, 75), (2053, 33) })
            {
                using var world = new KernelWorld(tier, threads: 1);
                Tensor weight = world.Numbers(outFeatures, inFeatures, type: type);
                HostMatrix bias = KernelWorld.Matrix(world.Numbers(1, outFeatures));
                var source = new LinearSource("layer", [new DensePart(KernelWorld.Matrix(weight))], [bias]);
                Tensor x = world.Numbers(40, inFeatures, gap: 3);
                Tensor alone = world.Unset(40, outFeatures);
                LinearWeight linear = world.Cpu.CreateLinear(source);
                for (int row = 0; row < 40; row++)
                {
                    world.Cpu.Ops.Linear(x.RowRange(row, 1), linear, alone.RowRange(row, 1));
                }

                foreach (int threads in imitated ? [2] : new[] { 1, 2, 3 })
                {
                    using var backend = new CpuBackend(new CpuOptions { Threads = threads, ForcedTier = tier });
                    LinearWeight same = backend.CreateLinear(source);
                    for (int tokens = 1; tokens <= 40; tokens += imitated ? 13 : 1)
                    {
                        int first = world.Random.Next(41 - tokens);
                        Tensor y = world.Unset(tokens, outFeatures, gap: 1);
                        backend.Ops.Linear(x.RowRange(first, tokens), same, y);
                        world.AssertSameBits(alone.RowRange(first, tokens), y, $"{tokens} rows, {threads} threads, {type}, {inFeatures} features");
                    }
                }
            }
        }
    }

    [Fact]
    public void A_row_is_the_same_in_a_batch_of_several_token_blocks()
    {
        using var world = new KernelWorld();
        Tensor weight = world.Numbers(21, 2500, type: DType.BF16);
        LinearWeight linear = world.Cpu.CreateLinear(weight);
        Tensor x = world.Numbers(200, 2500);
        Tensor together = world.Unset(200, 21);
        world.Cpu.Ops.Linear(x, linear, together);
        Tensor alone = world.Unset(200, 21);
        for (int row = 0; row < 200; row++)
        {
            world.Cpu.Ops.Linear(x.RowRange(row, 1), linear, alone.RowRange(row, 1));
        }

        world.AssertSameBits(alone, together, "200 rows");
    }

    [Theory]
    [MemberData(nameof(Tiers))]
    public void A_query_does_not_depend_on_its_chunk_its_batch_its_blocks_or_the_threads(InstructionTier tier)
    {
        // Long enough for a second split where the instructions are not imitated.
        int context = tier == CpuFeatures.Widest ? 600 : 80;
        foreach (DType type in new[] { DType.F32, DType.BF16, DType.I8 })
        {
            foreach (AttentionSpec spec in new[]
            {
                new AttentionSpec(6, 2, 40, 0.3f), new AttentionSpec(4, 4, 32, 0.3f, SlidingWindow: 45), new AttentionSpec(8, 1, 16, 0.5f, 0, 3f),
            })
            {
                using var world = new KernelWorld(tier, threads: 1);
                Tensor q = world.Numbers(context, spec.Heads * spec.HeadDim);
                Tensor k = world.Numbers(context, spec.KvHeads * spec.HeadDim);
                Tensor v = world.Numbers(context, spec.KvHeads * spec.HeadDim);
                Tensor expected = world.Unset(context, q.Columns);
                var alone = new PagedSequence(world, world.Cpu, k, v, spec, 16, type);
                for (int position = 0; position < context; position++)
                {
                    alone.Attend(q, position, 1, expected);
                }

                foreach (int threads in new[] { 1, 3 })
                {
                    foreach (int blockSize in new[] { 16, 5, 64 })
                    {
                        using var backend = new CpuBackend(new CpuOptions { Threads = threads, ForcedTier = tier });
                        var sequence = new PagedSequence(world, backend, k, v, spec, blockSize, type);
                        Tensor y = world.Unset(context, q.Columns);
                        for (int position = 0; position < context;)
                        {
                            int chunk = Math.Min(context - position, world.Random.Next(1, 100));
                            sequence.Attend(q, position, chunk, y);
                            position += chunk;
                        }

                        world.AssertSameBits(expected, y, $"{threads} threads, blocks of {blockSize}, {type}, {spec}");
                        Tensor last = world.Unset(context, q.Columns);
                        sequence.Attend(q, context - 1, 1, last);
                        world.AssertSameBits(expected.RowRange(context - 1, 1), last.RowRange(context - 1, 1), $"one query, {threads} threads");
                    }
                }
            }
        }
    }

    [Theory]
    [MemberData(nameof(Tiers))]
    public void Operations_on_rows_do_not_depend_on_other_rows(InstructionTier tier)
    {
        using var world = new KernelWorld(tier, threads: 3);
        const int Rows = 60;
        const int Columns = 1100;
        Tensor x = world.Numbers(Rows, Columns);
        Tensor weight = world.Numbers(1, Columns / 2);
        Action<Tensor>[] operations =
        [
            t => world.Cpu.Ops.RmsNorm(t, weight, 1e-5f, 0, t),
            t => world.Cpu.Ops.Activate(Activation.Silu, t),
            t => world.Cpu.Ops.SoftCap(t, 0.4f),
            t => world.Cpu.Ops.GatedActivation(Activation.GeluTanh, t, t.ColumnRange(0, Columns / 2)),
        ];
        foreach (Action<Tensor> operation in operations)
        {
            Tensor together = world.Copy(x);
            Tensor alone = world.Copy(x);
            operation(together);
            for (int row = 0; row < Rows; row++)
            {
                operation(alone.RowRange(row, 1));
            }

            world.AssertSameBits(alone, together, "rows");
        }
    }

    /// <summary>One sequence in a cache of its own, with given keys and values in shuffled blocks.</summary>
    private sealed class PagedSequence
    {
        private readonly KernelWorld _world;
        private readonly CpuBackend _backend;
        private readonly AttentionSpec _spec;
        private readonly KvCacheLayer _layer;
        private readonly int[] _blocks;

        public PagedSequence(KernelWorld world, CpuBackend backend, Tensor k, Tensor v, AttentionSpec spec, int blockSize, DType type)
        {
            _world = world;
            _backend = backend;
            _spec = spec;
            _blocks = new int[(k.Rows + blockSize - 1) / blockSize];
            for (int i = 0; i < _blocks.Length; i++)
            {
                _blocks[i] = i + 1;
            }

            world.Random.Shuffle(_blocks);
            _layer = backend.CreateKvCache(new KvCacheShape(1, spec.KvHeads, spec.HeadDim, blockSize, _blocks.Length + 1, type)).Layers[0];
            var slots = new List<int>();
            for (int position = 0; position < k.Rows; position++)
            {
                slots.Add(_blocks[position / blockSize] * blockSize + position % blockSize);
            }

            backend.Ops.StoreKv(k, v, world.Integers([.. slots]), _layer);
        }

        /// <summary>The queries [position, position + count) as one chunk.</summary>
        public void Attend(Tensor q, int position, int count, Tensor y)
        {
            var batch = new AttentionBatch
            {
                Sequences = 1,
                QueryStarts = _world.Integers(0, count),
                ContextLengths = _world.Integers(position + count),
                BlockTables = _world.IntegerRows(_blocks.Length, [_blocks]),
                MaxQueryLength = count,
                MaxContextLength = position + count,
            };
            _backend.Ops.PagedAttention(q.RowRange(position, count), _layer, batch, _spec, y.RowRange(position, count));
        }
    }
}
