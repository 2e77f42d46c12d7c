using System;
using System.Collections.Generic;
using System.Threading.Tasks;
using Quire.Tensors;
using Quire.Tensors.Quantization;

namespace Quire.Cpu.Kernels.Packed;

/// <summary>Puts FP8 parts into one weight for <see cref="Float8Rows"/>.</summary>
internal static unsafe class Float8Packer
{
    /// <summary>True when two parts can be rows of one weight.</summary>
    public static bool Match(Float8Part a, Float8Part b) =>
        a.InFeatures == b.InFeatures && a.Activations == b.Activations && GroupInputs(a) == GroupInputs(b);

    /// <summary>Packs parts that match; arguments as of <see cref="AffinePacker"/>.</summary>
    public static CpuLinear Create(ICpuOps ops, HostMemory memory, IReadOnlyList<Float8Part> parts, Tensor bias)
    {
        int inFeatures = parts[0].InFeatures;
        int group = GroupInputs(parts[0]);
        var order = ColumnOrder.Of(inFeatures, (inFeatures + group - 1) / group, input => input / group);
        int outFeatures = 0;
        int scaleRows = 0;
        foreach (Float8Part part in parts)
        {
            outFeatures = checked(outFeatures + part.OutFeatures);
            scaleRows = checked(scaleRows + part.Scales.Rows);
        }

        long size = checked((long)outFeatures * order.Columns);
        var rows = new Float8Rows
        {
            Values = (byte*)memory.AllocateBytes(size),
            Columns = order.Columns,
            Scales = (float*)memory.AllocateBytes(sizeof(float) * (long)scaleRows * order.Groups.Length),
            Groups = order.Groups.Length,
            ScaleRow = (int*)memory.AllocateBytes(sizeof(int) * (long)outFeatures),
            GroupOfSpan = order.CopySpans(memory),
        };
        int output = 0;
        int scaleRow = 0;
        foreach (Float8Part part in parts)
        {
            Pack(part, order, rows, output, scaleRow);
            output += part.OutFeatures;
            scaleRow += part.Scales.Rows;
        }

        return ops.CreatePacked(
            in rows, outFeatures, inFeatures, order.Input(memory, inFeatures, parts[0].Activations), bias, size + 4L * scaleRows * rows.Groups);
    }

    /// <summary>Inputs that share a scale, at most all of them.</summary>
    private static int GroupInputs(Float8Part part) => Math.Min(part.BlockInputs, part.InFeatures);

    private static void Pack(Float8Part part, ColumnOrder order, Float8Rows rows, int output, int scaleRow)
    {
        for (int i = 0; i < part.Scales.Rows; i++)
        {
            for (int group = 0; group < rows.Groups; group++)
            {
                rows.Scales[(long)(scaleRow + i) * rows.Groups + group] = part.Scale(i * part.BlockOutputs, group * part.BlockInputs);
            }
        }

        Parallel.For(0, part.OutFeatures, row =>
        {
            rows.ScaleRow[output + row] = scaleRow + row / part.BlockOutputs;
            byte* source = (byte*)part.Values.Data + (long)row * part.InFeatures;
            byte* target = rows.Values + (long)(output + row) * rows.Columns;
            for (int column = 0; column < rows.Columns; column++)
            {
                int input = order.Source[column];
                target[column] = input < 0 ? (byte)0 : source[input];
            }
        });
    }
}
