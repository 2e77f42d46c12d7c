using System.Collections.Generic;
using System.Linq;
using Quire.Tensors;

namespace Quire.Cpu.Kernels;

/// <summary>
/// Layers of different layouts that read the same x and write adjacent columns of y: a fused q|k|v or gate|up whose parts are not
/// quantised alike.
/// </summary>
internal sealed class StackedLinear : CpuLinear
{
    private readonly CpuLinear[] _parts;

    public StackedLinear(IReadOnlyList<CpuLinear> parts)
        : base(CountOutputs(parts), parts[0].InFeatures)
    {
        _parts = [.. parts];
        foreach (CpuLinear part in parts)
        {
            SizeInBytes += part.SizeInBytes;
        }
    }

    public override long SizeInBytes { get; }

    public override bool KeepsSource => _parts.Any(part => part.KeepsSource);

    public override void Multiply(CpuRuntime runtime, Tensor x, Tensor y)
    {
        int output = 0;
        foreach (CpuLinear part in _parts)
        {
            part.Multiply(runtime, x, y.ColumnRange(output, part.OutFeatures));
            output += part.OutFeatures;
        }
    }

    private static int CountOutputs(IReadOnlyList<CpuLinear> parts)
    {
        int outputs = 0;
        foreach (CpuLinear part in parts)
        {
            outputs = checked(outputs + part.OutFeatures);
        }

        return outputs;
    }
}
