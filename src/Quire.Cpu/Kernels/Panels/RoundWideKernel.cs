using System;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Quire.Tensors.Reference;

namespace Quire.Cpu.Kernels.Panels;

/// <summary>
/// Rounds blocks of rows of x to integers of 16 bits, group by group, as <see cref="IntegerActivations"/> defines; an item is a block. The
/// offsets are the sums of the integers of a group.
/// </summary>
internal unsafe struct RoundWideKernel : IRowKernel<RoundWideKernel>
{
    public FloatRows X;
    public PanelInput Target;
    public int Rows;
    public int Columns;

    public static void Apply(ref readonly RoundWideKernel arguments, int block)
    {
        int blockRows = arguments.Target.BlockRows;
        for (int r = 0; r < blockRows; r++)
        {
            int row = block * blockRows + r;
            Round(in arguments, block, r, row < arguments.Rows ? arguments.X[row] : null);
        }
    }

    /// <summary>One row of a block; null for a row of zeros.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    [SkipLocalsInit]
    private static void Round(ref readonly RoundWideKernel arguments, int block, int r, float* source)
    {
        PanelInput target = arguments.Target;
        int blockRows = target.BlockRows;
        ulong* values = (ulong*)(target.Values + block * target.BlockBytes) + r;
        nint index = (nint)block * target.Groups * blockRows + r;
        float* tail = stackalloc float[PanelLayout.GroupInputs];
        for (int group = 0; group < target.Groups; group++, index += blockRows)
        {
            float* from = source + group * PanelLayout.GroupInputs;
            int left = source == null ? 0 : arguments.Columns - group * PanelLayout.GroupInputs;
            if (left < PanelLayout.GroupInputs)
            {
                new Span<float>(tail, PanelLayout.GroupInputs).Clear();
                new ReadOnlySpan<float>(from, Math.Max(0, left)).CopyTo(new Span<float>(tail, PanelLayout.GroupInputs));
                from = tail;
            }

            Vector256<float> a = Vector256.Load(from);
            Vector256<float> b = Vector256.Load(from + 8);
            Vector256<float> c = Vector256.Load(from + 16);
            Vector256<float> d = Vector256.Load(from + 24);
            Vector256<float> factor = Vector256.Create(
                IntegerActivations.Scale(RoundInputKernel.Greatest(a, b, c, d), out float scale, IntegerActivations.MostWide));
            target.Scales[index] = scale;
            Vector256<int> i = Avx.ConvertToVector256Int32(a * factor);
            Vector256<int> j = Avx.ConvertToVector256Int32(b * factor);
            Vector256<int> k = Avx.ConvertToVector256Int32(c * factor);
            Vector256<int> l = Avx.ConvertToVector256Int32(d * factor);
            target.Offsets[index] = Vector256.Sum(i + j + k + l);
            RoundInputKernel.StoreWide(values, blockRows, i);
            RoundInputKernel.StoreWide(values + 2 * blockRows, blockRows, j);
            RoundInputKernel.StoreWide(values + 4 * blockRows, blockRows, k);
            RoundInputKernel.StoreWide(values + 6 * blockRows, blockRows, l);
            values += PanelLayout.GroupQuads * blockRows;
        }
    }
}
