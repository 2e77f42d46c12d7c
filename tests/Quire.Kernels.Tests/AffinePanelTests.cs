using System;
using System.Collections.Generic;
using Quire.Cpu;
using Quire.Tensors;
using Quire.Tensors.Quantization;
using Quire.Tensors.Reference;

namespace Quire.Kernels.Tests;

/// <summary>Layers over integers with scales and zero points that multiply inputs of 16 bits: every bit of a result is known.</summary>
public unsafe class AffinePanelTests
{
    private const int Group = IntegerActivations.GroupInputs;

    public static TheoryData<InstructionTier> Tiers => KernelWorld.Tiers;

    [Theory]
    [MemberData(nameof(Tiers))]
    public void Products_are_those_of_the_definition_bit_for_bit(InstructionTier tier)
    {
        foreach (int bits in new[] { 4, 8 })
        {
            foreach ((int inputs, int outputs, int group, int blockGroups, bool shuffled) in new[]
            {
                (32, 1, 32, 1, false), (256, 16, 128, 4, false), (384, 37, 64, 2, false), (2048, 17, 2048, 16, false), (1120, 9, 1120, 1, false),
                (512, 20, 128, 4, true), (480, 33, 96, 1, true), (100, 5, 100, 4, false), (1792, 21, 256, 8, false),
            })
            {
                foreach (int tokens in new[] { 1, 2, 3, 5, 37 })
                {
                    using var world = new KernelWorld(tier);
                    IntegerOrder? zeros = world.Random.Next(3) == 0 ? null : bits == 4 ? IntegerOrder.OutputsInterleaved : IntegerOrder.OutputsLast;
                    GroupAffinePart part = PackedParts.Affine(
                        world, outputs, inputs, bits, group, bits == 4 ? IntegerOrder.ColumnsFirst : IntegerOrder.Bytes, (DType)world.Random.Next(3), zeros, shuffled);
                    Check(world, part, world.Numbers(tokens, inputs, gap: 3), blockGroups);
                }
            }
        }
    }

    [Theory]
    [MemberData(nameof(Tiers))]
    public void The_greatest_integers_do_not_overflow(InstructionTier tier)
    {
        foreach ((int bits, uint word) in new[] { (4, 0xFFFF_FFFFu), (4, 0u), (8, 0xFFFF_FFFFu), (8, 0u), (8, 0x8080_8080u) })
        {
            foreach (int tokens in new[] { 1, 6 })
            {
                using var world = new KernelWorld(tier);
                GroupAffinePart part = PackedParts.Affine(world, 20, 128, bits, 64, zeroOrder: IntegerOrder.OutputsLast);
                new Span<uint>((void*)part.Values.Words, 20 * 128 * bits / 32).Fill(word);
                Tensor x = world.Numbers(tokens, 128);
                for (int row = 0; row < tokens; row++)
                {
                    x.HostRow<float>(row)[..128].Fill(row % 2 == 0 ? 3 : -3);
                }

                Check(world, part, x, 2);
            }
        }
    }

    [Theory]
    [MemberData(nameof(Tiers))]
    public void What_is_not_finite_spoils_its_row_and_no_other(InstructionTier tier)
    {
        foreach (float bad in new[] { float.NaN, float.PositiveInfinity, float.NegativeInfinity })
        {
            foreach (int tokens in new[] { 1, 2, 7 })
            {
                using var world = new KernelWorld(tier);
                LinearWeight weight = world.Cpu.CreateLinear(new LinearSource("layer", [PackedParts.Affine(world, 20, 128, 4, 64)]));
                Tensor x = world.Numbers(tokens, 128);
                x.HostRow<float>(0)[100] = bad;
                Tensor y = world.Unset(tokens, 20);
                world.Cpu.Ops.Linear(x, weight, y);
                for (int row = 0; row < tokens; row++)
                {
                    foreach (float value in y.HostRow<float>(row))
                    {
                        Assert.True(float.IsFinite(value) == (row > 0), $"seed {world.Seed}: row {row} is {value}");
                    }
                }
            }
        }
    }

    /// <param name="world">Both backends.</param>
    /// <param name="part">The weight.</param>
    /// <param name="x">The inputs.</param>
    /// <param name="blockGroups">Groups of 32 whose products meet before the scale does: the most, up to 16, that divide every group.</param>
    private static void Check(KernelWorld world, GroupAffinePart part, Tensor x, int blockGroups)
    {
        HostMatrix bias = KernelWorld.Matrix(world.Numbers(1, part.OutFeatures));
        var weight = (CpuLinear)world.Cpu.CreateLinear(new LinearSource("layer", [part], [bias]));
        if (weight.InputBits == 0)
        {
            // A tier without integer kernels multiplies floats, as the tests of packed layers check.
            return;
        }

        Tensor y = world.Unset(x.Rows, part.OutFeatures, gap: 2);
        Tensor expected = world.Copy(y);
        Define(part, (float*)bias.Data, x, expected, blockGroups);
        world.Cpu.Ops.Linear(x, weight, y);
        world.AssertSameBits(expected, y, $"{part.Values.Bits} bits [{part.OutFeatures}, {part.InFeatures}] x {x.Rows}");
        world.AssertSurroundingsUntouched();
    }

    private static void Define(GroupAffinePart part, float* bias, Tensor x, Tensor y, int blockGroups)
    {
        // Group after group of the checkpoint, each filled up to whole groups of 32.
        var columns = new List<int>();
        var parameters = new List<int>();
        for (int group = 0; group < part.Groups; group++)
        {
            for (int input = 0; input < part.InFeatures; input++)
            {
                if (part.Group(input) == group)
                {
                    columns.Add(input);
                }
            }

            while (columns.Count % Group != 0)
            {
                columns.Add(-1);
            }

            while (parameters.Count < columns.Count / Group)
            {
                parameters.Add(group);
            }
        }

        for (int row = 0; row < x.Rows; row++)
        {
            Span<float> inputs = x.HostRow<float>(row);
            int[] rounded = new int[columns.Count];
            float[] scales = new float[parameters.Count];
            for (int group = 0; group < scales.Length; group++)
            {
                float greatest = 0;
                for (int i = group * Group; i < (group + 1) * Group; i++)
                {
                    greatest = MathF.Max(greatest, columns[i] < 0 ? 0 : MathF.Abs(inputs[columns[i]]));
                }

                float factor = IntegerActivations.Scale(greatest, out scales[group], IntegerActivations.MostWide);
                for (int i = group * Group; i < (group + 1) * Group; i++)
                {
                    rounded[i] = columns[i] < 0 ? 0 : (int)MathF.Round(inputs[columns[i]] * factor);
                }
            }

            for (int output = 0; output < part.OutFeatures; output++)
            {
                float sum = 0;
                for (int start = 0; start < scales.Length; start += blockGroups)
                {
                    float t = 0;
                    for (int group = start; group < start + blockGroups; group++)
                    {
                        int zero = part.Zero(output, parameters[group]);
                        int integers = 0;
                        for (int i = group * Group; i < (group + 1) * Group; i++)
                        {
                            integers += columns[i] < 0 ? 0 : (part.Values[output, columns[i]] - zero) * rounded[i];
                        }

                        t = MathF.FusedMultiplyAdd(integers, scales[group], t);
                    }

                    sum = MathF.FusedMultiplyAdd(part.Scale(output, parameters[start]), t, sum);
                }

                y.HostRow<float>(row)[output] = sum + bias[output];
            }
        }
    }
}
