using System;
using Quire.Cpu.Emit;

namespace Quire.Cpu.Kernels.Panels;

/// <summary>Weights of 4 bits by <c>vpdpbusd</c> on AVX-512.</summary>
internal readonly unsafe struct Four512 : IPanelKernel
{
    public static PanelFormat Format => PanelFormat.Integers4;

    public static long ScratchBytes => 0;

    public static PanelInput Input(int rows) => Emitted512.Integers(rows);

    public static void ExpandRow(ref readonly PanelRows weight, int output, float* target) => weight.Expand(Format, output, target);

    public static void Multiply(ref readonly PanelOperands operands, int panel, int block, int blocks, float* sums, byte* scratch) =>
        Emitted512.Multiply(in operands, PanelFormat.Integers4, 64, panel, block, blocks, sums);
}

/// <summary>Weights of 8 bits, stored 128 higher, by <c>vpdpbusd</c> on AVX-512.</summary>
internal readonly unsafe struct Eight512 : IPanelKernel
{
    public static PanelFormat Format => PanelFormat.Unsigned8;

    public static long ScratchBytes => 0;

    public static PanelInput Input(int rows) => Emitted512.Integers(rows);

    public static void ExpandRow(ref readonly PanelRows weight, int output, float* target) => weight.Expand(Format, output, target);

    public static void Multiply(ref readonly PanelOperands operands, int panel, int block, int blocks, float* sums, byte* scratch) =>
        Emitted512.Multiply(in operands, PanelFormat.Unsigned8, 32, panel, block, blocks, sums);
}

/// <summary>Weights of BF16 multiplied as floats on AVX-512.</summary>
internal readonly unsafe struct BFloat512 : IPanelKernel
{
    public static PanelFormat Format => PanelFormat.BFloat16;

    public static long ScratchBytes => 0;

    public static PanelInput Input(int rows) => new() { Form = PanelInputForm.Floats, BlockRows = Emitted512.BlockRows(rows) };

    public static void ExpandRow(ref readonly PanelRows weight, int output, float* target) => weight.Expand(Format, output, target);

    public static void Multiply(ref readonly PanelOperands operands, int panel, int block, int blocks, float* sums, byte* scratch) =>
        Emitted512.Multiply(in operands, PanelFormat.BFloat16, PanelChunks.Groups, panel, block, blocks, sums);
}

/// <summary>Weights of BF16 times inputs rounded to BF16 by <c>vdpbf16ps</c>.</summary>
internal readonly unsafe struct BFloatPairs512 : IPanelKernel
{
    public static PanelFormat Format => PanelFormat.BFloat16;

    public static long ScratchBytes => 0;

    public static PanelInput Input(int rows) => new() { Form = PanelInputForm.BFloat16Pairs, BlockRows = Emitted512.BlockRows(rows) };

    public static void ExpandRow(ref readonly PanelRows weight, int output, float* target) => weight.Expand(Format, output, target);

    public static void Multiply(ref readonly PanelOperands operands, int panel, int block, int blocks, float* sums, byte* scratch) =>
        Emitted512.Multiply(in operands, PanelFormat.BFloat16, PanelChunks.Groups, panel, block, blocks, sums);
}

/// <summary>What the assembled kernels have in common.</summary>
internal static unsafe class Emitted512
{
    /// <summary>Rows of a block: a kernel's.</summary>
    public static int BlockRows(int rows) => rows <= 2 ? rows : rows <= 4 ? 4 : 8;

    public static PanelInput Integers(int rows) => new() { Form = PanelInputForm.Bytes, BlockRows = BlockRows(rows), WholeOffsets = true };

    /// <summary>Multiplies some groups of a panel, which the first-level cache keeps, with one block of rows after the other.</summary>
    public static void Multiply(
        ref readonly PanelOperands operands, PanelFormat format, int chunkGroups, int panel, int block, int blocks, float* sums)
    {
        PanelInput x = operands.X;
        int groups = operands.Groups;
        new Span<float>(sums, x.BlockRows * blocks * PanelLayout.PanelOutputs).Clear();
        nint groupBytes = x.BlockBytes / groups;
        nint firstGroup = (nint)panel * groups;
        nint firstParameter = (nint)block * groups * x.BlockRows;
        var kernel = (delegate* unmanaged<PanelArguments*, void>)operands.Code;
        for (int group = 0; group < groups; group += chunkGroups)
        {
            int count = Math.Min(chunkGroups, groups - group);
            nint parameter = firstParameter + (nint)group * x.BlockRows;
            var arguments = new PanelArguments
            {
                Values = operands.Values + (firstGroup + group) * format.GroupBytes(),
                Scales = operands.Scales + (firstGroup + group) * PanelLayout.PanelOutputs,
                X = x.Values + block * x.BlockBytes + group * groupBytes,
                XScales = x.Scales + parameter,
                XOffsets = x.Offsets + parameter,
                Sums = sums,
                Groups = count,
                Blocks = blocks,
                XSkip = (groups - count) * groupBytes,
                ParameterSkip = (nint)(groups - count) * x.BlockRows * sizeof(float),
            };
            kernel(&arguments);
        }
    }
}
