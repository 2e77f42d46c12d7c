using System;
using System.Collections.Generic;
using System.Threading.Tasks;
using Quire.Tensors;
using Quire.Tensors.Quantization;
using Quire.Tensors.Reference;

namespace Quire.Cpu.Kernels.Packed;

/// <summary>Packs parts of integers with scales into one weight for <see cref="AffineRows{TBits}"/>.</summary>
internal static unsafe class AffinePacker
{
    /// <summary>Bytes that kernels may read past the last scale and the last zero point.</summary>
    private const int Slack = 64;

    /// <summary>True when two parts can be rows of one weight.</summary>
    public static bool Match(GroupAffinePart a, GroupAffinePart b) =>
        a.Values.Bits == b.Values.Bits
        && a.InFeatures == b.InFeatures
        && a.Scales.Type == b.Scales.Type
        && a.Activations == b.Activations
        && (SameGroups(a, b) || ColumnOrder.Of(a).SameAs(ColumnOrder.Of(b)));

    /// <summary>Packs parts that match.</summary>
    /// <param name="ops">Makes the layer.</param>
    /// <param name="memory">Where the packed weight is kept.</param>
    /// <param name="parts">At least one; all match the first.</param>
    /// <param name="bias">[1, out] F32, or none.</param>
    public static CpuLinear Create(ICpuOps ops, HostMemory memory, IReadOnlyList<GroupAffinePart> parts, Tensor bias) => parts[0].Values.Bits switch
    {
        4 or 8 when ops.Panels?.Create(memory, parts, HasZeros(parts), bias) is { } panels => panels,
        4 => Create<Integers4>(ops, memory, parts, bias),
        8 => Create<Integers8>(ops, memory, parts, bias),
        _ => throw new NotSupportedException($"weights of {parts[0].Values.Bits} bits are not supported on the CPU; 4 and 8 are"),
    };

    private static bool SameGroups(GroupAffinePart a, GroupAffinePart b) =>
        a.GroupOfInput is null && b.GroupOfInput is null && a.GroupSize == b.GroupSize;

    /// <summary>True unless every zero point is half of the range, as symmetric formats store it.</summary>
    private static bool HasZeros(GroupAffinePart part)
    {
        if (part.Zeros is not { } zeros)
        {
            return false;
        }

        int half = 1 << (part.Values.Bits - 1);
        for (int output = 0; output < part.OutFeatures; output++)
        {
            for (int group = 0; group < part.Groups; group++)
            {
                if (zeros[output, group] != half)
                {
                    return true;
                }
            }
        }

        return false;
    }

    private static bool HasZeros(IReadOnlyList<GroupAffinePart> parts)
    {
        foreach (GroupAffinePart part in parts)
        {
            if (HasZeros(part))
            {
                return true;
            }
        }

        return false;
    }

    private static CpuLinear Create<TBits>(ICpuOps ops, HostMemory memory, IReadOnlyList<GroupAffinePart> parts, Tensor bias)
        where TBits : struct, IIntegerBlock
    {
        ColumnOrder order = ColumnOrder.Of(parts[0]);
        int outFeatures = 0;
        bool hasZeros = HasZeros(parts);
        foreach (GroupAffinePart part in parts)
        {
            outFeatures = checked(outFeatures + part.OutFeatures);
        }

        int inFeatures = parts[0].InFeatures;
        int groups = order.Groups.Length;
        int scaleBytes = parts[0].Scales.Type.SizeInBytes();
        nint rowBytes = (nint)order.Columns / PackedInput.BlockColumns * TBits.BlockBytes;
        long parameters = (long)outFeatures * groups;
        var rows = new AffineRows<TBits>
        {
            Values = (byte*)memory.AllocateBytes(checked(outFeatures * (long)rowBytes)),
            RowBytes = rowBytes,
            Scales = (byte*)memory.AllocateBytes(parameters * scaleBytes + Slack),
            ScaleType = parts[0].Scales.Type,
            Zeros = hasZeros ? (byte*)memory.AllocateBytes(parameters + Slack) : null,
            Zero = 1 << (TBits.Bits - 1),
            Groups = groups,
            GroupOfSpan = order.CopySpans(memory),
        };
        int output = 0;
        foreach (GroupAffinePart part in parts)
        {
            PackRows(part, ColumnOrder.Of(part), rows, output);
            output += part.OutFeatures;
        }

        long size = outFeatures * (long)rowBytes + parameters * (scaleBytes + (hasZeros ? 1 : 0));
        return ops.CreatePacked(in rows, outFeatures, inFeatures, order.Input(memory, inFeatures, parts[0].Activations), bias, size);
    }

    private static void PackRows<TBits>(GroupAffinePart part, ColumnOrder order, AffineRows<TBits> rows, int output)
        where TBits : struct, IIntegerBlock
    {
        Parallel.For(0, part.OutFeatures, () => new byte[part.InFeatures + order.Columns], (row, _, buffer) =>
        {
            Span<byte> values = buffer.AsSpan(0, part.InFeatures);
            Span<byte> ordered = buffer.AsSpan(part.InFeatures);
            part.Values.ReadRow(row, values);
            for (int column = 0; column < ordered.Length; column++)
            {
                int source = order.Source[column];
                ordered[column] = source < 0 ? (byte)0 : values[source];
            }

            long target = output + row;
            fixed (byte* from = ordered)
            {
                byte* block = rows.Values + target * rows.RowBytes;
                for (int column = 0; column < ordered.Length; column += PackedInput.BlockColumns, block += TBits.BlockBytes)
                {
                    TBits.Pack(from + column, block);
                }
            }

            for (int group = 0; group < rows.Groups; group++)
            {
                long index = target * rows.Groups + group;
                int source = order.Groups[group];
                Elements.Store((nint)rows.Scales, rows.ScaleType, index, part.Scale(row, source));
                if (rows.Zeros != null)
                {
                    rows.Zeros[index] = (byte)part.Zero(row, source);
                }
            }

            return buffer;
        }, static _ => { });
    }
}
