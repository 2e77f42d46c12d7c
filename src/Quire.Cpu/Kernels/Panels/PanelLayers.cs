using System;
using System.Collections.Generic;
using Quire.Cpu.Emit;
using Quire.Cpu.Kernels.Packed;
using Quire.Tensors;
using Quire.Tensors.Quantization;

namespace Quire.Cpu.Kernels.Panels;

/// <summary>Packs weights into panels for the best kernel that the processor has: assembled ones before those of the compiler.</summary>
internal sealed class PanelLayers(EmittedKernels emitted)
{
    /// <param name="memory">Where the packed weight is kept.</param>
    /// <param name="parts">Parts in one format.</param>
    /// <param name="bias">[1, out] F32, or none.</param>
    /// <returns>Null for formats without kernels.</returns>
    public CpuLinear? Create(HostMemory memory, List<BlockPart> parts, Tensor bias) => parts[0].Format switch
    {
        BlockFormat.Q40 => Fours(memory, parts, bias),
        BlockFormat.Q80 => Eights(memory, parts, bias),
        BlockFormat.Q41 => Blocks<Q41Quants>(memory, parts, bias),
        BlockFormat.Q50 => Blocks<Q50Quants>(memory, parts, bias),
        BlockFormat.Q51 => Blocks<Q51Quants>(memory, parts, bias),
        BlockFormat.Q3K => Blocks<Q3KQuants>(memory, parts, bias),
        BlockFormat.Q4K => Blocks<Q4KQuants>(memory, parts, bias),
        BlockFormat.Q5K => Blocks<Q5KQuants>(memory, parts, bias),
        BlockFormat.Q6K => Blocks<Q6KQuants>(memory, parts, bias),
        _ => null,
    };

    /// <param name="memory">Where the packed weight is kept.</param>
    /// <param name="parts">Parts that match.</param>
    /// <param name="hasZeros">Whether zero points differ from half of the range anywhere.</param>
    /// <param name="bias">[1, out] F32, or none.</param>
    /// <returns>Null where there is no kernel, or no gain.</returns>
    public CpuLinear? Create(HostMemory memory, IReadOnlyList<GroupAffinePart> parts, bool hasZeros, Tensor bias) =>
        AffinePanels.Order(parts[0]) is not { } order ? null
        : parts[0].Values.Bits == 4 ? Affine<AffineFours>(memory, parts, order, hasZeros, bias)
        : Affine<AffineEights>(memory, parts, order, hasZeros, bias);

    /// <param name="memory">Where the packed weight is kept.</param>
    /// <param name="parts">[rows, in] BF16.</param>
    /// <param name="bias">[1, out] F32, or none.</param>
    public CpuLinear Create(HostMemory memory, ReadOnlySpan<Tensor> parts, Tensor bias)
    {
        PanelWeight weight = BFloat16Packer.Pack(memory, parts);
        return emitted.Find(PanelFormat.BFloat16) is not { } kernels ? new PanelLinear<BFloat256>(weight, bias)
            : emitted.Extensions.BFloat16Products ? new PanelLinear<BFloatPairs512>(weight, bias, kernels)
            : new PanelLinear<BFloat512>(weight, bias, kernels);
    }

    private CpuLinear Blocks<TQuants>(HostMemory memory, List<BlockPart> parts, Tensor bias)
        where TQuants : struct, IBlockQuants
    {
        PanelWeight weight = BlockPacker.Pack<TQuants>(memory, parts);
        return emitted.FindQuants<TQuants>() is { } kernels
            ? new PanelLinear<Blocks512<TQuants>>(weight, bias, kernels)
            : new PanelLinear<Blocks256<TQuants>>(weight, bias);
    }

    private CpuLinear Affine<TIntegers>(HostMemory memory, IReadOnlyList<GroupAffinePart> parts, ColumnOrder order, bool hasZeros, Tensor bias)
        where TIntegers : struct, IAffineIntegers
    {
        PackedInput input = order.Input(memory, parts[0].InFeatures, parts[0].Activations);
        PanelWeight weight = AffinePanels.Pack<TIntegers>(memory, parts, order, hasZeros);
        return emitted.FindAffine<TIntegers>() is { } kernels
            ? new PanelLinear<Affine512<TIntegers>>(weight, bias, kernels, input)
            : new PanelLinear<Affine256<TIntegers>>(weight, bias, null, input);
    }

    private CpuLinear Fours(HostMemory memory, List<BlockPart> parts, Tensor bias)
    {
        PanelWeight weight = IntegerPacker.Pack(memory, parts, PanelFormat.Integers4);
        return emitted.Find(PanelFormat.Integers4) is { } kernels
            ? new PanelLinear<Four512>(weight, bias, kernels)
            : new PanelLinear<Four256>(weight, bias);
    }

    private CpuLinear Eights(HostMemory memory, List<BlockPart> parts, Tensor bias) =>
        emitted.Find(PanelFormat.Unsigned8) is { } eights
            ? new PanelLinear<Eight512>(IntegerPacker.Pack(memory, parts, PanelFormat.Unsigned8), bias, eights)
            : new PanelLinear<Eight256>(IntegerPacker.Pack(memory, parts, PanelFormat.Integers8), bias);
}
