using System;
using Quire.Cpu.Kernels.Panels;
using Quire.Tensors;

namespace Quire.Cpu.Emit;

/// <summary>
/// Small products of assembled kernels beside those of the compiler's, which must be the same bits: what <see cref="KernelProof"/> is for
/// formats with blocks.
/// </summary>
internal static unsafe class BlockProof
{
    private const int Outputs = PanelLayout.PanelOutputs;
    private const ushort Half = 0x3800;

    /// <summary>True when kernels of <see cref="BlockAssembler.Quants{TQuants}"/> give the bits that they should.</summary>
    public static bool Quants<TQuants>(nint[] kernels)
        where TQuants : struct, IBlockQuants
    {
        const int Blocks = 2;
        using var memory = new HostMemory();
        int blockBytes = TQuants.ParameterBytes + TQuants.BlockGroups * TQuants.Format.GroupBytes();
        byte* values = Fill(memory, Blocks * blockBytes);
        for (int block = 0; block < Blocks; block++)
        {
            new Span<ushort>(values + block * blockBytes, TQuants.HasMinima ? 2 * Outputs : Outputs).Fill(Half);
        }

        var weight = new PanelWeight
        {
            Format = TQuants.Format,
            OutFeatures = Outputs,
            InFeatures = Blocks * TQuants.BlockGroups * PanelLayout.GroupInputs,
            BlockGroups = TQuants.BlockGroups,
            Values = values,
            SizeInBytes = Blocks * blockBytes,
        };
        return Same(memory, new PanelLinear<Blocks512<TQuants>>(weight, default, kernels), new PanelLinear<Blocks256<TQuants>>(weight, default));
    }

    /// <summary>True when kernels of <see cref="BlockAssembler.Affine{TIntegers}"/> give the bits that they should.</summary>
    public static bool Affine<TIntegers>(nint[] kernels)
        where TIntegers : struct, IAffineIntegers
    {
        const int Groups = 4;
        const int BlockGroups = 2;
        using var memory = new HostMemory();
        ushort* scales = (ushort*)memory.AllocateBytes(Groups / BlockGroups * Outputs * sizeof(ushort));
        new Span<ushort>(scales, Groups / BlockGroups * Outputs).Fill(Half);
        ushort* groupOfBlock = (ushort*)memory.AllocateBytes(Groups / BlockGroups * sizeof(ushort));
        groupOfBlock[1] = 1;
        var weight = new PanelWeight
        {
            Format = TIntegers.Format,
            OutFeatures = Outputs,
            InFeatures = Groups * PanelLayout.GroupInputs,
            BlockGroups = BlockGroups,
            Values = Fill(memory, Groups * TIntegers.GroupBytes),
            Scales = scales,
            Zeros = Fill(memory, Groups / BlockGroups * Outputs),
            GroupOfBlock = groupOfBlock,
            ParameterGroups = Groups / BlockGroups,
            SizeInBytes = Groups * TIntegers.GroupBytes,
        };
        return Same(memory, new PanelLinear<Affine512<TIntegers>>(weight, default, kernels), new PanelLinear<Affine256<TIntegers>>(weight, default));
    }

    private static byte* Fill(HostMemory memory, int bytes)
    {
        byte* values = (byte*)memory.AllocateBytes(bytes);
        for (int i = 0; i < bytes; i++)
        {
            values[i] = (byte)(i * 37 + i / 251 + 11);
        }

        return values;
    }

    private static bool Same(HostMemory memory, CpuLinear assembled, CpuLinear compiled)
    {
        using var runtime = new CpuRuntime(1, 0);
        foreach (int rows in (int[])[1, 2, 4, 11])
        {
            Tensor x = memory.Allocate(DType.F32, rows, assembled.InFeatures);
            for (int i = 0; i < rows * x.Columns; i++)
            {
                x.HostRow<float>(i / x.Columns)[i % x.Columns] = (i * 29 % 23 - 11) * 0.37f + i % 7;
            }

            Tensor expected = memory.Allocate(DType.F32, rows, Outputs);
            Tensor actual = memory.Allocate(DType.F32, rows, Outputs);
            compiled.Multiply(runtime, x, expected);
            assembled.Multiply(runtime, x, actual);
            for (int row = 0; row < rows; row++)
            {
                if (!expected.HostRow<float>(row).SequenceEqual(actual.HostRow<float>(row)))
                {
                    return false;
                }
            }
        }

        return true;
    }
}
