using System;
using System.Collections.Generic;
using Quire.Cpu.Kernels;
using Quire.Cpu.Kernels.Packed;
using Quire.Tensors;
using Quire.Tensors.Quantization;

namespace Quire.Cpu;

/// <summary>
/// Chooses the layouts of a linear layer: adjacent parts that are alike become one weight, different ones are stacked. A new kind of
/// part is a case of <see cref="Layer"/> and of <see cref="Match"/>.
/// </summary>
internal static class LinearFactory
{
    /// <param name="ops">Makes the layers.</param>
    /// <param name="memory">Where packed weights are kept.</param>
    /// <param name="source">The parts.</param>
    /// <param name="bias">[1, out] F32, or none.</param>
    /// <exception cref="NotSupportedException">A part has a format without kernels.</exception>
    public static CpuLinear Create(ICpuOps ops, HostMemory memory, LinearSource source, Tensor bias)
    {
        var layers = new List<CpuLinear>();
        int output = 0;
        for (int i = 0; i < source.Parts.Count;)
        {
            var alike = new List<LinearPart> { source.Parts[i] };
            int outputs = source.Parts[i].OutFeatures;
            for (i++; i < source.Parts.Count && Match(alike[0], source.Parts[i]); i++)
            {
                alike.Add(source.Parts[i]);
                outputs = checked(outputs + source.Parts[i].OutFeatures);
            }

            layers.Add(Layer(ops, memory, source.Name, alike, bias.IsNone ? bias : bias.ColumnRange(output, outputs)));
            output += outputs;
        }

        return layers.Count == 1 ? layers[0] : new StackedLinear(layers);
    }

    /// <summary>True when both parts can be rows of one weight.</summary>
    private static bool Match(LinearPart a, LinearPart b) => (a, b) switch
    {
        (DensePart, DensePart) => true,
        (BlockPart first, BlockPart second) => first.Format == second.Format,
        (GroupAffinePart first, GroupAffinePart second) => AffinePacker.Match(first, second),
        (Float8Part first, Float8Part second) => Float8Packer.Match(first, second),
        (TablePart first, TablePart second) => TablePacker.Match(first, second),
        _ => false,
    };

    private static CpuLinear Layer(ICpuOps ops, HostMemory memory, string name, List<LinearPart> parts, Tensor bias)
    {
        switch (parts[0])
        {
            case DensePart:
                var weights = new Tensor[parts.Count];
                for (int i = 0; i < weights.Length; i++)
                {
                    HostMatrix weight = ((DensePart)parts[i]).Weight;
                    weights[i] = weight.Type is DType.F32 or DType.F16 or DType.BF16
                        ? new Tensor(weight.Data, weight.Type, weight.Rows, weight.Columns)
                        : throw Unsupported(name, weight.Type.DisplayName());
                }

                return ops.Panels is { } panels && parts.TrueForAll(part => ((DensePart)part).Weight.Type == DType.BF16)
                    ? panels.Create(memory, weights, bias)
                    : ops.CreateDense(memory, weights, bias);
            case BlockPart:
                return BlockLayers.Create(ops, memory, parts.ConvertAll(part => (BlockPart)part), bias);
            case GroupAffinePart:
                return AffinePacker.Create(ops, memory, parts.ConvertAll(part => (GroupAffinePart)part), bias);
            case Float8Part:
                return Float8Packer.Create(ops, memory, parts.ConvertAll(part => (Float8Part)part), bias);
            case TablePart:
                return TablePacker.Create(ops, memory, parts.ConvertAll(part => (TablePart)part), bias);
            default:
                throw Unsupported(name, parts[0].GetType().Name);
        }
    }

    private static NotSupportedException Unsupported(string name, string format) =>
        new($"{name}: the CPU backend cannot multiply from a part of format {format}");
}
