using System;
using System.Collections.Generic;
using System.Runtime.CompilerServices;
using System.Threading.Tasks;
using Quire.Tensors;
using Quire.Tensors.Quantization;

namespace Quire.Cpu.Kernels.Panels;

/// <summary>Packs GGUF blocks of one scale and 32 values into <see cref="PanelLayout"/>: the same bits in another order.</summary>
internal static unsafe class IntegerPacker
{
    private const int ScaleBytes = 2;

    /// <summary>Packs parts of one format that follow each other.</summary>
    /// <param name="memory">Where the packed weight is kept.</param>
    /// <param name="parts">At least one.</param>
    /// <param name="format">What to pack them as.</param>
    public static PanelWeight Pack(HostMemory memory, List<BlockPart> parts, PanelFormat format)
    {
        int outFeatures = 0;
        foreach (BlockPart part in parts)
        {
            outFeatures = checked(outFeatures + part.OutFeatures);
        }

        int inFeatures = parts[0].InFeatures;
        int panels = PanelLayout.Panels(outFeatures);
        int groups = PanelLayout.Groups(inFeatures);
        int blockBytes = parts[0].Format.BlockBytes();
        long quantBytes = checked((long)panels * groups * PanelLayout.PanelOutputs * (blockBytes - ScaleBytes));
        byte* quants = (byte*)memory.AllocateBytes(quantBytes);
        ushort* scales = (ushort*)memory.AllocateBytes((long)panels * groups * PanelLayout.PanelOutputs * ScaleBytes);

        // Rows by address: a panel may lie across parts.
        nint[] rows = new nint[outFeatures];
        int row = 0;
        foreach (BlockPart part in parts)
        {
            for (int i = 0; i < part.OutFeatures; i++)
            {
                rows[row++] = part.Data + (nint)(i * part.RowBytes);
            }
        }

        Parallel.For(0, panels, panel =>
        {
            nint index = (nint)panel * groups;
            int first = panel * PanelLayout.PanelOutputs;
            ReadOnlySpan<nint> sources = rows.AsSpan(first, Math.Min(PanelLayout.PanelOutputs, outFeatures - first));
            PackPanel(
                sources,
                groups,
                blockBytes,
                format == PanelFormat.Unsigned8 ? 0x8080_8080 : 0,
                quants + index * PanelLayout.PanelOutputs * (blockBytes - ScaleBytes),
                scales + index * PanelLayout.PanelOutputs);
        });
        return new PanelWeight
        {
            Format = format,
            OutFeatures = outFeatures,
            InFeatures = inFeatures,
            Values = quants,
            Scales = scales,
            SizeInBytes = outFeatures * parts[0].RowBytes,
        };
    }

    /// <summary>The order of the bytes within a block is that of the quads, also where a byte holds the values i and i + 16.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void PackPanel(ReadOnlySpan<nint> rows, int groups, int blockBytes, uint flip, byte* quants, ushort* scales)
    {
        int words = (blockBytes - ScaleBytes) / sizeof(uint);
        for (int group = 0; group < groups; group++)
        {
            for (int lane = 0; lane < rows.Length; lane++)
            {
                byte* block = (byte*)rows[lane] + (nint)group * blockBytes;
                scales[lane] = Unsafe.ReadUnaligned<ushort>(block);
                uint* target = (uint*)quants + lane;
                for (int word = 0; word < words; word++)
                {
                    target[word * PanelLayout.PanelOutputs] =
                        Unsafe.ReadUnaligned<uint>(block + ScaleBytes + word * sizeof(uint)) ^ flip;
                }
            }

            quants += (nint)words * sizeof(uint) * PanelLayout.PanelOutputs;
            scales += PanelLayout.PanelOutputs;
        }
    }
}
