using System;
using System.Collections.Generic;
using Quire.Cpu;
using Quire.Tensors;

namespace Quire.Kernels.Tests;

public class LinearTests
{
    public static TheoryData<InstructionTier> Tiers => KernelWorld.Tiers;

    [Theory]
    [MemberData(nameof(Tiers))]
    public void Products_agree_with_the_reference_for_every_type_and_odd_shape(InstructionTier tier)
    {
        foreach (DType type in new[] { DType.F32, DType.BF16, DType.F16 })
        {
            foreach (int tokens in new[] { 1, 2, 3, 4, 5, 8, 13 })
            {
                foreach ((int inFeatures, int outFeatures) in new[] { (1, 1), (7, 5), (64, 18), (33, 67), (1024, 33), (1041, 6) })
                {
                    using var world = new KernelWorld(tier);
                    Check(world, tokens, inFeatures, [(outFeatures, type)], bias: tokens % 2 == 0);
                }
            }
        }
    }

    [Theory]
    [MemberData(nameof(Tiers))]
    public void Parts_of_different_types_are_multiplied_as_one_layer(InstructionTier tier)
    {
        foreach (int tokens in new[] { 1, 3, 6 })
        {
            using var world = new KernelWorld(tier, threads: 3);
            Check(world, tokens, 300, [(37, DType.BF16), (5, DType.F32), (18, DType.F16), (100, DType.BF16)], bias: true);
        }
    }

    [Fact]
    public void Many_tokens_are_multiplied_in_blocks()
    {
        using var world = new KernelWorld();
        Check(world, 150, 2100, [(21, DType.BF16)], bias: true);
    }

    [Fact]
    public void An_embedding_table_on_the_device_serves_as_output_layer()
    {
        using var world = new KernelWorld();
        Tensor table = world.Numbers(50, 40, type: DType.BF16);
        Tensor x = world.Numbers(3, 40);
        Tensor y = world.Unset(3, 50);
        Tensor expected = world.Copy(y);
        LinearWeight weight = world.Cpu.CreateLinear(table);
        Assert.Equal(50 * 40 * 2, weight.SizeInBytes);
        world.Reference.Ops.Linear(x, world.Reference.CreateLinear(table), expected);
        world.Cpu.Ops.Linear(x, weight, y);
        world.AssertClose(expected, y, 1e-5);
    }

    [Fact]
    public void An_infinity_in_a_weight_reaches_its_output_alone()
    {
        using var world = new KernelWorld();
        foreach (DType type in new[] { DType.F32, DType.BF16, DType.F16 })
        {
            Tensor weight = world.Numbers(9, 35, type: type);
            Quire.Tensors.Reference.Elements.Store(weight, 4, 34, float.PositiveInfinity);
            Tensor x = world.Numbers(1, 35);
            x.HostRow<float>(0)[34] = 1;
            Tensor y = world.Unset(1, 9);
            world.Cpu.Ops.Linear(x, world.Cpu.CreateLinear(weight), y);
            for (int i = 0; i < 9; i++)
            {
                Assert.Equal(i == 4, float.IsPositiveInfinity(y.HostRow<float>(0)[i]));
            }
        }
    }

    [Fact]
    public void A_format_without_kernels_is_refused_by_name()
    {
        using var world = new KernelWorld();
        var matrix = new HostMatrix(world.Numbers(1, 1).Data, DType.I8, 4, 4);
        var exception = Assert.Throws<NotSupportedException>(() => world.Cpu.CreateLinear(new LinearSource("layers.0.o", [new DensePart(matrix)])));
        Assert.Contains("layers.0.o", exception.Message, StringComparison.Ordinal);
        Assert.Contains("int8", exception.Message, StringComparison.Ordinal);
    }

    private static void Check(KernelWorld world, int tokens, int inFeatures, (int Out, DType Type)[] shapes, bool bias)
    {
        var parts = new List<LinearPart>();
        var biases = new List<HostMatrix>();
        int outFeatures = 0;
        foreach ((int rows, DType type) in shapes)
        {
            parts.Add(new DensePart(KernelWorld.Matrix(world.Numbers(rows, inFeatures, type: type))));
            biases.Add(KernelWorld.Matrix(world.Numbers(1, rows, type: type)));
            outFeatures += rows;
        }

        var source = new LinearSource("layer", parts, bias ? biases : null);
        Tensor x = world.Numbers(tokens, inFeatures, gap: 5);
        Tensor y = world.Unset(tokens, outFeatures, gap: 3);
        Tensor expected = world.Copy(y);
        world.Reference.Ops.Linear(x, world.Reference.CreateLinear(source), expected);
        world.Cpu.Ops.Linear(x, world.Cpu.CreateLinear(source), y);
        world.AssertClose(expected, y, 2e-6 * Math.Sqrt(inFeatures));
    }
}
