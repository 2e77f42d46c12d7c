using System;
using Quire.Cpu;
using Quire.Tensors;

namespace Quire.Kernels.Tests;

public class ElementOpsTests
{
    public static TheoryData<InstructionTier> Tiers => KernelWorld.Tiers;

    [Theory]
    [MemberData(nameof(Tiers))]
    public void Embedding_reads_tables_of_every_type(InstructionTier tier)
    {
        foreach (DType type in new[] { DType.F32, DType.BF16, DType.F16 })
        {
            foreach ((int tokens, int hidden) in new[] { (1, 1), (5, 37), (9, 64), (33, 1030) })
            {
                using var world = new KernelWorld(tier);
                Tensor table = world.Numbers(11, hidden, gap: 3, type: type);
                var ids = new int[tokens];
                for (int i = 0; i < tokens; i++)
                {
                    ids[i] = world.Random.Next(table.Rows);
                }

                Tensor y = world.Unset(tokens, hidden, gap: 5);
                Tensor expected = world.Copy(y);
                world.Reference.Ops.Embed(world.Integers(ids), table, 1.5f, expected);
                world.Cpu.Ops.Embed(world.Integers(ids), table, 1.5f, y);
                world.AssertClose(expected, y, 1e-6);
            }
        }
    }

    [Theory]
    [MemberData(nameof(Tiers))]
    public void Elementwise_operations_agree_with_the_reference(InstructionTier tier)
    {
        foreach ((int rows, int columns) in new[] { (1, 1), (3, 7), (4, 16), (2, 31), (70, 515) })
        {
            using var world = new KernelWorld(tier);
            Tensor x = world.Numbers(rows, columns, gap: 3);
            InPlace(world, x, (ops, t) => ops.Scale(t, 0.37f), 1e-6);
            InPlace(world, x, (ops, t) => ops.Scale(t, 20f), 1e-6);
            InPlace(world, x, (ops, t) => ops.SoftCap(t, 0.5f), 2e-6);
            InPlace(world, x, (ops, t) => ops.SoftCap(t, 30f), 2e-6);
            Tensor y = world.Numbers(rows, columns, gap: 6);
            InPlace(world, y, (ops, t) => ops.Add(x, -1.25f, t), 1e-6);
        }
    }

    [Theory]
    [MemberData(nameof(Tiers))]
    public void Activations_agree_with_the_reference_over_a_wide_range(InstructionTier tier)
    {
        foreach (Activation activation in Enum.GetValues<Activation>())
        {
            foreach ((int rows, int inner) in new[] { (1, 1), (3, 19), (40, 515) })
            {
                using var world = new KernelWorld(tier);
                Tensor x = world.Numbers(rows, 2 * inner, gap: 4);
                world.Reference.Ops.Scale(x, 20f);
                InPlace(world, x, (ops, t) => ops.Activate(activation, t), 2e-6);

                Tensor y = world.Unset(rows, inner, gap: 2);
                Tensor expected = world.Copy(y);
                world.Reference.Ops.GatedActivation(activation, x, expected);
                world.Cpu.Ops.GatedActivation(activation, x, y);
                world.AssertClose(expected, y, 1e-5);
            }
        }
    }

    [Theory]
    [MemberData(nameof(Tiers))]
    public void Gathered_rows_are_copies(InstructionTier tier)
    {
        using var world = new KernelWorld(tier);
        foreach (DType type in new[] { DType.F32, DType.BF16 })
        {
            Tensor x = world.Numbers(9, 21, gap: 2, type: type);
            Tensor y = world.Unset(4, 21, gap: 1, type: type);
            Tensor expected = world.Copy(y);
            Tensor rows = world.Integers(8, 0, 3, 3);
            world.Reference.Ops.GatherRows(x, rows, expected);
            world.Cpu.Ops.GatherRows(x, rows, y);
            world.AssertSameBits(expected, y, "gather");
            world.AssertSurroundingsUntouched();
        }
    }

    private static void InPlace(KernelWorld world, Tensor x, Action<ITensorOps, Tensor> operation, double tolerance)
    {
        Tensor expected = world.Copy(x);
        Tensor actual = world.Copy(x);
        operation(world.Reference.Ops, expected);
        operation(world.Cpu.Ops, actual);
        world.AssertClose(expected, actual, tolerance);
    }
}
