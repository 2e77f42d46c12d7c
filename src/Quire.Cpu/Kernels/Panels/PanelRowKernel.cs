using System;
using Quire.Cpu.Kernels.Packed;

namespace Quire.Cpu.Kernels.Panels;

/// <summary>A <see cref="PanelWeight"/> of integers, to be read row by row.</summary>
internal unsafe struct PanelRows
{
    public byte* Values;
    public ushort* Scales;
    public int Groups;
    public int BlockGroups;
    public int Columns;

    /// <summary>The weights of an output of a format of one scale a group as floats.</summary>
    public readonly void Expand(PanelFormat format, int output, float* target)
    {
        int panel = output / PanelLayout.PanelOutputs;
        int lane = output % PanelLayout.PanelOutputs;
        int zeroPoint = format.ZeroPoint();
        for (int group = 0; group < Groups; group++)
        {
            nint index = (nint)panel * Groups + group;
            byte* values = Values + index * format.GroupBytes() + lane * PanelLayout.QuadInputs;
            float scale = BlockSpans.Half((byte*)(Scales + index * PanelLayout.PanelOutputs + lane));
            int count = Math.Min(PanelLayout.GroupInputs, Columns - group * PanelLayout.GroupInputs);
            for (int i = 0; i < count; i++, target++)
            {
                int quad = i / PanelLayout.QuadInputs;
                int place = i % PanelLayout.QuadInputs;
                int value = format switch
                {
                    PanelFormat.Integers4 => (values[quad % 4 * 64 + place] >> (quad / 4 * 4)) & 15,
                    PanelFormat.Integers8 => (sbyte)values[quad * 64 + place],
                    _ => values[quad * 64 + place],
                };
                *target = scale * (value - zeroPoint);
            }
        }
    }

    /// <summary>The same of a format with blocks.</summary>
    public readonly void ExpandBlocks<TQuants>(int output, float* target)
        where TQuants : struct, IBlockQuants
    {
        BlockParameters parameters;
        int lane = output % PanelLayout.PanelOutputs;
        int groupBytes = TQuants.Format.GroupBytes();
        nint panelBytes = Groups / BlockGroups * (TQuants.ParameterBytes + (nint)BlockGroups * groupBytes);
        byte* values = Values + output / PanelLayout.PanelOutputs * panelBytes;
        int units = TQuants.Scales == UnitScales.OfHalves ? 2 : 1;
        for (int start = 0; start < Groups; start += BlockGroups)
        {
            TQuants.Expand(values, &parameters);
            values += TQuants.ParameterBytes;
            for (int group = 0; group < BlockGroups; group++, values += groupBytes)
            {
                float minimum = TQuants.HasMinima ? parameters.Minimum[lane] * parameters.Minima[group * PanelLayout.PanelOutputs + lane] : 0;
                int count = Math.Min(PanelLayout.GroupInputs, Columns - (start + group) * PanelLayout.GroupInputs);
                for (int i = 0; i < count; i++, target++)
                {
                    int quad = i / PanelLayout.QuadInputs;
                    int place = lane * PanelLayout.QuadInputs + i % PanelLayout.QuadInputs;
                    int value = TQuants.Bits == 3
                        ? (values[quad / 4 * 64 + place] >> (2 * (quad % 4))) & 3
                        : (values[quad % 4 * 64 + place] >> (quad / 4 * 4)) & 15;
                    value |= TQuants.Bits switch
                    {
                        3 => ((values[128 + place] >> quad) & 1) << 2,
                        5 => ((values[256 + place] >> quad) & 1) << 4,
                        6 => ((values[256 + quad / 4 * 64 + place] >> (2 * (quad % 4))) & 3) << 4,
                        _ => 0,
                    };
                    byte unit = parameters.UnitScales[(group * units + i * units / PanelLayout.GroupInputs) * PanelLayout.PanelOutputs + lane];
                    float scale = TQuants.Scales switch
                    {
                        UnitScales.OfGroups => parameters.Scale[lane] * unit,
                        UnitScales.OfHalves => parameters.Scale[lane] * (sbyte)unit,
                        _ => parameters.Scale[lane],
                    };
                    *target = scale * (value - TQuants.ZeroPoint) - minimum;
                }
            }
        }
    }
}

/// <summary>Expands rows of a packed weight of integers to floats: the weight as an embedding.</summary>
internal unsafe struct PanelRowKernel<TKernel> : IRowKernel<PanelRowKernel<TKernel>>
    where TKernel : struct, IPanelKernel
{
    public PanelRows Weight;
    public int* Ids;
    public FloatRows Y;
    public float Scale;

    public static void Apply(ref readonly PanelRowKernel<TKernel> arguments, int row)
    {
        float* target = arguments.Y[row];
        TKernel.ExpandRow(in arguments.Weight, arguments.Ids[row], target);
        if (arguments.Scale != 1)
        {
            for (int i = 0; i < arguments.Weight.Columns; i++)
            {
                target[i] *= arguments.Scale;
            }
        }
    }
}
