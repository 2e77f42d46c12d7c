using System;
using Quire.Tensors;

namespace Quire.Cpu.Kernels.Panels;

/// <summary>A weight in <see cref="PanelLayout"/>.</summary>
internal sealed unsafe class PanelWeight
{
    public required PanelFormat Format { get; init; }

    public required int OutFeatures { get; init; }

    public required int InFeatures { get; init; }

    /// <summary>[panels, groups, <see cref="PanelLayout.GroupBytes"/>].</summary>
    public required byte* Values { get; init; }

    /// <summary>[panels, groups, 16]; null for formats without scales.</summary>
    public ushort* Scales { get; init; }

    /// <summary>Groups in a block of weights, of formats that have blocks: then scales are among the values.</summary>
    public int BlockGroups { get; init; } = 1;

    /// <summary>Bytes read to multiply one row, without padding.</summary>
    public required long SizeInBytes { get; init; }

    /// <summary>Inputs as they are arranged: more than <see cref="InFeatures"/> where groups of a checkpoint are padded; 0: the same.</summary>
    public int Columns { get; init; }

    /// <summary>Type of the scales.</summary>
    public DType ScaleType { get; init; } = DType.F16;

    /// <summary>[panels, <see cref="ParameterGroups"/>, 16], or null where every zero point is half of the range.</summary>
    public byte* Zeros { get; init; }

    /// <summary>Groups that a checkpoint gives parameters; 0 for other formats.</summary>
    public int ParameterGroups { get; init; }

    /// <summary>[groups / block groups], with <see cref="ParameterGroups"/>.</summary>
    public ushort* GroupOfBlock { get; init; }

    public int Groups => PanelLayout.Groups(Math.Max(Columns, InFeatures));

    public int Panels => PanelLayout.Panels(OutFeatures);
}
