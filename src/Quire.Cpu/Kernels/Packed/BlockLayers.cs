using System;
using System.Collections.Generic;
using Quire.Tensors;
using Quire.Tensors.Quantization;

namespace Quire.Cpu.Kernels.Packed;

/// <summary>
/// Makes linear layers over rows of GGUF blocks. Where the processor multiplies integers, formats that have kernels for it are packed for that;
/// the others stay where they are.
/// </summary>
internal static unsafe class BlockLayers
{
    /// <param name="ops">Makes the layer.</param>
    /// <param name="memory">Where the table of parts is kept.</param>
    /// <param name="parts">Parts of one format.</param>
    /// <param name="bias">[1, out] F32, or none.</param>
    public static CpuLinear Create(ICpuOps ops, HostMemory memory, List<BlockPart> parts, Tensor bias) =>
        ops.Panels?.Create(memory, parts, bias) ?? CreateInPlace(ops, memory, parts, bias);

    private static CpuLinear CreateInPlace(ICpuOps ops, HostMemory memory, List<BlockPart> parts, Tensor bias) => parts[0].Format switch
    {
        BlockFormat.Q40 => Create<Q40Layout>(ops, memory, parts, bias),
        BlockFormat.Q41 => Create<Q41Layout>(ops, memory, parts, bias),
        BlockFormat.Q50 => Create<Q50Layout>(ops, memory, parts, bias),
        BlockFormat.Q51 => Create<Q51Layout>(ops, memory, parts, bias),
        BlockFormat.Q80 => Create<Q80Layout>(ops, memory, parts, bias),
        BlockFormat.Q2K => Create<Q2KLayout>(ops, memory, parts, bias),
        BlockFormat.Q3K => Create<Q3KLayout>(ops, memory, parts, bias),
        BlockFormat.Q4K => Create<Q4KLayout>(ops, memory, parts, bias),
        BlockFormat.Q5K => Create<Q5KLayout>(ops, memory, parts, bias),
        BlockFormat.Q6K => Create<Q6KLayout>(ops, memory, parts, bias),
        _ => throw new ArgumentOutOfRangeException(nameof(parts), parts[0].Format, "unknown block format"),
    };

    private static CpuLinear Create<TLayout>(ICpuOps ops, HostMemory memory, List<BlockPart> parts, Tensor bias)
        where TLayout : struct, IBlockLayout
    {
        var segments = (BlockSegment*)memory.AllocateBytes(sizeof(BlockSegment) * parts.Count);
        int rows = 0;
        for (int i = 0; i < parts.Count; i++)
        {
            rows = checked(rows + parts[i].OutFeatures);
            segments[i] = new BlockSegment { Data = (byte*)parts[i].Data, EndRow = rows };
        }

        var weight = new BlockRows<TLayout> { Segments = segments, RowBytes = (nint)parts[0].RowBytes };
        int columns = parts[0].InFeatures;
        return ops.CreatePacked(in weight, rows, columns, PackedInput.InOrder(columns), bias, rows * parts[0].RowBytes);
    }
}
