using System;
using System.Collections.Generic;
using System.Threading.Tasks;
using Quire.Tensors;
using Quire.Tensors.Quantization;

namespace Quire.Cuda;

/// <summary>
/// A weight in host memory in the order in which the device keeps it: see Kernels/skinny_packed.cu. What has no such order (a group for each
/// input, FP8 in blocks, tables, GGUF's super-blocks) is expanded to the activation type instead.
/// </summary>
internal sealed class PackedWeights
{
    private const int ChunkBytes = 64;

    public required PackedFormat Format { get; init; }

    public required int OutFeatures { get; init; }

    public required int InFeatures { get; init; }

    /// <summary>[OutFeatures, RowBytes].</summary>
    public required Tensor Values { get; init; }

    /// <summary>[OutFeatures, groups] F32.</summary>
    public required Tensor Scales { get; init; }

    /// <summary>[OutFeatures, groups] bytes; null where every zero point is half of the range.</summary>
    public Tensor? Zeros { get; init; }

    public required int GroupSize { get; init; }

    public float InputScale { get; init; }

    public int RowBytes => Values.Columns;

    /// <summary>Columns that are summed before a scale is applied: the largest common divisor of a group and a chunk.</summary>
    public int Fold => FoldOf(Format, GroupSize, InFeatures);

    /// <summary>Packs the parts, if all of them have one format that the device keeps.</summary>
    /// <param name="parts">Rows of one weight, from the top.</param>
    /// <param name="memory">Where the result is kept.</param>
    public static PackedWeights? TryPack(IReadOnlyList<LinearPart> parts, HostMemory memory)
    {
        int rows = 0;
        foreach (LinearPart part in parts)
        {
            rows = checked(rows + part.OutFeatures);
        }

        // Sixteen columns go through a fragment at a time, and cuBLASLt wants 16 bytes.
        return parts[0].InFeatures % 16 != 0 ? null
            : All<Float8Part>(parts) is { } float8 && CanPack(float8, rows) ? Pack(float8, rows, memory)
            : All<GroupAffinePart>(parts) is { } affine && CanPack(affine) ? Pack(affine, rows, memory)
            : null;
    }

    /// <summary>Columns of 64 bytes of a row.</summary>
    internal static int ChunkColumns(PackedFormat format) => format == PackedFormat.Int4 ? 128 : 64;

    /// <summary>Writes a row of integers in the device's order. The target is zero and has whole chunks.</summary>
    internal static void PackRow(PackedFormat format, ReadOnlySpan<byte> row, Span<byte> target)
    {
        if (format == PackedFormat.Int8)
        {
            for (int column = 0; column < row.Length; column++)
            {
                // Column 16 j + 4 t + e of a chunk is byte 16 t + 4 j + e.
                int within = column % ChunkBytes;
                target[column - within + within / 4 % 4 * 16 + within / 16 * 4 + within % 4] = row[column];
            }

            return;
        }

        for (int column = 0; column < row.Length; column++)
        {
            // Column 32 i + 16 h + 4 t + e of a chunk is in word 4 t + i: element 4 h + e, of which pair p is in nibbles p and p + 4.
            int within = column % 128;
            int word = within / 4 % 4 * 4 + within / 32;
            int element = within / 16 % 2 * 4 + within % 4;
            int nibble = element / 2 + element % 2 * 4;
            target[column / 128 * ChunkBytes + word * 4 + nibble / 2] |= (byte)(row[column] << (nibble % 2 * 4));
        }
    }

    private static int FoldOf(PackedFormat format, int groupSize, int columns)
    {
        int chunk = ChunkColumns(format);
        return groupSize >= columns ? chunk : (int)System.Numerics.BigInteger.GreatestCommonDivisor(groupSize, chunk);
    }

    private static List<T>? All<T>(IReadOnlyList<LinearPart> parts)
        where T : LinearPart
    {
        var all = new List<T>();
        foreach (LinearPart part in parts)
        {
            if (part is not T one || part.InFeatures != parts[0].InFeatures)
            {
                return null;
            }

            all.Add(one);
        }

        return all;
    }

    private static bool CanPack(List<Float8Part> parts, int rows) => rows % 16 == 0 && parts.TrueForAll(part =>
        part.BlockInputs >= part.InFeatures && part.Activations is null or { Format: ActivationFormat.Float8, GroupColumns: 0 }
        && part.Activations is null == parts[0].Activations is null && part.Activations?.Scale is null == parts[0].Activations?.Scale is null);

    private static unsafe PackedWeights Pack(List<Float8Part> parts, int rows, HostMemory memory)
    {
        int columns = parts[0].InFeatures;
        Tensor values = memory.Allocate(DType.U8, rows, columns);
        Tensor scales = memory.Allocate(DType.F32, rows, 1);
        float inputScale = 0;
        int first = 0;
        foreach (Float8Part part in parts)
        {
            long bytes = (long)part.OutFeatures * columns;
            Buffer.MemoryCopy((void*)part.Values.Data, (void*)values.RowRange(first, part.OutFeatures).Data, bytes, bytes);
            for (int row = 0; row < part.OutFeatures; row++)
            {
                scales.HostRow<float>(first + row)[0] = part.Scale(row, 0);
            }

            // Parts of one layer have one input; the largest of their scales holds it for all.
            inputScale = Math.Max(inputScale, part.Activations?.Scale ?? 0);
            first += part.OutFeatures;
        }

        return new PackedWeights
        {
            Format = PackedFormat.Float8,
            OutFeatures = rows,
            InFeatures = columns,
            Values = values,
            Scales = scales,
            GroupSize = columns,
            InputScale = inputScale,
        };
    }

    private static bool CanPack(List<GroupAffinePart> parts) => parts.TrueForAll(part =>
        part.GroupOfInput is null && part.Values.Bits is 4 or 8 && part.Values.Bits == parts[0].Values.Bits && part.GroupSize == parts[0].GroupSize
        && FoldOf(FormatOf(part), part.GroupSize, part.InFeatures) % 16 == 0);

    private static PackedFormat FormatOf(GroupAffinePart part) => part.Values.Bits == 4 ? PackedFormat.Int4 : PackedFormat.Int8;

    private static PackedWeights Pack(List<GroupAffinePart> parts, int rows, HostMemory memory)
    {
        int columns = parts[0].InFeatures;
        PackedFormat format = FormatOf(parts[0]);
        int groups = parts[0].Groups;
        int chunk = ChunkColumns(format);
        Tensor values = memory.Allocate(DType.U8, rows, (columns + chunk - 1) / chunk * ChunkBytes);
        Tensor scales = memory.Allocate(DType.F32, rows, groups);
        Tensor? zeros = parts.Exists(part => part.Zeros is not null) ? memory.Allocate(DType.U8, rows, groups) : null;
        int first = 0;
        foreach (GroupAffinePart part in parts)
        {
            int start = first;
            Parallel.For(0, part.OutFeatures, () => new byte[columns], (output, _, row) =>
            {
                part.Values.ReadRow(output, row);
                PackRow(format, row, values.HostRow<byte>(start + output));
                for (int group = 0; group < groups; group++)
                {
                    scales.HostRow<float>(start + output)[group] = part.Scale(output, group);
                    if (zeros is { } points)
                    {
                        points.HostRow<byte>(start + output)[group] = (byte)part.Zero(output, group);
                    }
                }

                return row;
            }, static _ => { });
            first += part.OutFeatures;
        }

        return new PackedWeights
        {
            Format = format,
            OutFeatures = rows,
            InFeatures = columns,
            Values = values,
            Scales = scales,
            Zeros = zeros,
            GroupSize = Math.Min(parts[0].GroupSize, columns),
        };
    }
}
