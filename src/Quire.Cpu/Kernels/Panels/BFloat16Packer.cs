using System;
using System.Runtime.CompilerServices;
using System.Threading.Tasks;
using Quire.Tensors;

namespace Quire.Cpu.Kernels.Panels;

/// <summary>Packs matrices of BF16 into <see cref="PanelLayout"/>: the same bits in another order.</summary>
internal static unsafe class BFloat16Packer
{
    /// <summary>Packs parts that follow each other.</summary>
    /// <param name="memory">Where the packed weight is kept.</param>
    /// <param name="parts">[rows, in] BF16, without gaps between rows; at least one.</param>
    public static PanelWeight Pack(HostMemory memory, ReadOnlySpan<Tensor> parts)
    {
        int outFeatures = 0;
        foreach (Tensor part in parts)
        {
            outFeatures = checked(outFeatures + part.Rows);
        }

        int inFeatures = parts[0].Columns;
        int panels = PanelLayout.Panels(outFeatures);
        long panelBytes = (long)PanelLayout.Groups(inFeatures) * PanelFormat.BFloat16.GroupBytes();
        byte* values = (byte*)memory.AllocateBytes(checked(panels * panelBytes));
        nint[] rows = new nint[outFeatures];
        int row = 0;
        foreach (Tensor part in parts)
        {
            for (int i = 0; i < part.Rows; i++)
            {
                rows[row++] = part.RowRange(i, 1).Data;
            }
        }

        Parallel.For(0, panels, panel =>
        {
            int first = panel * PanelLayout.PanelOutputs;
            PackPanel(
                rows.AsSpan(first, Math.Min(PanelLayout.PanelOutputs, outFeatures - first)),
                inFeatures,
                (uint*)(values + panel * panelBytes));
        });
        return new PanelWeight
        {
            Format = PanelFormat.BFloat16,
            OutFeatures = outFeatures,
            InFeatures = inFeatures,
            Values = values,
            SizeInBytes = (long)outFeatures * inFeatures * sizeof(ushort),
        };
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void PackPanel(ReadOnlySpan<nint> rows, int inFeatures, uint* target)
    {
        // A strip of each row at a time, so that the lines written stay in the first-level cache until they are full.
        const int Strip = 64;
        int pairs = inFeatures / 2;
        for (int start = 0; start < pairs; start += Strip)
        {
            int end = Math.Min(pairs, start + Strip);
            for (int lane = 0; lane < rows.Length; lane++)
            {
                byte* source = (byte*)rows[lane];
                for (nint pair = start; pair < end; pair++)
                {
                    target[pair * PanelLayout.PanelOutputs + lane] = Unsafe.ReadUnaligned<uint>(source + pair * sizeof(uint));
                }
            }
        }

        if (inFeatures % 2 != 0)
        {
            for (int lane = 0; lane < rows.Length; lane++)
            {
                target[(nint)pairs * PanelLayout.PanelOutputs + lane] = ((ushort*)rows[lane])[inFeatures - 1];
            }
        }
    }
}
