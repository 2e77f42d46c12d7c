using System;
using Quire.Cpu;
using Quire.Tensors;

namespace Quire.Kernels.Tests;

public class QuantizedKvCacheTests
{
    private const int Heads = 3;
    private const int HeadDim = 22;

    public static TheoryData<InstructionTier> Tiers => KernelWorld.Tiers;

    [Theory]
    [MemberData(nameof(Tiers))]
    public void Storing_gives_the_codes_and_scales_of_the_reference_and_skips_negative_slots(InstructionTier tier)
    {
        foreach (DType type in new[] { DType.I8, DType.F8E4M3, DType.F8E5M2 })
        {
            using var world = new KernelWorld(tier);
            var shape = new KvCacheShape(1, Heads, HeadDim, 4, 5, type);
            KvCacheLayer expected = world.Reference.CreateKvCache(shape).Layers[0] with { KeyScale = 0.3f, ValueScale = 2f };
            KvCacheLayer actual = world.Cpu.CreateKvCache(shape).Layers[0] with { KeyScale = 0.3f, ValueScale = 2f };
            Tensor k = world.Numbers(4, Heads * HeadDim, gap: 5);
            Tensor v = world.Numbers(4, Heads * HeadDim, gap: 1);
            Tensor slots = world.Integers(7, -1, 19, 4);
            world.Reference.Ops.StoreKv(k, v, slots, expected);
            world.Cpu.Ops.StoreKv(k, v, slots, actual);
            world.AssertSameBits(Codes(expected, expected.Keys), Codes(actual, actual.Keys), "keys");
            world.AssertSameBits(Codes(expected, expected.Values), Codes(actual, actual.Values), "values");
            Assert.Equal(-1, Codes(actual, actual.Keys).HostRow<byte>(0)[..(4 * HeadDim)].IndexOfAnyExcept((byte)0));
            if (shape.HasScales)
            {
                world.AssertSameBits(Scales(expected, expected.KeyScales), Scales(actual, actual.KeyScales), "key scales");
                world.AssertSameBits(Scales(expected, expected.ValueScales), Scales(actual, actual.ValueScales), "value scales");
            }
        }
    }

    [Fact]
    public void What_comes_back_is_as_near_as_the_type_allows()
    {
        using var world = new KernelWorld();
        foreach ((DType type, float scale, double relative) in new[]
        {
            (DType.I8, 1f, 1.0 / 254), (DType.F8E4M3, 1f, 1.0 / 16), (DType.F8E4M3, 0.01f, 1.0 / 16), (DType.F8E5M2, 1f, 1.0 / 8),
        })
        {
            var shape = new KvCacheShape(1, 1, 64, 16, 2, type);
            KvCacheLayer layer = world.Cpu.CreateKvCache(shape).Layers[0] with { KeyScale = scale, ValueScale = scale };
            Tensor k = world.Numbers(1, 64);
            Tensor v = world.Numbers(1, 64);
            world.Cpu.Ops.StoreKv(k, v, world.Integers(16), layer);

            // Attention over one token returns its values.
            Tensor y = world.Unset(1, 64);
            var batch = new AttentionBatch
            {
                Sequences = 1,
                QueryStarts = world.Integers(0, 1),
                ContextLengths = world.Integers(1),
                BlockTables = world.IntegerRows(1, [[1]]),
                MaxQueryLength = 1,
                MaxContextLength = 1,
            };
            world.Cpu.Ops.PagedAttention(k, layer, batch, new AttentionSpec(1, 1, 64, 0.1f), y);
            for (int i = 0; i < 64; i++)
            {
                float value = v.HostRow<float>(0)[i];

                // I8 errs by half a step of the whole vector, FP8 by half a step at the number's own size, but for the smallest.
                double limit = type == DType.I8 ? relative * 1.001 : Math.Max(Math.Abs(value) * relative * 1.001, scale / 512);
                Assert.True(Math.Abs(value - y.HostRow<float>(0)[i]) <= limit, $"seed {world.Seed}: {type}, {scale}: {value} came back as {y.HostRow<float>(0)[i]}");
            }
        }
    }

    [Fact]
    public void Zeros_and_infinities_of_a_token_are_told_apart()
    {
        Span<sbyte> codes = stackalloc sbyte[3];
        Assert.Equal(0, KvQuantization.ToInt8([0, 0, 0], codes));
        Assert.Equal(2f / 127, KvQuantization.ToInt8([0.5f, -2, 1], codes));
        Assert.Equal([32, -127, 64], codes.ToArray());
        Assert.True(float.IsNaN(KvQuantization.ToInt8([1, float.NaN, 1], codes)));
        Assert.True(float.IsNaN(KvQuantization.ToInt8([1, float.NegativeInfinity, 1], codes)));
    }

    [Fact]
    public void Every_E5M2_number_survives_and_others_go_to_the_nearest()
    {
        for (int code = 0; code < 256; code++)
        {
            float value = FloatConversions.Float8E5M2ToSingle((byte)code);
            if (float.IsFinite(value))
            {
                Assert.Equal((byte)code, FloatConversions.SingleToFloat8E5M2(value));
                float next = FloatConversions.Float8E5M2ToSingle((byte)(code + 1));
                if ((code & 0x7F) < 0x7B)
                {
                    // The middle goes to the even neighbour, what is beyond it to the nearer one.
                    float middle = (value + next) / 2;
                    Assert.Equal((byte)(code + (code & 1)), FloatConversions.SingleToFloat8E5M2(middle));
                    Assert.Equal((byte)(code + 1), FloatConversions.SingleToFloat8E5M2(middle + (next - middle) / 8));
                }
            }
        }

        Assert.Equal(0x7B, FloatConversions.SingleToFloat8E5M2(float.MaxValue));
        Assert.Equal(0xFB, FloatConversions.SingleToFloat8E5M2(float.NegativeInfinity));
        Assert.True(float.IsNaN(FloatConversions.Float8E5M2ToSingle(FloatConversions.SingleToFloat8E5M2(float.NaN))));
    }

    [Fact]
    public void Copied_blocks_take_their_scales_along()
    {
        using var world = new KernelWorld();
        var shape = new KvCacheShape(2, Heads, HeadDim, 4, 6, DType.I8);
        foreach (IBackend backend in new IBackend[] { world.Cpu, world.Reference })
        {
            KvCache cache = backend.CreateKvCache(shape);
            foreach (KvCacheLayer layer in cache.Layers)
            {
                backend.Ops.StoreKv(world.Numbers(4, Heads * HeadDim), world.Numbers(4, Heads * HeadDim), world.Integers(4, 5, 6, 7), layer);
            }

            backend.Ops.CopyBlocks(cache, world.IntegerRows(2, [[1, 4]]));
            foreach (KvCacheLayer layer in cache.Layers)
            {
                foreach (nint side in new[] { layer.Keys, layer.Values })
                {
                    int bytes = (int)layer.BlockStride;
                    Span<byte> all = Codes(layer, side).HostRow<byte>(0);
                    Assert.True(all.Slice(bytes, bytes).SequenceEqual(all.Slice(4 * bytes, bytes)));
                    Assert.NotEqual(-1, all.Slice(bytes, bytes).IndexOfAnyExcept((byte)0));
                }

                foreach (nint scales in new[] { layer.KeyScales, layer.ValueScales })
                {
                    int count = (int)layer.ScaleBlockStride;
                    Span<float> all = Scales(layer, scales).HostRow<float>(0);
                    Assert.True(all.Slice(count, count).SequenceEqual(all.Slice(4 * count, count)));
                    Assert.True(all[count] > 0);
                }
            }
        }
    }

    [Fact]
    public void The_bytes_of_a_block_count_the_scales()
    {
        Assert.Equal(2L * 3 * 8 * 16 * 128 * 2, new KvCacheShape(3, 8, 128, 16, 1, DType.BF16).BytesPerBlock);
        Assert.Equal(2L * 3 * 8 * 16 * 128, new KvCacheShape(3, 8, 128, 16, 1, DType.F8E4M3).BytesPerBlock);
        Assert.Equal(2L * 3 * 8 * 16 * (128 + 4), new KvCacheShape(3, 8, 128, 16, 1, DType.I8).BytesPerBlock);
        var shape = new KvCacheShape(3, 8, 128, 16, 7, DType.I8);
        Assert.Equal(shape.SizeInBytes, 2 * 3 * (shape.ElementBytesPerSide + shape.ScaleBytesPerSide));
    }

    private static Tensor Codes(KvCacheLayer layer, nint side) => new(side, DType.U8, 1, (int)layer.Shape.ElementBytesPerSide);

    private static Tensor Scales(KvCacheLayer layer, nint scales) => new(scales, DType.F32, 1, (int)layer.Shape.ScaleBytesPerSide / sizeof(float));
}
