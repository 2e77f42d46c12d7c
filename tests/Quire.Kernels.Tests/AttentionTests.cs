using System;
using Quire.Cpu;
using Quire.Tensors;

namespace Quire.Kernels.Tests;

public class AttentionTests
{
    public static TheoryData<InstructionTier> Tiers => KernelWorld.Tiers;

    [Theory]
    [MemberData(nameof(Tiers))]
    public void Mixed_batches_agree_with_the_reference_for_every_cache_type(InstructionTier tier)
    {
        foreach (DType type in new[] { DType.F32, DType.BF16, DType.F16, DType.I8, DType.F8E4M3, DType.F8E5M2 })
        {
            Check(tier, type, 16, new AttentionSpec(8, 2, 64, 0.125f), (1, 1), (7, 7), (1, 45), (5, 50), (30, 71));
            Check(tier, type, 5, new AttentionSpec(3, 3, 20, 0.3f), (1, 33), (9, 64), (0, 3), (2, 2));
            Check(tier, type, 32, new AttentionSpec(7, 1, 37, 1f), (4, 40), (1, 100));
        }
    }

    [Theory]
    [MemberData(nameof(Tiers))]
    public void Sliding_windows_and_soft_caps_agree_with_the_reference(InstructionTier tier)
    {
        foreach (int window in new[] { 1, 5, 32, 40, 1000 })
        {
            Check(tier, DType.F32, 16, new AttentionSpec(4, 2, 32, 0.5f, window, 0.7f), (1, 90), (40, 100), (3, 3));
        }

        Check(tier, DType.BF16, 8, new AttentionSpec(4, 4, 16, 1f, 0, 2f), (1, 70), (12, 20));
        Check(tier, DType.I8, 8, new AttentionSpec(4, 4, 16, 1f, 21, 2f), (1, 70), (12, 20));
    }

    [Fact]
    public void Contexts_longer_than_a_split_agree_alone_and_in_chunks()
    {
        var spec = new AttentionSpec(4, 2, 32, 0.2f);
        Check(null, DType.F32, 16, spec, (1, 1100));
        Check(null, DType.F32, 16, spec, (20, 1030), (1, 513));
        Check(null, DType.BF16, 16, spec, (1, 1024), (1, 3), (1, 700));
        Check(null, DType.I8, 16, spec, (1, 1024), (1, 3), (1, 700));
        Check(null, DType.F8E4M3, 16, spec, (20, 1030), (1, 513));
        Check(null, DType.F32, 16, spec with { SlidingWindow = 600 }, (1, 1100), (1, 200));
        Check(null, DType.F32, 16, spec with { SlidingWindow = 30 }, (40, 1100));
    }

    [Fact]
    public void Large_scores_do_not_overflow()
    {
        Check(null, DType.F32, 16, new AttentionSpec(2, 1, 64, 500f), (1, 200), (20, 60));
    }

    [Theory]
    [MemberData(nameof(Tiers))]
    public void Rotation_agrees_for_both_pairings_and_partial_heads(InstructionTier tier)
    {
        foreach (bool interleaved in new[] { false, true })
        {
            foreach ((int headDim, int rotary) in new[] { (64, 64), (20, 20), (40, 10), (128, 96), (6, 2) })
            {
                using var world = new KernelWorld(tier);
                RopeTable table = Table(world, rotary, interleaved);
                Tensor x = world.Numbers(5, 3 * headDim, gap: 7);
                Tensor expected = world.Copy(x);
                Tensor positions = world.Integers(0, 49, 3, 3, 17);
                world.Reference.Ops.Rope(expected, positions, table, headDim);
                world.Cpu.Ops.Rope(x, positions, table, headDim);
                world.AssertClose(expected, x, 1e-6);
            }
        }
    }

    [Theory]
    [MemberData(nameof(Tiers))]
    public void Storing_rounds_to_the_type_of_the_cache_and_skips_negative_slots(InstructionTier tier)
    {
        foreach (DType type in new[] { DType.F32, DType.BF16, DType.F16 })
        {
            foreach (bool rotates in new[] { false, true })
            {
                using var world = new KernelWorld(tier);
                const int Heads = 3;
                const int HeadDim = 22;
                var shape = new KvCacheShape(1, Heads, HeadDim, 4, 5, type);
                Tensor[] sides = new Tensor[4];
                for (int i = 0; i < 4; i++)
                {
                    sides[i] = world.Unset(shape.Blocks * Heads * shape.BlockSize, HeadDim, type: type);
                }

                // q, k and v are column ranges of one fused projection.
                Tensor fused = world.Numbers(4, (6 + 2 * Heads) * HeadDim, gap: 2);
                Tensor copy = world.Copy(fused);
                Tensor slots = world.Integers(7, -1, 19, 4);
                Tensor positions = world.Integers(5, 6, 7, 30);
                Run(world.Reference.Ops, copy, new KvCacheLayer(sides[0].Data, sides[1].Data, shape));
                Run(world.Cpu.Ops, fused, new KvCacheLayer(sides[2].Data, sides[3].Data, shape));
                world.AssertClose(copy, fused, 1e-6);
                if (rotates)
                {
                    AssertCloseOrBothUnset(world, sides[0], sides[2], type == DType.F32 ? 1e-6 : 4e-3);
                }
                else
                {
                    world.AssertSameBits(sides[0], sides[2], "keys");
                }

                world.AssertSameBits(sides[1], sides[3], "values");

                void Run(ITensorOps ops, Tensor qkv, KvCacheLayer layer)
                {
                    Tensor q = qkv.ColumnRange(0, 6 * HeadDim);
                    Tensor k = qkv.ColumnRange(6 * HeadDim, Heads * HeadDim);
                    Tensor v = qkv.ColumnRange((6 + Heads) * HeadDim, Heads * HeadDim);
                    if (rotates)
                    {
                        ops.RopeAndStoreKv(q, k, v, positions, Table(world, HeadDim, false), slots, layer);
                    }
                    else
                    {
                        ops.StoreKv(k, v, slots, layer);
                    }
                }
            }
        }
    }

    [Fact]
    public void Special_numbers_survive_the_trip_through_a_bf16_cache()
    {
        using var world = new KernelWorld();
        var shape = new KvCacheShape(1, 1, 32, 1, 1, DType.BF16);
        Tensor keys = world.Unset(1, 32, type: DType.BF16);
        Tensor values = world.Unset(1, 32, type: DType.BF16);
        Tensor k = world.Numbers(1, 32);
        float[] special = [float.NaN, float.PositiveInfinity, float.NegativeInfinity, float.MaxValue, float.Epsilon, -0f, 1.00390625f, 1.01171875f];
        special.CopyTo(k.HostRow<float>(0));
        world.Cpu.Ops.StoreKv(k, k, world.Integers(0), new KvCacheLayer(keys.Data, values.Data, shape));
        for (int i = 0; i < 32; i++)
        {
            Assert.Equal(FloatConversions.SingleToBFloat16(k.HostRow<float>(0)[i]), keys.HostRow<ushort>(0)[i]);
        }
    }

    [Fact]
    public void Copied_blocks_are_equal_in_every_layer()
    {
        using var world = new KernelWorld();
        var shape = new KvCacheShape(3, 2, 5, 4, 6, DType.BF16);
        KvCache cache = world.Cpu.CreateKvCache(shape);
        int perBlock = shape.KvHeads * shape.HeadDim * shape.BlockSize;
        foreach (KvCacheLayer layer in cache.Layers)
        {
            foreach (nint side in new[] { layer.Keys, layer.Values })
            {
                var tensor = new Tensor(side, DType.I8, 6, perBlock * 2);
                for (int block = 0; block < 6; block++)
                {
                    tensor.HostRow<byte>(block).Fill((byte)(block + 1));
                }
            }
        }

        world.Cpu.Ops.CopyBlocks(cache, world.IntegerRows(2, [[1, 4], [0, 5]]));
        foreach (KvCacheLayer layer in cache.Layers)
        {
            var tensor = new Tensor(layer.Values, DType.I8, 6, perBlock * 2);
            byte[] expected = [1, 2, 3, 4, 2, 1];
            for (int block = 0; block < 6; block++)
            {
                Assert.Equal(-1, tensor.HostRow<byte>(block).IndexOfAnyExcept(expected[block]));
            }
        }
    }

    private static void Check(
        InstructionTier? tier, DType type, int blockSize, AttentionSpec spec, params (int Queries, int Context)[] sequences)
    {
        using var world = new KernelWorld(tier);
        var attention = new AttentionWorld(world, spec, blockSize, type, sequences);
        int rows = 0;
        foreach ((int queries, int _) in sequences)
        {
            rows += queries;
        }

        Tensor q = world.Numbers(rows, spec.Heads * spec.HeadDim, gap: 11);
        Tensor y = world.Unset(rows, spec.Heads * spec.HeadDim, gap: 3);
        Tensor expected = world.Copy(y);
        world.Reference.Ops.PagedAttention(q, attention.Cache, attention.Batch(), spec, expected);
        world.Cpu.Ops.PagedAttention(q, attention.Cache, attention.Batch(), spec, y);

        // An error of a score is an error of its exponential, and scores grow with the scale.
        world.AssertClose(expected, y, 2e-6 + 1e-6 * spec.Scale * Math.Sqrt(spec.HeadDim));
    }

    private static RopeTable Table(KernelWorld world, int rotaryDim, bool interleaved)
    {
        const int Positions = 50;
        Tensor cosines = world.Unset(Positions, rotaryDim / 2);
        Tensor sines = world.Unset(Positions, rotaryDim / 2);
        for (int position = 0; position < Positions; position++)
        {
            for (int j = 0; j < rotaryDim / 2; j++)
            {
                double angle = position * Math.Pow(10000, -2.0 * j / rotaryDim);
                cosines.HostRow<float>(position)[j] = (float)Math.Cos(angle);
                sines.HostRow<float>(position)[j] = (float)Math.Sin(angle);
            }
        }

        return new RopeTable(cosines, sines, rotaryDim, interleaved);
    }

    private static void AssertCloseOrBothUnset(KernelWorld world, Tensor expected, Tensor actual, double tolerance)
    {
        for (int row = 0; row < expected.Rows; row++)
        {
            bool unset = float.IsNaN(Quire.Tensors.Reference.Elements.Load(expected, row, 0));
            if (unset)
            {
                world.AssertSameBits(expected.RowRange(row, 1), actual.RowRange(row, 1), "an unused slot");
            }
            else
            {
                world.AssertClose(expected.RowRange(row, 1), actual.RowRange(row, 1), tolerance);
            }
        }
    }
}
