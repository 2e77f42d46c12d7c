namespace Quire.Cpu.Kernels.Panels;

/// <summary>A weight in <see cref="PanelLayout"/>.</summary>
internal sealed unsafe class PanelWeight
{
    public required PanelFormat Format { get; init; }

    public required int OutFeatures { get; init; }

    public required int InFeatures { get; init; }

    /// <summary>[panels, groups, <see cref="PanelLayout.GroupBytes"/>].</summary>
    public required byte* Values { get; init; }

    /// <summary>F16, [panels, groups, 16]; null for formats without scales.</summary>
    public ushort* Scales { get; init; }

    /// <summary>Groups in a block of weights, of formats that have blocks: then scales are among the values.</summary>
    public int BlockGroups { get; init; } = 1;

    /// <summary>Bytes read to multiply one row, without padding.</summary>
    public required long SizeInBytes { get; init; }

    public int Groups => PanelLayout.Groups(InFeatures);

    public int Panels => PanelLayout.Panels(OutFeatures);
}
