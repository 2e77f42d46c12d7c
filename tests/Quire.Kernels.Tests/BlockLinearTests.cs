using System;
using System.Buffers.Binary;
using System.Linq;
using Quire.Cpu;
using Quire.Tensors;
using Quire.Tensors.Quantization;

namespace Quire.Kernels.Tests;

public unsafe class BlockLinearTests
{
    public static TheoryData<InstructionTier> Tiers => KernelWorld.Tiers;

    [Theory]
    [MemberData(nameof(Tiers))]
    public void Blocks_of_every_format_agree_with_the_reference(InstructionTier tier)
    {
        foreach (BlockFormat format in BlockFormats.All)
        {
            foreach ((int outputs, int blocks) in new[] { (7, 1), (13, 5), (50, 9) })
            {
                using var world = new KernelWorld(tier);
                int inputs = blocks * format.BlockLength();
                PackedLinearTests.Check(world, world.Random.Next(1, 9), [Part(world, format, outputs, inputs)], bias: world.Random.Next(2) == 0);
            }
        }
    }

    [Theory]
    [MemberData(nameof(Tiers))]
    public void Parts_of_one_format_are_one_weight_and_others_are_stacked(InstructionTier tier)
    {
        using var world = new KernelWorld(tier, threads: 3);
        LinearPart[] parts =
        [
            Part(world, BlockFormat.Q4K, 37, 512), Part(world, BlockFormat.Q4K, 20, 512), Part(world, BlockFormat.Q6K, 9, 512),
            Part(world, BlockFormat.Q80, 11, 512), Part(world, BlockFormat.Q4K, 5, 512),
        ];
        PackedLinearTests.Check(world, 5, parts, bias: true);
        LinearWeight weight = world.Cpu.CreateLinear(new LinearSource("q|k", parts[..2]));
        Assert.DoesNotContain("Stacked", weight.GetType().Name);
        Assert.Equal(57 * 2 * 144, weight.SizeInBytes);
    }

    [Theory]
    [MemberData(nameof(Tiers))]
    public void Rows_of_a_packed_embedding_are_those_of_the_reference(InstructionTier tier)
    {
        foreach (BlockFormat format in BlockFormats.All)
        {
            using var world = new KernelWorld(tier);
            int columns = 6 * format.BlockLength();
            var source = new LinearSource("embedding", [Part(world, format, 31, columns)]);
            Tensor ids = world.Integers(30, 0, 7, 7, 12);
            Tensor expected = world.Unset(5, columns, gap: 2);
            Tensor actual = world.Unset(5, columns, gap: 2);
            float scale = world.Random.Next(2) == 0 ? 1 : 3.5f;
            world.Reference.Ops.Embed(ids, world.Reference.CreateLinear(source), scale, expected);
            world.Cpu.Ops.Embed(ids, world.Cpu.CreateLinear(source), scale, actual);
            world.AssertClose(expected, actual, 1e-6);
        }
    }

    [Theory]
    [MemberData(nameof(Tiers))]
    public void A_row_does_not_depend_on_the_others(InstructionTier tier)
    {
        using var world = new KernelWorld(tier);
        foreach (BlockFormat format in new[] { BlockFormat.Q50, BlockFormat.Q4K, BlockFormat.Q5K, BlockFormat.Q6K, BlockFormat.Q40, BlockFormat.Q80 })
        {
            LinearWeight weight = world.Cpu.CreateLinear(new LinearSource("layer", [Part(world, format, 75, 1536)]));
            Tensor x = world.Numbers(9, 1536);
            Tensor together = world.Unset(9, 75);
            Tensor alone = world.Unset(9, 75);
            world.Cpu.Ops.Linear(x, weight, together);
            for (int row = 0; row < x.Rows; row++)
            {
                world.Cpu.Ops.Linear(x.RowRange(row, 1), weight, alone.RowRange(row, 1));
            }

            world.AssertSameBits(alone, together, format.DisplayName());
        }
    }

    /// <summary>Random blocks whose values are at most about 1.</summary>
    internal static BlockPart Part(KernelWorld world, BlockFormat format, int outputs, int inputs)
    {
        long bytes = outputs * format.RowBytes(inputs);
        Tensor memory = world.Cpu.Allocate(DType.U8, 1, (int)bytes);
        Span<byte> all = memory.HostRow<byte>(0);
        world.Random.NextBytes(all);
        (int[] places, double most) = format switch
        {
            BlockFormat.Q40 => ([0], 8),
            BlockFormat.Q41 => ([0, 2], 15),
            BlockFormat.Q50 => ([0], 16),
            BlockFormat.Q51 => ([0, 2], 31),
            BlockFormat.Q80 => ([0], 128),
            BlockFormat.Q2K => ([80, 82], 15 * 3),
            BlockFormat.Q3K => ([108], 32 * 4),
            BlockFormat.Q4K => ([0, 2], 63 * 15),
            BlockFormat.Q5K => ([0, 2], 63 * 31),
            _ => ((int[])[208], 128.0 * 32),
        };
        for (int block = 0; block < all.Length; block += format.BlockBytes())
        {
            foreach (int place in places.AsEnumerable())
            {
                BinaryPrimitives.WriteHalfLittleEndian(all[(block + place)..], (Half)((2 * world.Random.NextDouble() - 1) / most));
            }
        }

        return new BlockPart(memory.Data, format, outputs, inputs);
    }
}
