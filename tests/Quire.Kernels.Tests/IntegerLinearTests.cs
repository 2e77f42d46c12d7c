using System;
using System.Buffers.Binary;
using Quire.Cpu;
using Quire.Tensors;
using Quire.Tensors.Quantization;
using Quire.Tensors.Reference;

namespace Quire.Kernels.Tests;

/// <summary>Layers that multiply integers: since sums of integers are exact, every bit of a result is known.</summary>
public unsafe class IntegerLinearTests
{
    public static TheoryData<InstructionTier> Tiers => KernelWorld.Tiers;

    [Theory]
    [MemberData(nameof(Tiers))]
    public void Products_are_those_of_the_definition_bit_for_bit(InstructionTier tier)
    {
        foreach (BlockFormat format in new[] { BlockFormat.Q40, BlockFormat.Q80 })
        {
            foreach ((int inputs, int outputs, int tokens) in new[]
            {
                (32, 1, 1), (64, 16, 2), (96, 37, 3), (1056, 50, 4), (544, 17, 5), (2080, 33, 1), (2080, 33, 9), (256, 16, 131), (4096, 18, 70),
            })
            {
                using var world = new KernelWorld(tier);
                Check(world, BlockLinearTests.Part(world, format, outputs, inputs), world.Numbers(tokens, inputs, gap: 3));
            }
        }
    }

    [Theory]
    [MemberData(nameof(Tiers))]
    public void The_greatest_integers_do_not_overflow(InstructionTier tier)
    {
        foreach (BlockFormat format in new[] { BlockFormat.Q40, BlockFormat.Q80 })
        {
            foreach (byte quant in new byte[] { 0x00, 0x7F, 0x80, 0x81, 0xFF, 0x0F, 0xF0, 0x88 })
            {
                foreach (int tokens in new[] { 1, 2, 4, 12 })
                {
                    using var world = new KernelWorld(tier);
                    BlockPart part = BlockLinearTests.Part(world, format, 20, 128);
                    for (int block = 0; block < 20 * 4; block++)
                    {
                        new Span<byte>((byte*)part.Data + block * format.BlockBytes() + 2, format.BlockBytes() - 2).Fill(quant);
                    }

                    Tensor x = world.Numbers(tokens, 128);
                    for (int row = 0; row < tokens; row++)
                    {
                        int sign = world.Random.Next(3);
                        foreach (ref float value in x.HostRow<float>(row))
                        {
                            value = sign == 0 ? 2 : sign == 1 ? -2 : world.Random.Next(2) * 4 - 2;
                        }
                    }

                    Check(world, part, x);
                }
            }
        }
    }

    [Theory]
    [MemberData(nameof(Tiers))]
    public void What_is_not_finite_spoils_its_row_and_no_other(InstructionTier tier)
    {
        foreach (BlockFormat format in new[] { BlockFormat.Q40, BlockFormat.Q80 })
        {
            foreach (float bad in new[] { float.NaN, float.PositiveInfinity, float.NegativeInfinity })
            {
                foreach (int tokens in new[] { 1, 2, 7 })
                {
                    using var world = new KernelWorld(tier);
                    LinearWeight weight = world.Cpu.CreateLinear(new LinearSource("layer", [BlockLinearTests.Part(world, format, 20, 96)]));
                    Tensor x = world.Numbers(tokens, 96);
                    x.HostRow<float>(0)[40] = bad;
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
    }

    [Theory]
    [MemberData(nameof(Tiers))]
    public void Zeros_and_numbers_too_small_for_a_scale_give_zeros(InstructionTier tier)
    {
        using var world = new KernelWorld(tier);
        LinearWeight weight = world.Cpu.CreateLinear(new LinearSource("layer", [BlockLinearTests.Part(world, BlockFormat.Q40, 20, 96)]));
        Tensor x = world.Numbers(3, 96);
        x.HostRow<float>(0)[..96].Clear();
        x.HostRow<float>(1)[..96].Fill(float.Epsilon);
        Tensor y = world.Unset(3, 20);
        world.Cpu.Ops.Linear(x, weight, y);
        foreach (float value in y.HostRow<float>(0))
        {
            Assert.Equal(0f, value);
        }

        foreach (float value in y.HostRow<float>(1))
        {
            Assert.True(MathF.Abs(value) < 1e-30f);
        }
    }

    private static void Check(KernelWorld world, BlockPart part, Tensor x)
    {
        HostMatrix bias = KernelWorld.Matrix(world.Numbers(1, part.OutFeatures));
        var weight = (CpuLinear)world.Cpu.CreateLinear(new LinearSource("layer", [part], [bias]));
        if (weight.InputBits == 0)
        {
            // A tier without integer kernels multiplies floats, as the tests of blocks check.
            return;
        }

        Tensor y = world.Unset(x.Rows, part.OutFeatures, gap: 2);
        Tensor expected = world.Copy(y);
        Define(part, (float*)bias.Data, x, expected);
        world.Cpu.Ops.Linear(x, weight, y);
        world.AssertSameBits(expected, y, $"{part.Format} [{part.OutFeatures}, {part.InFeatures}] x {x.Rows}");
        world.AssertSurroundingsUntouched();
    }

    /// <summary>sum = fma(float(integers), weight scale · x scale, sum) over the groups in order, then the bias.</summary>
    private static void Define(BlockPart part, float* bias, Tensor x, Tensor y)
    {
        int groups = part.InFeatures / IntegerActivations.GroupInputs;
        int[] quants = new int[IntegerActivations.GroupInputs];
        for (int row = 0; row < x.Rows; row++)
        {
            Span<float> inputs = x.HostRow<float>(row)[..part.InFeatures];
            for (int output = 0; output < part.OutFeatures; output++)
            {
                float sum = 0;
                for (int group = 0; group < groups; group++)
                {
                    byte* block = (byte*)part.Data + output * part.RowBytes + group * part.Format.BlockBytes();
                    float scale = (float)BinaryPrimitives.ReadHalfLittleEndian(new ReadOnlySpan<byte>(block, 2));
                    Read(part.Format, block + 2, quants);
                    Span<float> values = inputs.Slice(group * IntegerActivations.GroupInputs, IntegerActivations.GroupInputs);
                    float greatest = 0;
                    foreach (float value in values)
                    {
                        greatest = MathF.Max(greatest, MathF.Abs(value));
                    }

                    float factor = IntegerActivations.Scale(greatest, out float xScale);
                    int integers = 0;
                    for (int i = 0; i < quants.Length; i++)
                    {
                        integers += quants[i] * (int)MathF.Round(values[i] * factor);
                    }

                    sum = MathF.FusedMultiplyAdd(integers, scale * xScale, sum);
                }

                y.HostRow<float>(row)[output] = sum + bias[output];
            }
        }
    }

    private static void Read(BlockFormat format, byte* source, int[] quants)
    {
        for (int i = 0; i < quants.Length; i++)
        {
            quants[i] = format == BlockFormat.Q80 ? (sbyte)source[i] : ((source[i % 16] >> (i / 16 * 4)) & 15) - 8;
        }
    }
}
