using System;
using System.Collections.Generic;
using Quire.Cpu;
using Quire.Tensors;
using Quire.Tensors.Quantization;
using Quire.Tensors.Reference;

namespace Quire.Kernels.Tests;

public class PackedLinearTests
{
    public static TheoryData<InstructionTier> Tiers => KernelWorld.Tiers;

    [Theory]
    [MemberData(nameof(Tiers))]
    public void Integers_of_every_order_and_group_agree_with_the_reference(InstructionTier tier)
    {
        foreach ((IntegerOrder order, int bits) in new[]
        {
            (IntegerOrder.RowsOfColumns, 4), (IntegerOrder.ColumnsFirst, 4), (IntegerOrder.OutputsInterleaved, 4),
            (IntegerOrder.RowsOfColumns, 8), (IntegerOrder.ColumnsFirst, 8), (IntegerOrder.Bytes, 8),
        })
        {
            foreach ((int inputs, int outputs, int group) in new[]
            {
                (64, 16, 32), (96, 7, 96), (100, 19, 100), (40, 8, 8), (144, 9, 48), (72, 11, 24), (1056, 6, 128), (2080, 5, 16), (5, 3, 5),
            })
            {
                using var world = new KernelWorld(tier);
                IntegerOrder? zeros = world.Random.Next(4) switch
                {
                    0 => null,
                    1 => IntegerOrder.OutputsFirst,
                    2 => IntegerOrder.OutputsLast,
                    _ => bits == 4 ? IntegerOrder.OutputsInterleaved : IntegerOrder.OutputsLast,
                };
                DType scales = (DType)world.Random.Next(3);
                GroupAffinePart part = PackedParts.Affine(
                    world, outputs, inputs, bits, group, order, scales, zeros, shuffled: world.Random.Next(3) == 0);
                Check(world, world.Random.Next(1, 9), [part], bias: world.Random.Next(2) == 0);
            }
        }
    }

    [Theory]
    [MemberData(nameof(Tiers))]
    public void FP8_of_every_block_agrees_with_the_reference(InstructionTier tier)
    {
        foreach ((int inputs, int outputs, int blockOutputs, int blockInputs) in new[]
        {
            (300, 40, 40, 300), (100, 33, 1, 100), (384, 130, 128, 128), (1300, 7, 4, 128), (90, 10, 3, 20), (7, 3, 128, 128),
        })
        {
            foreach (ActivationQuantization? activations in (ActivationQuantization?[])[null, Activations[4], Activations[6]])
            {
                using var world = new KernelWorld(tier);
                Float8Part[] parts =
                [
                    PackedParts.Float8(world, outputs, inputs, blockOutputs, blockInputs, (DType)world.Random.Next(3), activations),
                    PackedParts.Float8(world, 5, inputs, blockOutputs, blockInputs, activations: activations),
                ];
                Check(world, world.Random.Next(1, 9), parts, bias: world.Random.Next(2) == 0);
            }
        }
    }

    [Theory]
    [MemberData(nameof(Tiers))]
    public void Tables_agree_with_the_reference(InstructionTier tier)
    {
        foreach ((int inputs, int outputs) in new[] { (64, 16), (96, 7), (104, 19), (8, 3), (1064, 6) })
        {
            foreach (DType type in new[] { DType.F32, DType.F16, DType.BF16 })
            {
                using var world = new KernelWorld(tier);
                Check(world, world.Random.Next(1, 9), [PackedParts.Table(world, outputs, inputs, type), PackedParts.Table(world, 4, inputs, type)], false);
            }
        }
    }

    [Theory]
    [MemberData(nameof(Tiers))]
    public void Parts_that_differ_are_stacked(InstructionTier tier)
    {
        foreach (int tokens in new[] { 1, 3, 6 })
        {
            using var world = new KernelWorld(tier, threads: 3);
            LinearPart[] parts =
            [
                PackedParts.Affine(world, 37, 320, 4, 64),
                PackedParts.Affine(world, 20, 320, 4, 64, zeroOrder: IntegerOrder.OutputsFirst),
                new DensePart(KernelWorld.Matrix(world.Numbers(5, 320, type: DType.BF16))),
                PackedParts.Affine(world, 18, 320, 8, 320, IntegerOrder.Bytes, DType.F32),
                PackedParts.Affine(world, 50, 320, 4, 64, IntegerOrder.ColumnsFirst, shuffled: true),
                PackedParts.Affine(world, 50, 320, 4, 64, IntegerOrder.ColumnsFirst, shuffled: true),
            ];
            Check(world, tokens, parts, bias: true);
        }
    }

    [Fact]
    public void Parts_that_are_alike_are_one_weight_of_the_packed_size()
    {
        using var world = new KernelWorld();
        LinearWeight weight = world.Cpu.CreateLinear(new LinearSource(
            "gate|up", [PackedParts.Affine(world, 48, 256, 4, 128), PackedParts.Affine(world, 48, 256, 4, 128)]));
        Assert.DoesNotContain("Stacked", weight.GetType().Name);

        // Half a byte a weight and two bytes a scale.
        Assert.Equal(96 * (128 + 2 * 2), weight.SizeInBytes);
    }

    [Theory]
    [MemberData(nameof(Tiers))]
    public void Inputs_are_rounded_as_the_part_says(InstructionTier tier)
    {
        foreach (ActivationQuantization activations in Activations)
        {
            using var world = new KernelWorld(tier);
            Check(world, world.Random.Next(1, 7), [PackedParts.Affine(world, 21, 300, 8, 300, IntegerOrder.Bytes, DType.F32, activations: activations)], true);
            Check(world, 2, [PackedParts.Affine(world, 21, 300, 8, 50, shuffled: true, activations: activations)], true);
        }
    }

    [Theory]
    [MemberData(nameof(Tiers))]
    public void A_row_does_not_depend_on_the_others_or_on_the_threads(InstructionTier tier)
    {
        using var world = new KernelWorld(tier, threads: 1);
        foreach (LinearPart part in new LinearPart[]
        {
            PackedParts.Affine(world, 75, 1500, 4, 128), PackedParts.Affine(world, 75, 1500, 4, 100, IntegerOrder.ColumnsFirst, shuffled: true),
            PackedParts.Affine(world, 75, 1500, 8, 1500, IntegerOrder.Bytes, DType.F32, activations: Activations[0]),
            PackedParts.Float8(world, 75, 1500, 128, 128, activations: Activations[6]), PackedParts.Table(world, 75, 1500),
        })
        {
            var source = new LinearSource("layer", [part]);
            Tensor x = world.Numbers(13, 1500, gap: 3);
            Tensor alone = world.Unset(13, 75);
            LinearWeight linear = world.Cpu.CreateLinear(source);
            for (int row = 0; row < x.Rows; row++)
            {
                world.Cpu.Ops.Linear(x.RowRange(row, 1), linear, alone.RowRange(row, 1));
            }

            using var backend = new CpuBackend(new CpuOptions { Threads = 3, ForcedTier = tier });
            LinearWeight same = backend.CreateLinear(source);
            for (int tokens = 1; tokens <= 13; tokens++)
            {
                Tensor y = world.Unset(tokens, 75, gap: 1);
                backend.Ops.Linear(x.Take(tokens), same, y);
                world.AssertSameBits(alone.Take(tokens), y, $"{tokens} rows of {part.GetType().Name}");
            }
        }
    }

    [Fact]
    public void Rows_of_integers_are_read_as_single_elements_are()
    {
        using var world = new KernelWorld();
        foreach (IntegerOrder order in Enum.GetValues<IntegerOrder>())
        {
            PackedIntegers integers = PackedParts.Integers(world, order, order == IntegerOrder.Bytes ? 8 : 4, 19, 27, added: 1);
            var row = new byte[27];
            for (int output = 0; output < 19; output++)
            {
                integers.ReadRow(output, row);
                for (int column = 0; column < 27; column++)
                {
                    Assert.Equal(integers[output, column], row[column]);
                }
            }
        }
    }

    /// <summary>Every way in which inputs are rounded.</summary>
    internal static IReadOnlyList<ActivationQuantization> Activations { get; } =
    [
        new(ActivationFormat.Int8),
        new(ActivationFormat.Int8, Symmetric: false),
        new(ActivationFormat.Int8, Scale: 0.01f),
        new(ActivationFormat.Int8, Scale: 0.008f, ZeroPoint: -9),
        new(ActivationFormat.Float8),
        new(ActivationFormat.Float8, Scale: 0.003f),
        new(ActivationFormat.Float8, GroupColumns: 128),
    ];

    internal static void Check(KernelWorld world, int tokens, LinearPart[] parts, bool bias)
    {
        int outputs = 0;
        foreach (LinearPart part in parts)
        {
            outputs += part.OutFeatures;
        }

        HostMatrix[]? biases = bias ? [KernelWorld.Matrix(world.Numbers(1, outputs))] : null;
        var source = new LinearSource("layer", parts, biases);
        int inputs = parts[0].InFeatures;
        Tensor x = world.Numbers(tokens, inputs, gap: 5);
        Tensor y = world.Unset(tokens, outputs, gap: 3);
        Tensor expected = world.Copy(y);
        LinearWeight reference = world.Reference.CreateLinear(source);
        Tensor rounded = Rounded(world, x);
        Tensor ofRounded = world.Copy(y);
        world.Reference.Ops.Linear(x, reference, expected);
        world.Reference.Ops.Linear(rounded, reference, ofRounded);
        int output = 0;
        bool wide = false;
        foreach (LinearPart part in parts)
        {
            int bits = ((CpuLinear)world.Cpu.CreateLinear(new LinearSource("part", [part]))).InputBits;
            wide |= bits == 16;
            if (bits == 8)
            {
                for (int row = 0; row < tokens; row++)
                {
                    ofRounded.HostRow<float>(row).Slice(output, part.OutFeatures).CopyTo(expected.HostRow<float>(row)[output..]);
                }
            }

            output += part.OutFeatures;
        }

        world.Cpu.Ops.Linear(x, world.Cpu.CreateLinear(source), y);

        // Inputs of 16 bits are off by up to 1.5e-5; what exactly becomes of them AffinePanelTests holds.
        world.AssertClose(expected, y, (wide ? 2e-5 : 4e-6) * Math.Sqrt(inputs));
    }

    /// <summary>x as layers that multiply integers round it.</summary>
    internal static Tensor Rounded(KernelWorld world, Tensor x)
    {
        Tensor rounded = world.Copy(x);
        for (int row = 0; row < x.Rows; row++)
        {
            IntegerActivations.Round(rounded.HostRow<float>(row)[..x.Columns]);
        }

        return rounded;
    }
}
