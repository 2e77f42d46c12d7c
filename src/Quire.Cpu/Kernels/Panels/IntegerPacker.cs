using System;
using System.Collections.Generic;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
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
        bool isVector = Avx2.IsSupported && words == 8 && rows.Length == PanelLayout.PanelOutputs;
        for (int group = 0; group < groups; group++)
        {
            if (isVector)
            {
                nint offset = (nint)group * blockBytes;
                for (int lane = 0; lane < PanelLayout.PanelOutputs; lane++)
                {
                    scales[lane] = Unsafe.ReadUnaligned<ushort>((byte*)rows[lane] + offset);
                }

                PackEight(rows, offset + ScaleBytes, flip, (uint*)quants);
                PackEight(rows[8..], offset + ScaleBytes, flip, (uint*)quants + 8);
                quants += PanelLayout.PanelOutputs * PanelLayout.GroupInputs;
                scales += PanelLayout.PanelOutputs;
                continue;
            }

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

    /// <summary>Eight words of each of eight rows, transposed: word w of row r becomes lane r of line w.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void PackEight(ReadOnlySpan<nint> rows, nint offset, uint flip, uint* target)
    {
        Vector256<uint> r0 = Vector256.Load((uint*)((byte*)rows[0] + offset));
        Vector256<uint> r1 = Vector256.Load((uint*)((byte*)rows[1] + offset));
        Vector256<uint> r2 = Vector256.Load((uint*)((byte*)rows[2] + offset));
        Vector256<uint> r3 = Vector256.Load((uint*)((byte*)rows[3] + offset));
        Vector256<uint> r4 = Vector256.Load((uint*)((byte*)rows[4] + offset));
        Vector256<uint> r5 = Vector256.Load((uint*)((byte*)rows[5] + offset));
        Vector256<uint> r6 = Vector256.Load((uint*)((byte*)rows[6] + offset));
        Vector256<uint> r7 = Vector256.Load((uint*)((byte*)rows[7] + offset));
        Four(r0, r1, r2, r3, out Vector256<uint> a04, out Vector256<uint> a15, out Vector256<uint> a26, out Vector256<uint> a37);
        Four(r4, r5, r6, r7, out Vector256<uint> b04, out Vector256<uint> b15, out Vector256<uint> b26, out Vector256<uint> b37);
        Vector256<uint> mask = Vector256.Create(flip);
        Store(a04, b04, mask, target, 0);
        Store(a15, b15, mask, target, 1);
        Store(a26, b26, mask, target, 2);
        Store(a37, b37, mask, target, 3);
    }

    /// <summary>Words w and w + 4 of four rows, a half of the vector each.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Four(
        Vector256<uint> r0, Vector256<uint> r1, Vector256<uint> r2, Vector256<uint> r3,
        out Vector256<uint> w04, out Vector256<uint> w15, out Vector256<uint> w26, out Vector256<uint> w37)
    {
        Vector256<ulong> low01 = Avx2.UnpackLow(r0, r1).AsUInt64();
        Vector256<ulong> high01 = Avx2.UnpackHigh(r0, r1).AsUInt64();
        Vector256<ulong> low23 = Avx2.UnpackLow(r2, r3).AsUInt64();
        Vector256<ulong> high23 = Avx2.UnpackHigh(r2, r3).AsUInt64();
        w04 = Avx2.UnpackLow(low01, low23).AsUInt32();
        w15 = Avx2.UnpackHigh(low01, low23).AsUInt32();
        w26 = Avx2.UnpackLow(high01, high23).AsUInt32();
        w37 = Avx2.UnpackHigh(high01, high23).AsUInt32();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store(Vector256<uint> a, Vector256<uint> b, Vector256<uint> mask, uint* target, int word)
    {
        (Avx2.Permute2x128(a, b, 0x20) ^ mask).Store(target + word * PanelLayout.PanelOutputs);
        (Avx2.Permute2x128(a, b, 0x31) ^ mask).Store(target + (word + 4) * PanelLayout.PanelOutputs);
    }
}
