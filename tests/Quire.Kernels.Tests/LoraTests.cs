using System;
using System.Collections.Generic;
using System.Linq;
using Quire.Cpu;
using Quire.Tensors;
using Quire.Tensors.Reference;

namespace Quire.Kernels.Tests;

public class LoraTests
{
    public static TheoryData<InstructionTier> Tiers => KernelWorld.Tiers;

    [Theory]
    [MemberData(nameof(Tiers))]
    public void Updates_agree_with_the_reference_for_every_type_rank_and_mix_of_adapters(InstructionTier tier)
    {
        foreach (DType type in new[] { DType.F32, DType.BF16, DType.F16 })
        {
            foreach ((int inFeatures, int[] parts) in new[] { (1, new[] { 1 }), (33, [70, 5, 64]), (300, [130, 129]), (64, [200]) })
            {
                foreach (int maxRank in new[] { 1, 8, 19 })
                {
                    foreach (int[] rows in new int[][] { [0], [-1, 1, -1], [2, 2, 2, 2, 0, 0, -1, 1], [1, 0, 1, 0, 2, -1, 2, 1, 1, 1, 1], [-1, -1] })
                    {
                        using var world = new KernelWorld(tier, threads: 1 + rows.Length % 3);
                        LoraWeight weight = RandomWeight(world, type, 3, maxRank, inFeatures, parts);
                        LoraBatch batch = Batch(world, 3, rows);
                        Tensor x = world.Numbers(rows.Length, inFeatures, gap: 5);
                        Tensor y = world.Numbers(rows.Length, parts.Sum(), gap: 3);
                        Tensor expected = world.Copy(y);
                        world.Reference.Ops.AddLora(x, weight, batch, expected);
                        world.Cpu.Ops.AddLora(x, weight, batch, y);
                        world.AssertClose(expected, y, 4e-6 * Math.Sqrt((double)inFeatures * maxRank));
                    }
                }
            }
        }
    }

    [Theory]
    [MemberData(nameof(Tiers))]
    public void A_row_depends_on_its_adapter_alone_not_on_others_slots_threads_or_the_largest_rank(InstructionTier tier)
    {
        foreach (DType type in new[] { DType.F32, DType.BF16 })
        {
            using var world = new KernelWorld(tier, threads: 1);
            int[] parts = [75, 20, 20];
            LoraWeight one = RandomWeight(world, type, 1, 6, 170, parts);
            Tensor x = world.Numbers(30, 170);
            Tensor start = world.Numbers(30, parts.Sum());
            Tensor alone = world.Copy(start);
            for (int row = 0; row < 30; row++)
            {
                world.Cpu.Ops.AddLora(x.RowRange(row, 1), one, Batch(world, 1, [0]), alone.RowRange(row, 1));
            }

            LoraWeight many = RandomWeight(world, type, 4, 32, 170, parts);
            CopySlot(one, 0, many, 2);
            int[] slots = [.. Enumerable.Range(0, 30).Select(row => row % 3 == 0 ? world.Random.Next(-1, 2) : 2)];
            foreach (int threads in new[] { 1, 3 })
            {
                using var backend = new CpuBackend(new CpuOptions { Threads = threads, ForcedTier = tier });
                Tensor together = world.Copy(start);
                backend.Ops.AddLora(x, many, Batch(world, 4, slots), together);
                for (int row = 0; row < 30; row++)
                {
                    if (slots[row] == 2)
                    {
                        world.AssertSameBits(alone.RowRange(row, 1), together.RowRange(row, 1), $"{type}, {threads} threads, row {row}");
                    }
                    else if (slots[row] < 0)
                    {
                        world.AssertSameBits(start.RowRange(row, 1), together.RowRange(row, 1), $"row {row} has no adapter");
                    }
                }
            }
        }
    }

    [Fact]
    public void Large_shapes_shared_among_threads_agree_with_the_reference()
    {
        using var world = new KernelWorld(threads: 3);
        LoraWeight weight = RandomWeight(world, DType.BF16, 2, 64, 700, [900, 100, 100]);
        int[] rows = [.. Enumerable.Range(0, 90).Select(row => (row / 7 % 3) - 1)];
        Tensor x = world.Numbers(rows.Length, 700);
        Tensor y = world.Numbers(rows.Length, 1100);
        Tensor expected = world.Copy(y);
        world.Reference.Ops.AddLora(x, weight, Batch(world, 2, rows), expected);
        world.Cpu.Ops.AddLora(x, weight, Batch(world, 2, rows), y);
        world.AssertClose(expected, y, 1e-3);
    }

    [Fact]
    public void Weights_are_overwritten_in_place()
    {
        using var world = new KernelWorld();
        Tensor source = world.Numbers(3, 5);
        Tensor target = world.Numbers(7, 5);
        Tensor before = world.Copy(target);
        world.Cpu.Write(KernelWorld.Matrix(source), target.RowRange(2, 3));
        world.AssertSameBits(source, target.RowRange(2, 3), "what was written");
        world.AssertSameBits(before.RowRange(5, 2), target.RowRange(5, 2), "what was not");
        Assert.Throws<ArgumentException>(() => world.Cpu.Write(KernelWorld.Matrix(source), target.RowRange(0, 2)));
    }

    /// <summary>Slots with a random rank for each part, some of them 0; past the rank there are zeros.</summary>
    internal static LoraWeight RandomWeight(KernelWorld world, DType type, int slots, int maxRank, int inFeatures, int[] parts)
    {
        Tensor a = world.Numbers(slots * parts.Length * maxRank, inFeatures, type: type);
        Tensor b = world.Numbers(slots * maxRank, parts.Sum(), type: type);
        Tensor ranks = world.IntegerRows(parts.Length, [.. Enumerable.Range(0, slots).Select(_ => parts.Select(_ => world.Random.Next(maxRank + 1)).ToArray())]);
        var weight = new LoraWeight(a, b, ranks, maxRank, parts);
        for (int slot = 0; slot < slots; slot++)
        {
            int column = 0;
            for (int part = 0; part < parts.Length; part++)
            {
                for (int r = weight.RankOf(slot, part); r < maxRank; r++)
                {
                    Clear(a.RowRange((slot * parts.Length + part) * maxRank + r, 1));
                    Clear(b.RowRange(slot * maxRank + r, 1).ColumnRange(column, parts[part]));
                }

                column += parts[part];
            }
        }

        return weight;
    }

    internal static LoraBatch Batch(KernelWorld world, int slots, int[] rows)
    {
        var order = new List<int>();
        var starts = new List<int> { 0 };
        for (int slot = 0; slot < slots; slot++)
        {
            order.AddRange(Enumerable.Range(0, rows.Length).Where(row => rows[row] == slot));
            starts.Add(order.Count);
        }

        return new LoraBatch { Slots = world.Integers(rows), Order = world.Integers([.. order]), Starts = world.Integers([.. starts]) };
    }

    private static void CopySlot(LoraWeight from, int fromSlot, LoraWeight to, int toSlot)
    {
        Clear(to.A.RowRange(toSlot * to.Parts * to.Rank, to.Parts * to.Rank));
        Clear(to.B.RowRange(toSlot * to.Rank, to.Rank));
        for (int part = 0; part < from.Parts; part++)
        {
            to.Ranks.HostRow<int>(toSlot)[part] = from.RankOf(fromSlot, part);
            for (int r = 0; r < from.Rank; r++)
            {
                Tensor source = from.A.RowRange((fromSlot * from.Parts + part) * from.Rank + r, 1);
                source.HostBytes().CopyTo(to.A.RowRange((toSlot * to.Parts + part) * to.Rank + r, 1).HostBytes());
            }
        }

        for (int r = 0; r < from.Rank; r++)
        {
            from.B.RowRange(fromSlot * from.Rank + r, 1).HostBytes().CopyTo(to.B.RowRange(toSlot * to.Rank + r, 1).HostBytes());
        }
    }

    private static void Clear(Tensor tensor)
    {
        for (int row = 0; row < tensor.Rows; row++)
        {
            for (int column = 0; column < tensor.Columns; column++)
            {
                Elements.Store(tensor, row, column, 0);
            }
        }
    }
}
