using System;
using System.Runtime.Intrinsics;
using Quire.Cpu.Emit;

namespace Quire.Cpu.Kernels.Panels;

/// <summary>Products of <see cref="IBlockQuants"/> by <c>vpdpbusd</c> on AVX-512, one block of a panel after the other.</summary>
internal readonly unsafe struct Blocks512<TQuants> : IPanelKernel
    where TQuants : struct, IBlockQuants
{
    private const int Outputs = PanelLayout.PanelOutputs;

    public static PanelFormat Format => TQuants.Format;

    public static long ScratchBytes => sizeof(BlockParameters);

    public static PanelInput Input(int rows) => new()
    {
        Form = PanelInputForm.Bytes,
        BlockRows = Emitted512.BlockRows(rows),
        WholeOffsets = true,
        HasHalfOffsets = TQuants.Bits != 4,
        HasSums = TQuants.HasMinima,
    };

    public static void ExpandRow(ref readonly PanelRows weight, int output, float* target) => weight.ExpandBlocks<TQuants>(output, target);

    public static void Multiply(ref readonly PanelOperands operands, int panel, int block, int blocks, float* sums, byte* scratch)
    {
        PanelInput x = operands.X;
        int groups = operands.Groups;
        int blockGroups = operands.BlockGroups;
        new Span<float>(sums, x.BlockRows * blocks * Outputs).Clear();
        nint groupBytes = x.BlockBytes / groups;
        nint blockBytes = TQuants.ParameterBytes + blockGroups * (nint)TQuants.Format.GroupBytes();
        byte* w = operands.Values + panel * (groups / blockGroups * blockBytes);
        int offsets = TQuants.Bits != 4 ? 2 : 1;
        nint skip = (nint)(groups - blockGroups) * x.BlockRows * sizeof(float);
        var parameters = (BlockParameters*)scratch;
        var kernel = (delegate* unmanaged<BlockArguments*, void>)operands.Code;
        for (int group = 0; group < groups; group += blockGroups, w += blockBytes)
        {
            TQuants.Expand(w, parameters);
            nint parameter = ((nint)block * groups + group) * x.BlockRows;
            var arguments = new BlockArguments
            {
                Values = w + TQuants.ParameterBytes,
                UnitScales = parameters->UnitScales,
                Minima = parameters->Minima,
                Factors = parameters->Scale,
                X = x.Values + block * x.BlockBytes + group * groupBytes,
                XScales = x.Scales + parameter,
                XOffsets = x.Offsets + offsets * parameter,
                XSums = x.Sums + parameter,
                Sums = sums,
                Groups = blockGroups,
                Blocks = blocks,
                XSkip = (groups - blockGroups) * groupBytes,
                ParameterSkip = skip,
                OffsetSkip = offsets * skip,
            };
            kernel(&arguments);
        }
    }
}

/// <summary>Products of integers with scales and zero points by <c>vpdpwssd</c> on AVX-512, one block of a panel after the other.</summary>
internal readonly unsafe struct Affine512<TIntegers> : IPanelKernel
    where TIntegers : struct, IAffineIntegers
{
    private const int Outputs = PanelLayout.PanelOutputs;

    public static PanelFormat Format => TIntegers.Format;

    public static long ScratchBytes => 2 * Outputs * sizeof(float);

    public static PanelInput Input(int rows) => new() { Form = PanelInputForm.Wide, BlockRows = Emitted512.BlockRows(rows) };

    public static void ExpandRow(ref readonly PanelRows weight, int output, float* target) =>
        Affine256<TIntegers>.ExpandRow(in weight, output, target);

    public static void Multiply(ref readonly PanelOperands operands, int panel, int block, int blocks, float* sums, byte* scratch)
    {
        PanelInput x = operands.X;
        int groups = operands.Groups;
        int blockGroups = operands.BlockGroups;
        new Span<float>(sums, x.BlockRows * blocks * Outputs).Clear();
        nint groupBytes = x.BlockBytes / groups;
        nint blockBytes = blockGroups * (nint)TIntegers.GroupBytes;
        byte* w = operands.Values + panel * (groups / blockGroups * blockBytes);
        nint skip = (nint)(groups - blockGroups) * x.BlockRows * sizeof(float);
        float* factors = (float*)scratch;
        var parameters = new AffineParameters(in operands, panel);
        var kernel = (delegate* unmanaged<BlockArguments*, void>)operands.Code;
        for (int group = 0; group < groups; group += blockGroups, w += blockBytes)
        {
            nint index = parameters.IndexOf(group / blockGroups);
            for (nint i = 0; i < Outputs; i += 8)
            {
                parameters.Scale(index + i).Store(factors + i);
                parameters.MinusZero<TIntegers>(index + i).Store((int*)factors + Outputs + i);
            }

            nint parameter = ((nint)block * groups + group) * x.BlockRows;
            var arguments = new BlockArguments
            {
                Values = w,
                Factors = factors,
                X = x.Values + block * x.BlockBytes + group * groupBytes,
                XScales = x.Scales + parameter,
                XOffsets = x.Offsets + parameter,
                Sums = sums,
                Groups = blockGroups,
                Blocks = blocks,
                XSkip = (groups - blockGroups) * groupBytes,
                ParameterSkip = skip,
                OffsetSkip = skip,
            };
            kernel(&arguments);
        }
    }
}
