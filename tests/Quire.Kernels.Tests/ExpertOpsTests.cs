using System;
using System.Collections.Generic;
using Quire.Cpu;
using Quire.Tensors;

namespace Quire.Kernels.Tests;

public class ExpertOpsTests
{
    public static TheoryData<InstructionTier> Tiers => KernelWorld.Tiers;

    [Theory]
    [MemberData(nameof(Tiers))]
    public void Routing_agrees_with_the_reference(InstructionTier tier)
    {
        foreach (bool normalise in new[] { false, true })
        {
            foreach ((int experts, int topK) in new[] { (1, 1), (4, 2), (8, 8), (60, 4), (128, 8) })
            {
                using var world = new KernelWorld(tier);
                Tensor logits = world.Numbers(37, experts, gap: 3);
                Tensor ids = world.IntegerRows(topK, new int[37][].Fill(topK));
                Tensor expectedIds = world.IntegerRows(topK, new int[37][].Fill(topK));
                Tensor weights = world.Unset(37, topK);
                Tensor expected = world.Unset(37, topK);
                world.Reference.Ops.RouteExperts(logits, normalise, expectedIds, expected);
                world.Cpu.Ops.RouteExperts(logits, normalise, ids, weights);
                world.AssertSameBits(expectedIds, ids, $"{topK} of {experts}");
                world.AssertClose(expected, weights, 1e-6);
            }
        }
    }

    [Fact]
    public void Of_equal_experts_the_first_is_taken_and_a_row_of_NaN_still_names_experts()
    {
        using var world = new KernelWorld();
        Tensor logits = world.Numbers(3, 4);
        new float[] { 1, 2, 2, 2 }.CopyTo(logits.HostRow<float>(0));
        new float[] { float.NaN, 0, float.NegativeInfinity, 0 }.CopyTo(logits.HostRow<float>(1));
        new float[] { float.NaN, float.NaN, float.NaN, float.NaN }.CopyTo(logits.HostRow<float>(2));
        foreach (ITensorOps ops in new[] { world.Cpu.Ops, world.Reference.Ops })
        {
            Tensor ids = world.IntegerRows(3, new int[3][].Fill(3));
            Tensor weights = world.Unset(3, 3);
            ops.RouteExperts(logits, true, ids, weights);
            Assert.Equal([1, 2, 3], ids.HostRow<int>(0).ToArray());
            Assert.Equal([1, 3, 2], ids.HostRow<int>(1).ToArray());
            Assert.Equal([0, 1, 2], ids.HostRow<int>(2).ToArray());
            Assert.Equal(1f / 3, weights.HostRow<float>(0)[1], 1e-6f);
        }
    }

    [Theory]
    [MemberData(nameof(Tiers))]
    public void Each_row_is_multiplied_with_its_expert(InstructionTier tier)
    {
        foreach ((int tokens, int topK, int experts) in new[] { (1, 2, 5), (9, 1, 3), (40, 3, 4), (300, 2, 2) })
        {
            foreach (bool oneRowAToken in new[] { true, false })
            {
                using var world = new KernelWorld(tier, threads: 3);
                DType[] types = [DType.BF16, DType.F32, DType.F16];
                var cpu = new List<LinearWeight>();
                var reference = new List<LinearWeight>();
                for (int expert = 0; expert < experts; expert++)
                {
                    HostMatrix matrix = KernelWorld.Matrix(world.Numbers(21, 70, type: types[expert % 3]));
                    var source = new LinearSource("expert", [new DensePart(matrix)]);
                    cpu.Add(world.Cpu.CreateLinear(source));
                    reference.Add(world.Reference.CreateLinear(source));
                }

                Tensor ids = RandomIds(world, tokens, topK, experts);
                Tensor x = world.Numbers(oneRowAToken ? tokens : tokens * topK, 70, gap: 2);
                Tensor y = world.Unset(tokens * topK, 21, gap: 1);
                Tensor expected = world.Copy(y);
                world.Reference.Ops.LinearExperts(x, world.Reference.CreateExperts(reference), ids, expected);
                world.Cpu.Ops.LinearExperts(x, world.Cpu.CreateExperts(cpu), ids, y);
                world.AssertClose(expected, y, 2e-5);
            }
        }
    }

    [Theory]
    [MemberData(nameof(Tiers))]
    public void Outputs_of_experts_are_added_with_their_weights(InstructionTier tier)
    {
        foreach ((int tokens, int topK, int columns) in new[] { (1, 1, 1), (5, 2, 67), (64, 8, 1030) })
        {
            using var world = new KernelWorld(tier, threads: 3);
            Tensor x = world.Numbers(tokens * topK, columns, gap: 3);
            Tensor weights = world.Numbers(tokens, topK);
            Tensor y = world.Unset(tokens, columns, gap: 5);
            Tensor expected = world.Copy(y);
            world.Reference.Ops.CombineExperts(x, weights, expected);
            world.Cpu.Ops.CombineExperts(x, weights, y);
            world.AssertClose(expected, y, 1e-6);
        }
    }

    [Fact]
    public void A_token_gets_the_same_bits_whoever_shares_its_experts()
    {
        using var world = new KernelWorld(threads: 3);
        var weights = new List<LinearWeight>();
        for (int expert = 0; expert < 4; expert++)
        {
            weights.Add(world.Cpu.CreateLinear(world.Numbers(50, 130, type: DType.BF16)));
        }

        ExpertWeights experts = world.Cpu.CreateExperts(weights);
        Tensor ids = RandomIds(world, 300, 2, 4);
        Tensor x = world.Numbers(300, 130);
        Tensor together = world.Unset(600, 50);
        Tensor alone = world.Unset(600, 50);
        world.Cpu.Ops.LinearExperts(x, experts, ids, together);
        for (int token = 0; token < 300; token++)
        {
            world.Cpu.Ops.LinearExperts(x.RowRange(token, 1), experts, ids.RowRange(token, 1), alone.RowRange(2 * token, 2));
        }

        world.AssertSameBits(alone, together, "a token alone");
    }

    [Fact]
    public void Experts_of_different_shapes_are_refused()
    {
        using var world = new KernelWorld();
        LinearWeight[] weights = [world.Cpu.CreateLinear(world.Numbers(3, 4)), world.Cpu.CreateLinear(world.Numbers(4, 4))];
        Assert.Throws<ArgumentException>(() => world.Cpu.CreateExperts(weights));
        Assert.Throws<ArgumentOutOfRangeException>(() => world.Cpu.CreateExperts([]));
    }

    /// <summary>Different experts for each token, as a router chooses them.</summary>
    internal static Tensor RandomIds(KernelWorld world, int tokens, int topK, int experts)
    {
        var rows = new int[tokens][];
        for (int token = 0; token < tokens; token++)
        {
            int[] all = new int[experts];
            for (int i = 0; i < experts; i++)
            {
                all[i] = i;
            }

            world.Random.Shuffle(all);
            rows[token] = all[..topK];
        }

        return world.IntegerRows(topK, rows);
    }
}

internal static class RowsOfZeros
{
    /// <summary>Gives every entry a row of so many zeros.</summary>
    public static int[][] Fill(this int[][] rows, int columns)
    {
        for (int i = 0; i < rows.Length; i++)
        {
            rows[i] = new int[columns];
        }

        return rows;
    }
}
