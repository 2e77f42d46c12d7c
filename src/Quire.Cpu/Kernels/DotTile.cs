using System.Runtime.CompilerServices;
using Quire.Cpu.Simd;

namespace Quire.Cpu.Kernels;

/// <summary>
/// Dot products of four rows with one, two or three others: the inner loop of linear layers (four rows of weights) and of attention
/// scores (four keys). Every variant adds in the same order, so a dot product is the same bit for bit whichever variant made it: one
/// accumulator for each lane of a vector, lanes added as <see cref="ISimd{TVector}"/> says, the end of a row padded with zeros.
/// </summary>
/// <remarks>
/// Register budget of the widest variant with 16 registers: 12 accumulators, 3 vectors of x, 1 of the weights. Twelve independent
/// chains cover the latency of two multiply-adds a cycle.
/// </remarks>
internal static unsafe class DotTile<TSimd, TVector, TElement>
    where TSimd : struct, ISimd<TVector>
    where TVector : unmanaged
    where TElement : struct, IElement
{
    /// <summary>sums[i] = wᵢ · x for the four rows w₀ … w₃ of <paramref name="length"/> elements.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    [SkipLocalsInit]
    public static void Dot4x1(byte* w0, byte* w1, byte* w2, byte* w3, float* x, int length, float* sums)
    {
        int full = length - length % TSimd.Count;
        TVector* tails = stackalloc TVector[5];
        if (full < length)
        {
            LoadRowTails(w0, w1, w2, w3, full, length - full, tails);
            tails[4] = Tail(x + full, length - full);
        }

        TVector a0 = TSimd.Zero, a1 = TSimd.Zero, a2 = TSimd.Zero, a3 = TSimd.Zero;
        for (nint k = 0; k < full; k += TSimd.Count, x += TSimd.Count)
        {
            TVector v = TSimd.Load(x);
            a0 = TSimd.MultiplyAdd(Row(w0, k), v, a0);
            a1 = TSimd.MultiplyAdd(Row(w1, k), v, a1);
            a2 = TSimd.MultiplyAdd(Row(w2, k), v, a2);
            a3 = TSimd.MultiplyAdd(Row(w3, k), v, a3);
        }

        if (full < length)
        {
            a0 = TSimd.MultiplyAdd(tails[0], tails[4], a0);
            a1 = TSimd.MultiplyAdd(tails[1], tails[4], a1);
            a2 = TSimd.MultiplyAdd(tails[2], tails[4], a2);
            a3 = TSimd.MultiplyAdd(tails[3], tails[4], a3);
        }

        Simd128.Store(sums, TSimd.Sum(a0, a1, a2, a3));
    }

    /// <summary>sums[4j + i] = wᵢ · xⱼ for two rows x, <paramref name="stride"/> floats apart.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    [SkipLocalsInit]
    public static void Dot4x2(byte* w0, byte* w1, byte* w2, byte* w3, float* x, nint stride, int length, float* sums)
    {
        int full = length - length % TSimd.Count;
        TVector* tails = stackalloc TVector[6];
        if (full < length)
        {
            LoadRowTails(w0, w1, w2, w3, full, length - full, tails);
            tails[4] = Tail(x + full, length - full);
            tails[5] = Tail(x + stride + full, length - full);
        }

        TVector a0 = TSimd.Zero, a1 = TSimd.Zero, a2 = TSimd.Zero, a3 = TSimd.Zero;
        TVector b0 = TSimd.Zero, b1 = TSimd.Zero, b2 = TSimd.Zero, b3 = TSimd.Zero;
        for (nint k = 0; k < full; k += TSimd.Count, x += TSimd.Count)
        {
            TVector u = TSimd.Load(x);
            TVector v = TSimd.Load(x + stride);
            TVector w = Row(w0, k);
            a0 = TSimd.MultiplyAdd(w, u, a0);
            b0 = TSimd.MultiplyAdd(w, v, b0);
            w = Row(w1, k);
            a1 = TSimd.MultiplyAdd(w, u, a1);
            b1 = TSimd.MultiplyAdd(w, v, b1);
            w = Row(w2, k);
            a2 = TSimd.MultiplyAdd(w, u, a2);
            b2 = TSimd.MultiplyAdd(w, v, b2);
            w = Row(w3, k);
            a3 = TSimd.MultiplyAdd(w, u, a3);
            b3 = TSimd.MultiplyAdd(w, v, b3);
        }

        if (full < length)
        {
            a0 = TSimd.MultiplyAdd(tails[0], tails[4], a0);
            a1 = TSimd.MultiplyAdd(tails[1], tails[4], a1);
            a2 = TSimd.MultiplyAdd(tails[2], tails[4], a2);
            a3 = TSimd.MultiplyAdd(tails[3], tails[4], a3);
            b0 = TSimd.MultiplyAdd(tails[0], tails[5], b0);
            b1 = TSimd.MultiplyAdd(tails[1], tails[5], b1);
            b2 = TSimd.MultiplyAdd(tails[2], tails[5], b2);
            b3 = TSimd.MultiplyAdd(tails[3], tails[5], b3);
        }

        Simd128.Store(sums, TSimd.Sum(a0, a1, a2, a3));
        Simd128.Store(sums + 4, TSimd.Sum(b0, b1, b2, b3));
    }

    /// <summary>sums[4j + i] = wᵢ · xⱼ for three rows x, <paramref name="stride"/> floats apart.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    [SkipLocalsInit]
    public static void Dot4x3(byte* w0, byte* w1, byte* w2, byte* w3, float* x, nint stride, int length, float* sums)
    {
        int full = length - length % TSimd.Count;
        TVector* tails = stackalloc TVector[7];
        if (full < length)
        {
            LoadRowTails(w0, w1, w2, w3, full, length - full, tails);
            tails[4] = Tail(x + full, length - full);
            tails[5] = Tail(x + stride + full, length - full);
            tails[6] = Tail(x + 2 * stride + full, length - full);
        }

        TVector a0 = TSimd.Zero, a1 = TSimd.Zero, a2 = TSimd.Zero, a3 = TSimd.Zero;
        TVector b0 = TSimd.Zero, b1 = TSimd.Zero, b2 = TSimd.Zero, b3 = TSimd.Zero;
        TVector c0 = TSimd.Zero, c1 = TSimd.Zero, c2 = TSimd.Zero, c3 = TSimd.Zero;
        for (nint k = 0; k < full; k += TSimd.Count, x += TSimd.Count)
        {
            TVector t = TSimd.Load(x);
            TVector u = TSimd.Load(x + stride);
            TVector v = TSimd.Load(x + 2 * stride);
            TVector w = Row(w0, k);
            a0 = TSimd.MultiplyAdd(w, t, a0);
            b0 = TSimd.MultiplyAdd(w, u, b0);
            c0 = TSimd.MultiplyAdd(w, v, c0);
            w = Row(w1, k);
            a1 = TSimd.MultiplyAdd(w, t, a1);
            b1 = TSimd.MultiplyAdd(w, u, b1);
            c1 = TSimd.MultiplyAdd(w, v, c1);
            w = Row(w2, k);
            a2 = TSimd.MultiplyAdd(w, t, a2);
            b2 = TSimd.MultiplyAdd(w, u, b2);
            c2 = TSimd.MultiplyAdd(w, v, c2);
            w = Row(w3, k);
            a3 = TSimd.MultiplyAdd(w, t, a3);
            b3 = TSimd.MultiplyAdd(w, u, b3);
            c3 = TSimd.MultiplyAdd(w, v, c3);
        }

        if (full < length)
        {
            a0 = TSimd.MultiplyAdd(tails[0], tails[4], a0);
            a1 = TSimd.MultiplyAdd(tails[1], tails[4], a1);
            a2 = TSimd.MultiplyAdd(tails[2], tails[4], a2);
            a3 = TSimd.MultiplyAdd(tails[3], tails[4], a3);
            b0 = TSimd.MultiplyAdd(tails[0], tails[5], b0);
            b1 = TSimd.MultiplyAdd(tails[1], tails[5], b1);
            b2 = TSimd.MultiplyAdd(tails[2], tails[5], b2);
            b3 = TSimd.MultiplyAdd(tails[3], tails[5], b3);
            c0 = TSimd.MultiplyAdd(tails[0], tails[6], c0);
            c1 = TSimd.MultiplyAdd(tails[1], tails[6], c1);
            c2 = TSimd.MultiplyAdd(tails[2], tails[6], c2);
            c3 = TSimd.MultiplyAdd(tails[3], tails[6], c3);
        }

        Simd128.Store(sums, TSimd.Sum(a0, a1, a2, a3));
        Simd128.Store(sums + 4, TSimd.Sum(b0, b1, b2, b3));
        Simd128.Store(sums + 8, TSimd.Sum(c0, c1, c2, c3));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TVector Row(byte* row, nint index) => TElement.Load<TSimd, TVector>(row + index * TElement.Size);

    private static TVector Tail(float* x, int count) => Partial.Load<TSimd, TVector, F32Element>((byte*)x, count);

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void LoadRowTails(byte* w0, byte* w1, byte* w2, byte* w3, int start, int count, TVector* tails)
    {
        tails[0] = Partial.Load<TSimd, TVector, TElement>(w0 + (nint)start * TElement.Size, count);
        tails[1] = Partial.Load<TSimd, TVector, TElement>(w1 + (nint)start * TElement.Size, count);
        tails[2] = Partial.Load<TSimd, TVector, TElement>(w2 + (nint)start * TElement.Size, count);
        tails[3] = Partial.Load<TSimd, TVector, TElement>(w3 + (nint)start * TElement.Size, count);
    }
}
