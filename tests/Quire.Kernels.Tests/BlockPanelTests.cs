using System;
using System.Buffers.Binary;
using Quire.Cpu;
using Quire.Tensors;
using Quire.Tensors.Quantization;
using Quire.Tensors.Reference;

namespace Quire.Kernels.Tests;

/// <summary>Layers over blocks with scales of two levels that multiply integers: every bit of a result is known.</summary>
public unsafe class BlockPanelTests
{
    public static TheoryData<InstructionTier> Tiers => KernelWorld.Tiers;

    private static BlockFormat[] Formats => [BlockFormat.Q41, BlockFormat.Q50, BlockFormat.Q51, BlockFormat.Q3K, BlockFormat.Q4K, BlockFormat.Q5K, BlockFormat.Q6K];

    [Theory]
    [MemberData(nameof(Tiers))]
    public void Products_are_those_of_the_definition_bit_for_bit(InstructionTier tier)
    {
        foreach (BlockFormat format in Formats)
        {
            foreach ((int inputs, int outputs, int tokens) in new[]
            {
                (256, 1, 1), (512, 16, 2), (768, 37, 3), (1280, 50, 4), (2304, 17, 5), (2304, 33, 1), (2560, 33, 9), (256, 16, 131), (4096, 18, 70),
            })
            {
                using var world = new KernelWorld(tier);
                Check(world, [BlockLinearTests.Part(world, format, outputs, inputs)], world.Numbers(tokens, inputs, gap: 3));
            }
        }
    }

    [Theory]
    [MemberData(nameof(Tiers))]
    public void The_greatest_integers_do_not_overflow(InstructionTier tier)
    {
        foreach (BlockFormat format in Formats)
        {
            foreach (byte fill in new byte[] { 0x00, 0x7F, 0x80, 0x81, 0xFF, 0x0F, 0xF0 })
            {
                foreach (int tokens in new[] { 1, 2, 4, 9 })
                {
                    using var world = new KernelWorld(tier);
                    BlockPart part = BlockLinearTests.Part(world, format, 20, 512);
                    int first = format is BlockFormat.Q50 ? 2 : 4;
                    for (int block = 0; block < 20 * 512 / format.BlockLength(); block++)
                    {
                        var bytes = new Span<byte>((byte*)part.Data + block * format.BlockBytes(), format.BlockBytes());
                        (format == BlockFormat.Q6K ? bytes[..208] : format == BlockFormat.Q3K ? bytes[..108] : bytes[first..]).Fill(fill);
                    }

                    Tensor x = world.Numbers(tokens, 512);
                    for (int row = 0; row < tokens; row++)
                    {
                        int sign = world.Random.Next(3);
                        foreach (ref float value in x.HostRow<float>(row))
                        {
                            value = sign == 0 ? 2 : sign == 1 ? -2 : world.Random.Next(2) * 4 - 2;
                        }
                    }

                    Check(world, [part], x);
                }
            }
        }
    }

    [Theory]
    [MemberData(nameof(Tiers))]
    public void What_is_not_finite_spoils_its_row_and_no_other(InstructionTier tier)
    {
        foreach (BlockFormat format in Formats)
        {
            foreach (float bad in new[] { float.NaN, float.PositiveInfinity, float.NegativeInfinity })
            {
                foreach (int tokens in new[] { 1, 2, 7 })
                {
                    using var world = new KernelWorld(tier);
                    LinearWeight weight = world.Cpu.CreateLinear(new LinearSource("layer", [BlockLinearTests.Part(world, format, 20, 512)]));
                    Tensor x = world.Numbers(tokens, 512);
                    x.HostRow<float>(0)[300] = bad;
                    Tensor y = world.Unset(tokens, 20);
                    world.Cpu.Ops.Linear(x, weight, y);
                    for (int row = 0; row < tokens; row++)
                    {
                        foreach (float value in y.HostRow<float>(row))
                        {
                            Assert.True(float.IsFinite(value) == (row > 0), $"seed {world.Seed}: {format}: row {row} is {value}");
                        }
                    }
                }
            }
        }
    }

    [Fact]
    public void A_panel_may_lie_across_parts_and_takes_no_more_than_the_file()
    {
        foreach (BlockFormat format in Formats)
        {
            using var world = new KernelWorld();
            BlockPart[] parts = [BlockLinearTests.Part(world, format, 21, 512), BlockLinearTests.Part(world, format, 5, 512), BlockLinearTests.Part(world, format, 38, 512)];
            Check(world, parts, world.Numbers(6, 512));
            LinearWeight weight = world.Cpu.CreateLinear(new LinearSource("layer", parts));
            Assert.Equal(64 * format.RowBytes(512), weight.SizeInBytes);
        }
    }

    private static void Check(KernelWorld world, BlockPart[] parts, Tensor x)
    {
        int outputs = 0;
        foreach (BlockPart part in parts)
        {
            outputs += part.OutFeatures;
        }

        HostMatrix bias = KernelWorld.Matrix(world.Numbers(1, outputs));
        var weight = (CpuLinear)world.Cpu.CreateLinear(new LinearSource("layer", parts, [bias]));
        if (weight.InputBits == 0)
        {
            // A tier without integer kernels multiplies floats, as the tests of blocks check.
            return;
        }

        Tensor y = world.Unset(x.Rows, outputs, gap: 2);
        Tensor expected = world.Copy(y);
        int first = 0;
        foreach (BlockPart part in parts)
        {
            Define(part, (float*)bias.Data, x, expected, first);
            first += part.OutFeatures;
        }

        world.Cpu.Ops.Linear(x, weight, y);
        world.AssertSameBits(expected, y, $"{parts[0].Format} [{outputs}, {parts[0].InFeatures}] x {x.Rows}");
        world.AssertSurroundingsUntouched();
    }

    /// <summary>What IBlockQuants promises: t of the units and u of the minima of a block, and the blocks in order.</summary>
    private static void Define(BlockPart part, float* bias, Tensor x, Tensor y, int first)
    {
        const int Group = IntegerActivations.GroupInputs;
        int unit = part.Format is BlockFormat.Q41 or BlockFormat.Q4K ? Group : Group / 2;
        int length = part.Format.BlockLength();
        var block = new Block();
        for (int row = 0; row < x.Rows; row++)
        {
            Span<float> inputs = x.HostRow<float>(row)[..part.InFeatures];
            int[] rounded = new int[part.InFeatures];
            float[] scales = new float[part.InFeatures / Group];
            for (int group = 0; group < scales.Length; group++)
            {
                Span<float> values = inputs.Slice(group * Group, Group);
                float greatest = 0;
                foreach (float value in values)
                {
                    greatest = MathF.Max(greatest, MathF.Abs(value));
                }

                float factor = IntegerActivations.Scale(greatest, out scales[group]);
                for (int i = 0; i < Group; i++)
                {
                    rounded[group * Group + i] = (int)MathF.Round(values[i] * factor);
                }
            }

            for (int output = 0; output < part.OutFeatures; output++)
            {
                float sum = 0;
                for (int start = 0; start < part.InFeatures; start += length)
                {
                    block.Read(part.Format, (byte*)part.Data + output * part.RowBytes + start / length * part.Format.BlockBytes());
                    float t = 0;
                    float u = 0;
                    for (int k = 0; k < length; k += unit)
                    {
                        int integers = 0;
                        for (int i = k; i < k + unit; i++)
                        {
                            integers += block.Quants[i] * rounded[start + i];
                        }

                        t = MathF.FusedMultiplyAdd(integers * block.Scales[k / 16], scales[(start + k) / Group], t);
                    }

                    for (int k = 0; k < length; k += Group)
                    {
                        int integers = 0;
                        for (int i = k; i < k + Group; i++)
                        {
                            integers += rounded[start + i];
                        }

                        u = MathF.FusedMultiplyAdd(block.Minima[k / Group], scales[(start + k) / Group] * integers, u);
                    }

                    sum = MathF.FusedMultiplyAdd(block.Factor, t, sum);
                    sum = MathF.FusedMultiplyAdd(-block.MinimumFactor, u, sum);
                }

                y.HostRow<float>(row)[first + output] = sum + bias[first + output];
            }
        }
    }

    /// <summary>A block as the format's description has it.</summary>
    private sealed class Block
    {
        private const int Group = IntegerActivations.GroupInputs;

        public int[] Quants { get; } = new int[256];

        /// <summary>Of each 16 weights.</summary>
        public int[] Scales { get; } = new int[16];

        /// <summary>Of each 32 weights.</summary>
        public int[] Minima { get; } = new int[8];

        public float Factor { get; private set; }

        public float MinimumFactor { get; private set; }

        public void Read(BlockFormat format, byte* block)
        {
            if (format.BlockLength() == Group)
            {
                ReadClassic(format, block);
                return;
            }

            if (format == BlockFormat.Q3K)
            {
                ReadThree(block);
                return;
            }

            if (format == BlockFormat.Q6K)
            {
                Factor = Half(block + 208);
                MinimumFactor = 0;
                for (int i = 0; i < 256; i++)
                {
                    int half = i / 128;
                    int part = i % 128 / 32;
                    int low = (block[64 * half + part % 2 * 32 + i % 32] >> (part / 2 * 4)) & 15;
                    int high = (block[128 + 32 * half + i % 32] >> (2 * part)) & 3;
                    Quants[i] = (low | high << 4) - 32;
                    Scales[i / 16] = (sbyte)block[192 + i / 16];
                }

                return;
            }

            Factor = Half(block);
            MinimumFactor = Half(block + 2);
            byte* packed = block + 4;
            byte* nibbles = block + (format == BlockFormat.Q5K ? 48 : 16);
            for (int group = 0; group < 8; group++)
            {
                int scale = group < 4 ? packed[group] & 63 : (packed[group + 4] & 15) | (packed[group - 4] >> 6) << 4;
                Scales[2 * group] = Scales[2 * group + 1] = scale;
                Minima[group] = group < 4 ? packed[group + 4] & 63 : (packed[group + 4] >> 4) | (packed[group] >> 6) << 4;
                for (int i = 0; i < 32; i++)
                {
                    int quant = (nibbles[group / 2 * 32 + i] >> (group % 2 * 4)) & 15;
                    Quants[32 * group + i] = format == BlockFormat.Q5K ? quant | ((block[16 + i] >> group) & 1) << 4 : quant;
                }
            }
        }

        private void ReadThree(byte* block)
        {
            Factor = Half(block + 108);
            MinimumFactor = 0;
            for (int i = 0; i < 256; i++)
            {
                int low = (block[32 + i / 128 * 32 + i % 32] >> (2 * (i % 128 / 32))) & 3;
                int third = (block[i % 32] >> (i / 32)) & 1;
                Quants[i] = (low | third << 2) - 4;
                int s = i / 16;
                int four = s < 8 ? block[96 + s] & 15 : block[96 + s - 8] >> 4;
                Scales[s] = (four | ((block[96 + 8 + s % 4] >> (2 * (s / 4))) & 3) << 4) - 32;
            }
        }

        private void ReadClassic(BlockFormat format, byte* block)
        {
            bool hasOffset = format != BlockFormat.Q50;
            bool hasFifth = format != BlockFormat.Q41;
            Factor = Half(block);
            MinimumFactor = hasOffset ? -Half(block + 2) : 0;
            Minima[0] = 1;
            Scales[0] = Scales[1] = 1;
            byte* bytes = block + (hasOffset ? 4 : 2);
            uint fifth = hasFifth ? BinaryPrimitives.ReadUInt32LittleEndian(new ReadOnlySpan<byte>(bytes, 4)) : 0;
            bytes += hasFifth ? 4 : 0;
            for (int i = 0; i < Group; i++)
            {
                int quant = (bytes[i % 16] >> (i / 16 * 4)) & 15 | (int)((fifth >> i) & 1) << 4;
                Quants[i] = format == BlockFormat.Q50 ? quant - 16 : quant;
            }
        }

        private static float Half(byte* source) => (float)BinaryPrimitives.ReadHalfLittleEndian(new ReadOnlySpan<byte>(source, 2));
    }
}
