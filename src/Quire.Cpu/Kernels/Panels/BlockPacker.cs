using System;
using System.Collections.Generic;
using System.Runtime.CompilerServices;
using System.Threading.Tasks;
using Quire.Tensors;
using Quire.Tensors.Quantization;

namespace Quire.Cpu.Kernels.Panels;

/// <summary>Packs GGUF's blocks into panels as <see cref="IBlockQuants"/> lays them out: the same bits in another order.</summary>
internal static unsafe class BlockPacker
{
    private const int Outputs = PanelLayout.PanelOutputs;

    private const int KGroups = BlockParameters.MaxGroups;

    /// <summary>Packs parts of one format that follow each other.</summary>
    /// <param name="memory">Where the packed weight is kept.</param>
    /// <param name="parts">At least one; of the format that <typeparamref name="TQuants"/> is for.</param>
    public static PanelWeight Pack<TQuants>(HostMemory memory, List<BlockPart> parts)
        where TQuants : struct, IBlockQuants
    {
        int outFeatures = 0;
        foreach (BlockPart part in parts)
        {
            outFeatures = checked(outFeatures + part.OutFeatures);
        }

        int inFeatures = parts[0].InFeatures;
        int panels = PanelLayout.Panels(outFeatures);
        int blocks = inFeatures / (TQuants.BlockGroups * PanelLayout.GroupInputs);
        int sourceBytes = parts[0].Format.BlockBytes();
        nint blockBytes = TQuants.ParameterBytes + TQuants.BlockGroups * TQuants.Format.GroupBytes();
        byte* values = (byte*)memory.AllocateBytes(checked(panels * (long)blocks * blockBytes));

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
            int first = panel * Outputs;
            byte* target = values + panel * (blocks * blockBytes);
            int lanes = Math.Min(Outputs, outFeatures - first);
            for (nint block = 0; block < blocks; block++, target += blockBytes)
            {
                for (int lane = 0; lane < lanes; lane++)
                {
                    PackBlock<TQuants>((byte*)rows[first + lane] + block * sourceBytes, target, lane);
                }
            }
        });
        return new PanelWeight
        {
            Format = TQuants.Format,
            OutFeatures = outFeatures,
            InFeatures = inFeatures,
            Values = values,
            BlockGroups = TQuants.BlockGroups,
            SizeInBytes = outFeatures * parts[0].RowBytes,
        };
    }

    private static void PackBlock<TQuants>(byte* source, byte* target, int lane)
        where TQuants : struct, IBlockQuants
    {
        byte* groups = target + TQuants.ParameterBytes;
        if (TQuants.Bits == 3)
        {
            ((ushort*)target)[lane] = Unsafe.ReadUnaligned<ushort>(source + 108);
            Spread(source + 96, 12, target + Outputs * sizeof(ushort), lane);
            PackThree(source, groups, lane);
            return;
        }

        if (TQuants.Bits == 6)
        {
            ((ushort*)target)[lane] = Unsafe.ReadUnaligned<ushort>(source + 208);
            Spread(source + 192, 16, target + Outputs * sizeof(ushort), lane);
            PackSix(source, groups, lane);
            return;
        }

        ((ushort*)target)[lane] = Unsafe.ReadUnaligned<ushort>(source);
        if (TQuants.HasMinima)
        {
            ((ushort*)target)[Outputs + lane] = Unsafe.ReadUnaligned<ushort>(source + sizeof(ushort));
        }

        if (TQuants.BlockGroups == 1)
        {
            PackClassic(source + (TQuants.HasMinima ? 2 : 1) * sizeof(ushort), TQuants.Bits == 5, groups, lane);
            return;
        }

        Spread(source + 4, 12, target + 2 * Outputs * sizeof(ushort), lane);
        PackFourOrFive(TQuants.Bits == 5 ? source + 16 : null, source + (TQuants.Bits == 5 ? 48 : 16), groups, TQuants.Format.GroupBytes(), lane);
    }

    /// <summary>Bytes of one output to every sixteenth place.</summary>
    private static void Spread(byte* source, int count, byte* target, int lane)
    {
        for (nint i = 0; i < count; i++)
        {
            target[i * Outputs + lane] = source[i];
        }
    }

    /// <summary>[Fifth bits of 32 weights,] 16 bytes: the order of the bytes is that of the quads.</summary>
    private static void PackClassic(byte* source, bool hasFifth, byte* target, int lane)
    {
        uint* quads = (uint*)target + lane;
        if (hasFifth)
        {
            uint high = Unsafe.ReadUnaligned<uint>(source);
            uint bits = 0;
            for (int i = 0; i < PanelLayout.GroupInputs; i++)
            {
                bits |= ((high >> i) & 1) << (i % 4 * 8 + i / 4);
            }

            quads[4 * Outputs] = bits;
            source += sizeof(uint);
        }

        for (nint quad = 0; quad < 4; quad++)
        {
            quads[quad * Outputs] = Unsafe.ReadUnaligned<uint>(source + 4 * quad);
        }
    }

    /// <summary>Of 32 bytes the lower halves are a group and the upper halves the next.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void PackFourOrFive(byte* fifth, byte* source, byte* target, int groupBytes, int lane)
    {
        for (int group = 0; group < KGroups; group += 2, source += 32)
        {
            uint* even = (uint*)(target + group * groupBytes) + lane;
            uint* odd = (uint*)(target + (group + 1) * groupBytes) + lane;
            for (nint quad = 0; quad < 4; quad++)
            {
                uint first = Unsafe.ReadUnaligned<uint>(source + 4 * quad);
                uint second = Unsafe.ReadUnaligned<uint>(source + 16 + 4 * quad);
                even[quad * Outputs] = (first & 0x0F0F_0F0F) | (second & 0x0F0F_0F0F) << 4;
                odd[quad * Outputs] = ((first >> 4) & 0x0F0F_0F0F) | (second & 0xF0F0_F0F0);
            }

            if (fifth != null)
            {
                even[4 * Outputs] = Fifth(fifth, group);
                odd[4 * Outputs] = Fifth(fifth, group + 1);
            }
        }
    }

    /// <summary>Bit <paramref name="group"/> of 32 bytes: that of byte 4i + j becomes bit i of byte j.</summary>
    private static uint Fifth(byte* source, int group)
    {
        uint bits = 0;
        for (int quad = 0; quad < PanelLayout.GroupQuads; quad++)
        {
            bits |= ((Unsafe.ReadUnaligned<uint>(source + 4 * quad) >> group) & 0x0101_0101) << quad;
        }

        return bits;
    }

    /// <summary>32 bytes of third bits, 64 of the lower two: see <see cref="Tensors.Reference.BlockDecoding"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void PackThree(byte* source, byte* target, int lane)
    {
        int groupBytes = PanelFormat.Q3K.GroupBytes();
        for (int group = 0; group < KGroups; group++, target += groupBytes)
        {
            byte* low = source + 32 + 32 * (group / 4);
            uint first = 0;
            uint second = 0;
            for (int quad = 0; quad < 4; quad++)
            {
                first |= ((Unsafe.ReadUnaligned<uint>(low + 4 * quad) >> (2 * (group % 4))) & 0x0303_0303) << (2 * quad);
                second |= ((Unsafe.ReadUnaligned<uint>(low + 16 + 4 * quad) >> (2 * (group % 4))) & 0x0303_0303) << (2 * quad);
            }

            uint* quads = (uint*)target + lane;
            quads[0] = first;
            quads[Outputs] = second;
            quads[2 * Outputs] = Fifth(source, group);
        }
    }

    /// <summary>Group j of each half of a block: see <see cref="Tensors.Reference.BlockDecoding"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void PackSix(byte* source, byte* target, int lane)
    {
        int groupBytes = PanelFormat.Q6K.GroupBytes();
        for (int group = 0; group < KGroups; group++, target += groupBytes)
        {
            int half = group / 4;
            int j = group % 4;
            byte* low = source + 64 * half + 32 * (j % 2);
            byte* high = source + 128 + 32 * half;
            uint* quads = (uint*)target + lane;
            uint firstHigh = 0;
            uint secondHigh = 0;
            for (int quad = 0; quad < 4; quad++)
            {
                uint first = (Unsafe.ReadUnaligned<uint>(low + 4 * quad) >> (j / 2 * 4)) & 0x0F0F_0F0F;
                uint second = (Unsafe.ReadUnaligned<uint>(low + 16 + 4 * quad) >> (j / 2 * 4)) & 0x0F0F_0F0F;
                quads[quad * Outputs] = first | second << 4;
                firstHigh |= ((Unsafe.ReadUnaligned<uint>(high + 4 * quad) >> (2 * j)) & 0x0303_0303) << (2 * quad);
                secondHigh |= ((Unsafe.ReadUnaligned<uint>(high + 16 + 4 * quad) >> (2 * j)) & 0x0303_0303) << (2 * quad);
            }

            quads[4 * Outputs] = firstHigh;
            quads[5 * Outputs] = secondHigh;
        }
    }
}
