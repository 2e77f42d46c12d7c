using System;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Quire.Cpu.Kernels.Panels;

/// <summary>
/// Rounds blocks of rows of x to integers, group by group, as <see cref="Tensors.Reference.IntegerActivations"/> defines; an item is a block.
/// </summary>
internal unsafe struct RoundInputKernel : IRowKernel<RoundInputKernel>
{
    public FloatRows X;
    public PanelInput Target;
    public int Rows;
    public int Columns;

    /// <summary>The number that weights are stored above zero, as a factor of the offsets.</summary>
    public int ZeroPoint;

    public static void Apply(ref readonly RoundInputKernel arguments, int block)
    {
        int blockRows = arguments.Target.BlockRows;
        for (int r = 0; r < blockRows; r++)
        {
            int row = block * blockRows + r;
            if (row < arguments.Rows)
            {
                Round(in arguments, block, r, arguments.X[row]);
            }
            else
            {
                Clear(in arguments, block, r);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    [SkipLocalsInit]
    private static void Round(ref readonly RoundInputKernel arguments, int block, int r, float* source)
    {
        PanelInput target = arguments.Target;
        int blockRows = target.BlockRows;
        byte* values = target.Values + block * target.BlockBytes;
        nint first = (nint)block * target.Groups * blockRows + r;
        float* tail = stackalloc float[PanelLayout.GroupInputs];
        uint* quads = stackalloc uint[PanelLayout.GroupQuads];
        for (int group = 0; group < target.Groups; group++, source += PanelLayout.GroupInputs)
        {
            float* from = source;
            int left = arguments.Columns - group * PanelLayout.GroupInputs;
            if (left < PanelLayout.GroupInputs)
            {
                new Span<float>(tail, PanelLayout.GroupInputs).Clear();
                new ReadOnlySpan<float>(source, left).CopyTo(new Span<float>(tail, left));
                from = tail;
            }

            Vector256<float> a = Vector256.Load(from);
            Vector256<float> b = Vector256.Load(from + 8);
            Vector256<float> c = Vector256.Load(from + 16);
            Vector256<float> d = Vector256.Load(from + 24);
            float inverse = Scale(a, b, c, d, out float scale);
            nint index = first + (nint)group * blockRows;
            target.Scales[index] = scale;
            Vector256<float> factor = Vector256.Create(inverse);
            Vector256<int> i = Avx.ConvertToVector256Int32(a * factor);
            Vector256<int> j = Avx.ConvertToVector256Int32(b * factor);
            Vector256<int> k = Avx.ConvertToVector256Int32(c * factor);
            Vector256<int> l = Avx.ConvertToVector256Int32(d * factor);
            if (target.Form == PanelInputForm.Words)
            {
                ulong* wide = (ulong*)values + (nint)group * PanelLayout.GroupQuads * blockRows + r;
                StoreWide(wide, blockRows, i);
                StoreWide(wide + 2 * blockRows, blockRows, j);
                StoreWide(wide + 4 * blockRows, blockRows, k);
                StoreWide(wide + 6 * blockRows, blockRows, l);
                continue;
            }

            // Packing works within halves of 128 bits, which leaves the quads in the order 0, 2, 4, 6, 1, 3, 5, 7.
            Vector256<sbyte> bytes = Avx2.PackSignedSaturate(Avx2.PackSignedSaturate(i, j), Avx2.PackSignedSaturate(k, l));
            Vector256<int> ordered = Avx2.PermuteVar8x32(bytes.AsInt32(), Vector256.Create(0, 4, 1, 5, 2, 6, 3, 7));
            StoreOffsets(in arguments, ordered.AsSByte(), index, scale);
            uint* narrow = (uint*)values + (nint)group * PanelLayout.GroupQuads * blockRows + r;
            if (blockRows == 1)
            {
                ordered.AsUInt32().Store(narrow);
                continue;
            }

            ordered.AsUInt32().Store(quads);
            for (int quad = 0; quad < PanelLayout.GroupQuads; quad++)
            {
                narrow[quad * blockRows] = quads[quad];
            }
        }
    }

    /// <summary>127 over the greatest magnitude, and its inverse as <paramref name="scale"/>: NaN where an element is not finite.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float Scale(Vector256<float> a, Vector256<float> b, Vector256<float> c, Vector256<float> d, out float scale) =>
        Tensors.Reference.IntegerActivations.Scale(Greatest(a, b, c, d), out scale);

    /// <summary>The greatest magnitude of 32 numbers; not finite if one is not.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static float Greatest(Vector256<float> a, Vector256<float> b, Vector256<float> c, Vector256<float> d)
    {
        // As integers, magnitudes keep their order, infinity is above every number, and what is not a number above infinity.
        Vector256<int> mask = Vector256.Create(0x7FFF_FFFF);
        Vector256<int> most = Vector256.Max(
            Vector256.Max(a.AsInt32() & mask, b.AsInt32() & mask), Vector256.Max(c.AsInt32() & mask, d.AsInt32() & mask));
        Vector128<int> half = Vector128.Max(most.GetLower(), most.GetUpper());
        half = Vector128.Max(half, Sse2.Shuffle(half, 0b_01_00_11_10));
        half = Vector128.Max(half, Sse2.Shuffle(half, 0b_10_11_00_01));
        return half.AsSingle().ToScalar();
    }

    /// <summary>Of eight integers each quad as 16-bit numbers in the order 0, 2, 1, 3.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static void StoreWide(ulong* target, int stride, Vector256<int> values)
    {
        Vector256<int> later = Avx2.Shuffle(values, 0b_11_10_11_10) << 16;
        Vector256<ulong> pairs = ((values & Vector256.Create(0xFFFF)) | later).AsUInt64();
        target[0] = pairs.ToScalar();
        target[stride] = pairs.GetUpper().ToScalar();
    }

    /// <summary>Offsets of a group or of its halves, and what its integers stand for, added up.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void StoreOffsets(ref readonly RoundInputKernel arguments, Vector256<sbyte> values, nint index, float scale)
    {
        Vector256<short> pairs = Avx2.MultiplyAddAdjacent(Vector256.Create((byte)1), values);
        pairs += Avx2.Shuffle(pairs.AsInt32(), 0b_01_00_11_10).AsInt16();
        pairs += Avx2.Shuffle(pairs.AsInt32(), 0b_10_11_00_01).AsInt16();
        Vector128<short> sums = pairs.GetLower() + pairs.GetUpper();
        PanelInput target = arguments.Target;
        if (target.HasSums)
        {
            target.Sums[index] = scale * (sums.ToScalar() + sums.GetElement(1));
        }

        if (target.HasHalfOffsets)
        {
            int row = (int)(index % target.BlockRows);
            int* offsets = target.Offsets + 2 * (index - row) + row;
            offsets[0] = Offset(pairs.GetLower(), arguments.ZeroPoint, target.WholeOffsets);
            offsets[target.BlockRows] = Offset(pairs.GetUpper(), arguments.ZeroPoint, target.WholeOffsets);
            return;
        }

        target.Offsets[index] = Offset(sums, arguments.ZeroPoint, target.WholeOffsets);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static int Offset(Vector128<short> sums, int zeroPoint, bool whole) => whole
        ? -zeroPoint * (sums.ToScalar() + sums.GetElement(1))
        : (sums * Vector128.Create((short)-zeroPoint)).AsInt32().ToScalar();

    private static void Clear(ref readonly RoundInputKernel arguments, int block, int r)
    {
        PanelInput target = arguments.Target;
        int blockRows = target.BlockRows;
        byte* values = target.Values + block * target.BlockBytes;
        int quadBytes = target.Form == PanelInputForm.Words ? 8 : 4;
        for (nint quad = 0; quad < (nint)target.Groups * PanelLayout.GroupQuads; quad++)
        {
            new Span<byte>(values + (quad * blockRows + r) * quadBytes, quadBytes).Clear();
        }

        for (nint group = 0; group < target.Groups; group++)
        {
            nint index = ((nint)block * target.Groups + group) * blockRows + r;
            target.Scales[index] = 0;
            target.Sums[index] = 0;
            if (target.HasHalfOffsets)
            {
                target.Offsets[2 * (index - r) + r] = 0;
                target.Offsets[2 * (index - r) + target.BlockRows + r] = 0;
                continue;
            }

            target.Offsets[index] = 0;
        }
    }
}
