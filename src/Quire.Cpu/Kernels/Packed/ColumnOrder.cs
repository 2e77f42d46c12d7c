using System;
using System.Collections.Generic;
using Quire.Tensors;
using Quire.Tensors.Quantization;

namespace Quire.Cpu.Kernels.Packed;

/// <summary>
/// The order in which a packed weight keeps its columns: group after group, each padded to whole spans of columns. Groups without
/// inputs are left out.
/// </summary>
internal sealed class ColumnOrder
{
    /// <summary>Columns that share a scale: half a block.</summary>
    public const int SpanColumns = PackedInput.BlockColumns / 2;

    private ColumnOrder(int columns, int[] source, ushort[] groupOfSpan, int[] groups)
    {
        Columns = columns;
        Source = source;
        GroupOfSpan = groupOfSpan;
        Groups = groups;
    }

    /// <summary>Columns in whole blocks.</summary>
    public int Columns { get; }

    /// <summary>[Columns]: the input of each column, −1 for none.</summary>
    public int[] Source { get; }

    /// <summary>[Columns / span]: index into <see cref="Groups"/>.</summary>
    public ushort[] GroupOfSpan { get; }

    /// <summary>The part's number of each group that has inputs.</summary>
    public int[] Groups { get; }

    /// <summary>The order for a part.</summary>
    public static ColumnOrder Of(GroupAffinePart part, int spanColumns = SpanColumns) =>
        Of(part.InFeatures, part.Groups, part.Group, spanColumns);

    /// <summary>The order for so many inputs.</summary>
    /// <param name="inFeatures">Inputs.</param>
    /// <param name="groupCount">Groups.</param>
    /// <param name="groupOf">The group of an input.</param>
    /// <param name="spanColumns">Columns that a group is padded to a multiple of.</param>
    public static ColumnOrder Of(int inFeatures, int groupCount, Func<int, int> groupOf, int spanColumns = SpanColumns)
    {
        var inputs = new List<int>[groupCount];
        for (int input = 0; input < inFeatures; input++)
        {
            (inputs[groupOf(input)] ??= []).Add(input);
        }

        var source = new List<int>(inFeatures);
        var groupOfSpan = new List<ushort>();
        var groups = new List<int>();
        for (int group = 0; group < inputs.Length; group++)
        {
            if (inputs[group] is not { } members)
            {
                continue;
            }

            source.AddRange(members);
            Pad(source, spanColumns);
            while (groupOfSpan.Count < source.Count / spanColumns)
            {
                groupOfSpan.Add(checked((ushort)groups.Count));
            }

            groups.Add(group);
        }

        Pad(source, PackedInput.BlockColumns);
        while (groupOfSpan.Count < source.Count / spanColumns)
        {
            groupOfSpan.Add(groupOfSpan[^1]);
        }

        return new ColumnOrder(source.Count, [.. source], [.. groupOfSpan], [.. groups]);
    }

    /// <summary>True when column i is input i, whatever follows the last input.</summary>
    public bool IsNatural(int inFeatures)
    {
        for (int i = 0; i < Columns; i++)
        {
            if (Source[i] != (i < inFeatures ? i : -1))
            {
                return false;
            }
        }

        return true;
    }

    public bool SameAs(ColumnOrder other) =>
        Source.AsSpan().SequenceEqual(other.Source) && GroupOfSpan.AsSpan().SequenceEqual(other.GroupOfSpan);

    /// <summary>How x is laid out for this order.</summary>
    public unsafe PackedInput Input(HostMemory memory, int inFeatures, ActivationQuantization? activations)
    {
        var quantizer = RowQuantizer.From(activations);
        if (IsNatural(inFeatures))
        {
            return PackedInput.InOrder(inFeatures, quantizer);
        }

        int* map = (int*)memory.AllocateBytes(sizeof(int) * (long)Columns);
        Source.CopyTo(new Span<int>(map, Columns));
        return new PackedInput { Columns = Columns, Map = map, Quantizer = quantizer };
    }

    /// <summary>A copy of <see cref="GroupOfSpan"/> for kernels.</summary>
    public unsafe ushort* CopySpans(HostMemory memory)
    {
        ushort* spans = (ushort*)memory.AllocateBytes(sizeof(ushort) * (long)GroupOfSpan.Length);
        GroupOfSpan.CopyTo(new Span<ushort>(spans, GroupOfSpan.Length));
        return spans;
    }

    private static void Pad(List<int> source, int multiple)
    {
        while (source.Count % multiple != 0)
        {
            source.Add(-1);
        }
    }
}
