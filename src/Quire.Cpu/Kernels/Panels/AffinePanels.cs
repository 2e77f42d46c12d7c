using System;
using System.Collections.Generic;
using System.Threading.Tasks;
using Quire.Cpu.Kernels.Packed;
using Quire.Tensors;
using Quire.Tensors.Quantization;

namespace Quire.Cpu.Kernels.Panels;

/// <summary>
/// Packs integers with scales and zero points into panels, in the order of <see cref="ColumnOrder"/> with every group of the checkpoint
/// padded to whole groups of a panel.
/// </summary>
internal static unsafe class AffinePanels
{
    private const int Outputs = PanelLayout.PanelOutputs;

    /// <summary>Bytes that kernels may read past the last zero point.</summary>
    private const int Slack = 64;

    /// <summary>
    /// The order for a part; null where groups are so short that padding them would cost more than a quarter, and where the format rounds inputs
    /// itself: rounding them again would move some to another step of the format.
    /// </summary>
    public static ColumnOrder? Order(GroupAffinePart part)
    {
        if (part.Activations is not null)
        {
            return null;
        }

        ColumnOrder order = ColumnOrder.Of(part, PanelLayout.GroupInputs);
        return order.Columns <= PanelLayout.Groups(part.InFeatures) * PanelLayout.GroupInputs / 4 * 5 ? order : null;
    }

    /// <summary>Packs parts that match.</summary>
    /// <param name="memory">Where the packed weight is kept.</param>
    /// <param name="parts">At least one.</param>
    /// <param name="order">The order of the first part.</param>
    /// <param name="hasZeros">Whether zero points differ from half of the range anywhere.</param>
    public static PanelWeight Pack<TIntegers>(HostMemory memory, IReadOnlyList<GroupAffinePart> parts, ColumnOrder order, bool hasZeros)
        where TIntegers : struct, IAffineIntegers
    {
        var rows = new List<(GroupAffinePart Part, int Row, int[] Groups)>();
        foreach (GroupAffinePart part in parts)
        {
            int[] partGroups = ColumnOrder.Of(part, PanelLayout.GroupInputs).Groups;
            for (int row = 0; row < part.OutFeatures; row++)
            {
                rows.Add((part, row, partGroups));
            }
        }

        int panels = PanelLayout.Panels(rows.Count);
        int groups = order.Columns / PanelLayout.GroupInputs;
        int blockGroups = BlockGroups(order.GroupOfSpan);
        DType scaleType = parts[0].Scales.Type;
        int parameterGroups = order.Groups.Length;
        long parameters = checked((long)panels * parameterGroups * Outputs);
        byte* values = (byte*)memory.AllocateBytes(checked((long)panels * groups * TIntegers.GroupBytes));
        byte* scales = (byte*)memory.AllocateBytes(parameters * scaleType.SizeInBytes());
        byte* zeros = hasZeros ? (byte*)memory.AllocateBytes(parameters + Slack) : null;
        ushort* groupOfBlock = (ushort*)memory.AllocateBytes(sizeof(ushort) * (long)(groups / blockGroups));
        for (int block = 0; block < groups / blockGroups; block++)
        {
            groupOfBlock[block] = order.GroupOfSpan[block * blockGroups];
        }

        Parallel.For(0, panels, () => new byte[parts[0].InFeatures + order.Columns], (panel, _, buffer) =>
        {
            int first = panel * Outputs;
            for (int lane = 0; lane < Math.Min(Outputs, rows.Count - first); lane++)
            {
                (GroupAffinePart part, int row, int[] partGroups) = rows[first + lane];
                PackRow<TIntegers>(part, row, order, buffer, (uint*)(values + panel * ((nint)groups * TIntegers.GroupBytes)) + lane);
                for (int group = 0; group < parameterGroups; group++)
                {
                    long index = ((long)panel * parameterGroups + group) * Outputs + lane;
                    Tensors.Reference.Elements.Store((nint)scales, scaleType, index, part.Scale(row, partGroups[group]));
                    if (zeros != null)
                    {
                        zeros[index] = (byte)part.Zero(row, partGroups[group]);
                    }
                }
            }

            return buffer;
        }, static _ => { });
        return new PanelWeight
        {
            Format = TIntegers.Format,
            OutFeatures = rows.Count,
            InFeatures = parts[0].InFeatures,
            Columns = order.Columns,
            Values = values,
            Scales = (ushort*)scales,
            ScaleType = scaleType,
            Zeros = zeros,
            ParameterGroups = parameterGroups,
            GroupOfBlock = groupOfBlock,
            BlockGroups = blockGroups,
            SizeInBytes = rows.Count * ((long)groups * TIntegers.GroupBytes / Outputs + parameterGroups * (long)(scaleType.SizeInBytes() + (hasZeros ? 1 : 0))),
        };
    }

    private static void PackRow<TIntegers>(GroupAffinePart part, int row, ColumnOrder order, byte[] buffer, uint* target)
        where TIntegers : struct, IAffineIntegers
    {
        Span<byte> source = buffer.AsSpan(0, part.InFeatures);
        Span<byte> ordered = buffer.AsSpan(part.InFeatures);
        part.Values.ReadRow(row, source);
        for (int column = 0; column < ordered.Length; column++)
        {
            int from = order.Source[column];
            ordered[column] = from < 0 ? (byte)0 : source[from];
        }

        fixed (byte* start = ordered)
        {
            for (int column = 0; column < ordered.Length; column += PanelLayout.GroupInputs, target += TIntegers.GroupBytes / sizeof(uint))
            {
                TIntegers.Pack(start + column, target);
            }
        }
    }

    /// <summary>The most groups of a panel, up to a chunk, of which every run that shares parameters is a multiple.</summary>
    private static int BlockGroups(ReadOnlySpan<ushort> groupOfSpan)
    {
        int size = AffineTiles256<AffineFours>.ChunkGroups;
        for (int start = 0; start < groupOfSpan.Length;)
        {
            int end = start;
            while (end < groupOfSpan.Length && groupOfSpan[end] == groupOfSpan[start])
            {
                end++;
            }

            while ((end - start) % size != 0)
            {
                size /= 2;
            }

            start = end;
        }

        return size;
    }
}
