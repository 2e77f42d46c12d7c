using System;
using System.Collections.Generic;
using Quire.Cpu.Emit;
using Quire.Tensors;
using Quire.Tensors.Quantization;

namespace Quire.Cpu.Kernels.Panels;

/// <summary>Packs weights into panels for the best kernel that the processor has: assembled ones before those of the compiler.</summary>
internal sealed class PanelLayers(EmittedKernels emitted)
{
    /// <param name="memory">Where the packed weight is kept.</param>
    /// <param name="parts">Parts in Q4_0, or in Q8_0.</param>
    /// <param name="bias">[1, out] F32, or none.</param>
    public CpuLinear Create(HostMemory memory, List<BlockPart> parts, Tensor bias)
    {
        if (parts[0].Format == BlockFormat.Q40)
        {
            PanelWeight weight = IntegerPacker.Pack(memory, parts, PanelFormat.Integers4);
            return emitted.Find(PanelFormat.Integers4) is { } fours
                ? new PanelLinear<Four512>(weight, bias, fours)
                : new PanelLinear<Four256>(weight, bias);
        }

        return emitted.Find(PanelFormat.Unsigned8) is { } eights
            ? new PanelLinear<Eight512>(IntegerPacker.Pack(memory, parts, PanelFormat.Unsigned8), bias, eights)
            : new PanelLinear<Eight256>(IntegerPacker.Pack(memory, parts, PanelFormat.Integers8), bias);
    }

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
}
