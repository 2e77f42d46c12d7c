using Quire.Cpu;
using Quire.Tensors;

namespace Quire.Kernels.Tests;

public class NormTests
{
    public static TheoryData<InstructionTier> Tiers => KernelWorld.Tiers;

    [Theory]
    [MemberData(nameof(Tiers))]
    public void Rms_norm_agrees_over_whole_rows_and_over_heads(InstructionTier tier)
    {
        foreach (DType type in new[] { DType.F32, DType.BF16, DType.F16 })
        {
            foreach ((int rows, int group, int groups) in new[] { (1, 1, 1), (3, 8, 4), (5, 37, 1), (2, 128, 3), (70, 515, 1) })
            {
                using var world = new KernelWorld(tier);
                Tensor x = world.Numbers(rows, group * groups, gap: 3);
                Tensor weight = world.Numbers(1, group, type: type);
                Tensor y = world.Unset(rows, group * groups, gap: 1);
                Tensor expected = world.Copy(y);
                world.Reference.Ops.RmsNorm(x, weight, 1e-5f, 1f, expected);
                world.Cpu.Ops.RmsNorm(x, weight, 1e-5f, 1f, y);
                world.AssertClose(expected, y, 3e-6);

                world.Cpu.Ops.RmsNorm(x, weight, 1e-5f, 1f, x);
                world.AssertClose(expected, x, 3e-6);
            }
        }
    }

    [Theory]
    [MemberData(nameof(Tiers))]
    public void Add_and_norm_writes_the_sum_and_its_norm_even_onto_its_input(InstructionTier tier)
    {
        foreach ((int rows, int columns) in new[] { (1, 5), (3, 64), (40, 1037) })
        {
            using var world = new KernelWorld(tier);
            Tensor x = world.Numbers(rows, columns, gap: 3);
            Tensor residual = world.Numbers(rows, columns);
            Tensor weight = world.Numbers(1, columns);
            Tensor expectedResidual = world.Copy(residual);
            Tensor expected = world.Copy(x);
            world.Reference.Ops.AddRmsNorm(x, expectedResidual, weight, 1e-6f, 0f, expected);
            world.Cpu.Ops.AddRmsNorm(x, residual, weight, 1e-6f, 0f, x);
            world.AssertClose(expectedResidual, residual, 0);
            world.AssertClose(expected, x, 3e-6);
        }
    }

    [Theory]
    [MemberData(nameof(Tiers))]
    public void Layer_norm_agrees_with_and_without_bias(InstructionTier tier)
    {
        foreach (DType type in new[] { DType.F32, DType.BF16 })
        {
            foreach ((int rows, int columns) in new[] { (1, 3), (3, 64), (70, 515) })
            {
                using var world = new KernelWorld(tier);
                Tensor x = world.Numbers(rows, columns, gap: 3);
                world.Reference.Ops.Add(Ones(world, rows, columns), 10f, x);
                Tensor weight = world.Numbers(1, columns, type: type);
                Tensor bias = world.Numbers(1, columns, type: type);
                foreach (Tensor added in new[] { bias, default })
                {
                    Tensor y = world.Unset(rows, columns, gap: 1);
                    Tensor expected = world.Copy(y);
                    world.Reference.Ops.LayerNorm(x, weight, added, 1e-5f, expected);
                    world.Cpu.Ops.LayerNorm(x, weight, added, 1e-5f, y);
                    world.AssertClose(expected, y, 2e-5);
                }
            }
        }
    }

    private static Tensor Ones(KernelWorld world, int rows, int columns)
    {
        Tensor ones = world.Unset(rows, columns);
        for (int row = 0; row < rows; row++)
        {
            ones.HostRow<float>(row).Fill(1);
        }

        return ones;
    }
}
