using System.Runtime.CompilerServices;
using Quire.Cpu.Simd;

namespace Quire.Cpu.Kernels;

/// <summary>
/// Dot products of some rows with some others: the inner loop of linear layers (rows of weights) and of attention scores (keys). Every
/// variant adds in the same order, so a dot product is the same bit for bit whichever variant made it: one accumulator for each lane
/// of a vector, blocks of two vectors in the order of <see cref="BlockOrder{TSimd, TVector, TElement}"/>, lanes added as
/// <see cref="ISimd{TVector}"/> says, the end of a row padded with zeros.
/// </summary>
/// <remarks>
/// The rows x are in block order already. Register budget of the widest variants with 16 registers: 12 accumulators, 3 vectors of one
/// side, 1 of the other. Twelve independent chains cover the latency of two multiply-adds a cycle.
/// </remarks>
internal static unsafe class DotTile<TSimd, TVector, TElement>
    where TSimd : struct, ISimd<TVector>
    where TVector : unmanaged
    where TElement : struct, IElement
{
    /// <summary>sums[4j + i] = wᵢ · xⱼ for one row x.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    [SkipLocalsInit]
    public static void Dot4x1(byte* w0, byte* w1, byte* w2, byte* w3, float* x, int length, float* sums)
    {
        int full = length - length % (2 * TSimd.Count);
        TVector* tails = stackalloc TVector[8];
        if (full < length)
        {
            LoadTail(w0, full, length, tails + 0);
            LoadTail(w1, full, length, tails + 2);
            LoadTail(w2, full, length, tails + 4);
            LoadTail(w3, full, length, tails + 6);
        }

        TVector a0 = TSimd.Zero, a1 = TSimd.Zero, a2 = TSimd.Zero, a3 = TSimd.Zero;
        for (nint k = 0; k < full; k += 2 * TSimd.Count, x += 2 * TSimd.Count)
        {
            TVector t = TSimd.Load(x);
            TVector w = First(w0, k);
            a0 = TSimd.MultiplyAdd(w, t, a0);
            w = First(w1, k);
            a1 = TSimd.MultiplyAdd(w, t, a1);
            w = First(w2, k);
            a2 = TSimd.MultiplyAdd(w, t, a2);
            w = First(w3, k);
            a3 = TSimd.MultiplyAdd(w, t, a3);

            t = TSimd.Load(x + TSimd.Count);
            w = Second(w0, k);
            a0 = TSimd.MultiplyAdd(w, t, a0);
            w = Second(w1, k);
            a1 = TSimd.MultiplyAdd(w, t, a1);
            w = Second(w2, k);
            a2 = TSimd.MultiplyAdd(w, t, a2);
            w = Second(w3, k);
            a3 = TSimd.MultiplyAdd(w, t, a3);
        }

        if (full < length)
        {
            TVector end = TSimd.Load(x);
            a0 = TSimd.MultiplyAdd(tails[0], end, a0);
            a1 = TSimd.MultiplyAdd(tails[2], end, a1);
            a2 = TSimd.MultiplyAdd(tails[4], end, a2);
            a3 = TSimd.MultiplyAdd(tails[6], end, a3);
            end = TSimd.Load(x + TSimd.Count);
            a0 = TSimd.MultiplyAdd(tails[1], end, a0);
            a1 = TSimd.MultiplyAdd(tails[3], end, a1);
            a2 = TSimd.MultiplyAdd(tails[5], end, a2);
            a3 = TSimd.MultiplyAdd(tails[7], end, a3);
        }

        Simd128.Store(sums, TSimd.Sum(a0, a1, a2, a3));
    }

    /// <summary>sums[4j + i] = wᵢ · xⱼ for two rows x, <paramref name="stride"/> floats apart.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    [SkipLocalsInit]
    public static void Dot4x2(byte* w0, byte* w1, byte* w2, byte* w3, float* x, nint stride, int length, float* sums)
    {
        int full = length - length % (2 * TSimd.Count);
        TVector* tails = stackalloc TVector[8];
        if (full < length)
        {
            LoadTail(w0, full, length, tails + 0);
            LoadTail(w1, full, length, tails + 2);
            LoadTail(w2, full, length, tails + 4);
            LoadTail(w3, full, length, tails + 6);
        }

        TVector a0 = TSimd.Zero, a1 = TSimd.Zero, a2 = TSimd.Zero, a3 = TSimd.Zero;
        TVector b0 = TSimd.Zero, b1 = TSimd.Zero, b2 = TSimd.Zero, b3 = TSimd.Zero;
        for (nint k = 0; k < full; k += 2 * TSimd.Count, x += 2 * TSimd.Count)
        {
            TVector t = TSimd.Load(x);
            TVector u = TSimd.Load(x + stride);
            TVector w = First(w0, k);
            a0 = TSimd.MultiplyAdd(w, t, a0);
            b0 = TSimd.MultiplyAdd(w, u, b0);
            w = First(w1, k);
            a1 = TSimd.MultiplyAdd(w, t, a1);
            b1 = TSimd.MultiplyAdd(w, u, b1);
            w = First(w2, k);
            a2 = TSimd.MultiplyAdd(w, t, a2);
            b2 = TSimd.MultiplyAdd(w, u, b2);
            w = First(w3, k);
            a3 = TSimd.MultiplyAdd(w, t, a3);
            b3 = TSimd.MultiplyAdd(w, u, b3);

            t = TSimd.Load(x + TSimd.Count);
            u = TSimd.Load(x + stride + TSimd.Count);
            w = Second(w0, k);
            a0 = TSimd.MultiplyAdd(w, t, a0);
            b0 = TSimd.MultiplyAdd(w, u, b0);
            w = Second(w1, k);
            a1 = TSimd.MultiplyAdd(w, t, a1);
            b1 = TSimd.MultiplyAdd(w, u, b1);
            w = Second(w2, k);
            a2 = TSimd.MultiplyAdd(w, t, a2);
            b2 = TSimd.MultiplyAdd(w, u, b2);
            w = Second(w3, k);
            a3 = TSimd.MultiplyAdd(w, t, a3);
            b3 = TSimd.MultiplyAdd(w, u, b3);
        }

        if (full < length)
        {
            TVector end = TSimd.Load(x);
            a0 = TSimd.MultiplyAdd(tails[0], end, a0);
            a1 = TSimd.MultiplyAdd(tails[2], end, a1);
            a2 = TSimd.MultiplyAdd(tails[4], end, a2);
            a3 = TSimd.MultiplyAdd(tails[6], end, a3);
            end = TSimd.Load(x + stride);
            b0 = TSimd.MultiplyAdd(tails[0], end, b0);
            b1 = TSimd.MultiplyAdd(tails[2], end, b1);
            b2 = TSimd.MultiplyAdd(tails[4], end, b2);
            b3 = TSimd.MultiplyAdd(tails[6], end, b3);
            end = TSimd.Load(x + TSimd.Count);
            a0 = TSimd.MultiplyAdd(tails[1], end, a0);
            a1 = TSimd.MultiplyAdd(tails[3], end, a1);
            a2 = TSimd.MultiplyAdd(tails[5], end, a2);
            a3 = TSimd.MultiplyAdd(tails[7], end, a3);
            end = TSimd.Load(x + stride + TSimd.Count);
            b0 = TSimd.MultiplyAdd(tails[1], end, b0);
            b1 = TSimd.MultiplyAdd(tails[3], end, b1);
            b2 = TSimd.MultiplyAdd(tails[5], end, b2);
            b3 = TSimd.MultiplyAdd(tails[7], end, b3);
        }

        Simd128.Store(sums, TSimd.Sum(a0, a1, a2, a3));
        Simd128.Store(sums + 4, TSimd.Sum(b0, b1, b2, b3));
    }

    /// <summary>sums[4j + i] = wᵢ · xⱼ for three rows x, <paramref name="stride"/> floats apart.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    [SkipLocalsInit]
    public static void Dot4x3(byte* w0, byte* w1, byte* w2, byte* w3, float* x, nint stride, int length, float* sums)
    {
        int full = length - length % (2 * TSimd.Count);
        TVector* tails = stackalloc TVector[8];
        if (full < length)
        {
            LoadTail(w0, full, length, tails + 0);
            LoadTail(w1, full, length, tails + 2);
            LoadTail(w2, full, length, tails + 4);
            LoadTail(w3, full, length, tails + 6);
        }

        TVector a0 = TSimd.Zero, a1 = TSimd.Zero, a2 = TSimd.Zero, a3 = TSimd.Zero;
        TVector b0 = TSimd.Zero, b1 = TSimd.Zero, b2 = TSimd.Zero, b3 = TSimd.Zero;
        TVector c0 = TSimd.Zero, c1 = TSimd.Zero, c2 = TSimd.Zero, c3 = TSimd.Zero;
        for (nint k = 0; k < full; k += 2 * TSimd.Count, x += 2 * TSimd.Count)
        {
            TVector t = TSimd.Load(x);
            TVector u = TSimd.Load(x + stride);
            TVector v = TSimd.Load(x + 2 * stride);
            TVector w = First(w0, k);
            a0 = TSimd.MultiplyAdd(w, t, a0);
            b0 = TSimd.MultiplyAdd(w, u, b0);
            c0 = TSimd.MultiplyAdd(w, v, c0);
            w = First(w1, k);
            a1 = TSimd.MultiplyAdd(w, t, a1);
            b1 = TSimd.MultiplyAdd(w, u, b1);
            c1 = TSimd.MultiplyAdd(w, v, c1);
            w = First(w2, k);
            a2 = TSimd.MultiplyAdd(w, t, a2);
            b2 = TSimd.MultiplyAdd(w, u, b2);
            c2 = TSimd.MultiplyAdd(w, v, c2);
            w = First(w3, k);
            a3 = TSimd.MultiplyAdd(w, t, a3);
            b3 = TSimd.MultiplyAdd(w, u, b3);
            c3 = TSimd.MultiplyAdd(w, v, c3);

            t = TSimd.Load(x + TSimd.Count);
            u = TSimd.Load(x + stride + TSimd.Count);
            v = TSimd.Load(x + 2 * stride + TSimd.Count);
            w = Second(w0, k);
            a0 = TSimd.MultiplyAdd(w, t, a0);
            b0 = TSimd.MultiplyAdd(w, u, b0);
            c0 = TSimd.MultiplyAdd(w, v, c0);
            w = Second(w1, k);
            a1 = TSimd.MultiplyAdd(w, t, a1);
            b1 = TSimd.MultiplyAdd(w, u, b1);
            c1 = TSimd.MultiplyAdd(w, v, c1);
            w = Second(w2, k);
            a2 = TSimd.MultiplyAdd(w, t, a2);
            b2 = TSimd.MultiplyAdd(w, u, b2);
            c2 = TSimd.MultiplyAdd(w, v, c2);
            w = Second(w3, k);
            a3 = TSimd.MultiplyAdd(w, t, a3);
            b3 = TSimd.MultiplyAdd(w, u, b3);
            c3 = TSimd.MultiplyAdd(w, v, c3);
        }

        if (full < length)
        {
            TVector end = TSimd.Load(x);
            a0 = TSimd.MultiplyAdd(tails[0], end, a0);
            a1 = TSimd.MultiplyAdd(tails[2], end, a1);
            a2 = TSimd.MultiplyAdd(tails[4], end, a2);
            a3 = TSimd.MultiplyAdd(tails[6], end, a3);
            end = TSimd.Load(x + stride);
            b0 = TSimd.MultiplyAdd(tails[0], end, b0);
            b1 = TSimd.MultiplyAdd(tails[2], end, b1);
            b2 = TSimd.MultiplyAdd(tails[4], end, b2);
            b3 = TSimd.MultiplyAdd(tails[6], end, b3);
            end = TSimd.Load(x + 2 * stride);
            c0 = TSimd.MultiplyAdd(tails[0], end, c0);
            c1 = TSimd.MultiplyAdd(tails[2], end, c1);
            c2 = TSimd.MultiplyAdd(tails[4], end, c2);
            c3 = TSimd.MultiplyAdd(tails[6], end, c3);
            end = TSimd.Load(x + TSimd.Count);
            a0 = TSimd.MultiplyAdd(tails[1], end, a0);
            a1 = TSimd.MultiplyAdd(tails[3], end, a1);
            a2 = TSimd.MultiplyAdd(tails[5], end, a2);
            a3 = TSimd.MultiplyAdd(tails[7], end, a3);
            end = TSimd.Load(x + stride + TSimd.Count);
            b0 = TSimd.MultiplyAdd(tails[1], end, b0);
            b1 = TSimd.MultiplyAdd(tails[3], end, b1);
            b2 = TSimd.MultiplyAdd(tails[5], end, b2);
            b3 = TSimd.MultiplyAdd(tails[7], end, b3);
            end = TSimd.Load(x + 2 * stride + TSimd.Count);
            c0 = TSimd.MultiplyAdd(tails[1], end, c0);
            c1 = TSimd.MultiplyAdd(tails[3], end, c1);
            c2 = TSimd.MultiplyAdd(tails[5], end, c2);
            c3 = TSimd.MultiplyAdd(tails[7], end, c3);
        }

        Simd128.Store(sums, TSimd.Sum(a0, a1, a2, a3));
        Simd128.Store(sums + 4, TSimd.Sum(b0, b1, b2, b3));
        Simd128.Store(sums + 8, TSimd.Sum(c0, c1, c2, c3));
    }

    /// <summary>sums[4j + i] = wᵢ · xⱼ for four rows x, <paramref name="stride"/> floats apart; sums[4j + 3] is of no meaning.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    [SkipLocalsInit]
    public static void Dot3x4(byte* w0, byte* w1, byte* w2, float* x, nint stride, int length, float* sums)
    {
        int full = length - length % (2 * TSimd.Count);
        TVector* tails = stackalloc TVector[6];
        if (full < length)
        {
            LoadTail(w0, full, length, tails + 0);
            LoadTail(w1, full, length, tails + 2);
            LoadTail(w2, full, length, tails + 4);
        }

        TVector a0 = TSimd.Zero, a1 = TSimd.Zero, a2 = TSimd.Zero;
        TVector b0 = TSimd.Zero, b1 = TSimd.Zero, b2 = TSimd.Zero;
        TVector c0 = TSimd.Zero, c1 = TSimd.Zero, c2 = TSimd.Zero;
        TVector d0 = TSimd.Zero, d1 = TSimd.Zero, d2 = TSimd.Zero;
        for (nint k = 0; k < full; k += 2 * TSimd.Count, x += 2 * TSimd.Count)
        {
            TVector t = First(w0, k);
            TVector u = First(w1, k);
            TVector v = First(w2, k);
            TVector w = TSimd.Load(x);
            a0 = TSimd.MultiplyAdd(t, w, a0);
            a1 = TSimd.MultiplyAdd(u, w, a1);
            a2 = TSimd.MultiplyAdd(v, w, a2);
            w = TSimd.Load(x + stride);
            b0 = TSimd.MultiplyAdd(t, w, b0);
            b1 = TSimd.MultiplyAdd(u, w, b1);
            b2 = TSimd.MultiplyAdd(v, w, b2);
            w = TSimd.Load(x + 2 * stride);
            c0 = TSimd.MultiplyAdd(t, w, c0);
            c1 = TSimd.MultiplyAdd(u, w, c1);
            c2 = TSimd.MultiplyAdd(v, w, c2);
            w = TSimd.Load(x + 3 * stride);
            d0 = TSimd.MultiplyAdd(t, w, d0);
            d1 = TSimd.MultiplyAdd(u, w, d1);
            d2 = TSimd.MultiplyAdd(v, w, d2);

            t = Second(w0, k);
            u = Second(w1, k);
            v = Second(w2, k);
            w = TSimd.Load(x + TSimd.Count);
            a0 = TSimd.MultiplyAdd(t, w, a0);
            a1 = TSimd.MultiplyAdd(u, w, a1);
            a2 = TSimd.MultiplyAdd(v, w, a2);
            w = TSimd.Load(x + stride + TSimd.Count);
            b0 = TSimd.MultiplyAdd(t, w, b0);
            b1 = TSimd.MultiplyAdd(u, w, b1);
            b2 = TSimd.MultiplyAdd(v, w, b2);
            w = TSimd.Load(x + 2 * stride + TSimd.Count);
            c0 = TSimd.MultiplyAdd(t, w, c0);
            c1 = TSimd.MultiplyAdd(u, w, c1);
            c2 = TSimd.MultiplyAdd(v, w, c2);
            w = TSimd.Load(x + 3 * stride + TSimd.Count);
            d0 = TSimd.MultiplyAdd(t, w, d0);
            d1 = TSimd.MultiplyAdd(u, w, d1);
            d2 = TSimd.MultiplyAdd(v, w, d2);
        }

        if (full < length)
        {
            TVector end = TSimd.Load(x);
            a0 = TSimd.MultiplyAdd(tails[0], end, a0);
            a1 = TSimd.MultiplyAdd(tails[2], end, a1);
            a2 = TSimd.MultiplyAdd(tails[4], end, a2);
            end = TSimd.Load(x + stride);
            b0 = TSimd.MultiplyAdd(tails[0], end, b0);
            b1 = TSimd.MultiplyAdd(tails[2], end, b1);
            b2 = TSimd.MultiplyAdd(tails[4], end, b2);
            end = TSimd.Load(x + 2 * stride);
            c0 = TSimd.MultiplyAdd(tails[0], end, c0);
            c1 = TSimd.MultiplyAdd(tails[2], end, c1);
            c2 = TSimd.MultiplyAdd(tails[4], end, c2);
            end = TSimd.Load(x + 3 * stride);
            d0 = TSimd.MultiplyAdd(tails[0], end, d0);
            d1 = TSimd.MultiplyAdd(tails[2], end, d1);
            d2 = TSimd.MultiplyAdd(tails[4], end, d2);
            end = TSimd.Load(x + TSimd.Count);
            a0 = TSimd.MultiplyAdd(tails[1], end, a0);
            a1 = TSimd.MultiplyAdd(tails[3], end, a1);
            a2 = TSimd.MultiplyAdd(tails[5], end, a2);
            end = TSimd.Load(x + stride + TSimd.Count);
            b0 = TSimd.MultiplyAdd(tails[1], end, b0);
            b1 = TSimd.MultiplyAdd(tails[3], end, b1);
            b2 = TSimd.MultiplyAdd(tails[5], end, b2);
            end = TSimd.Load(x + 2 * stride + TSimd.Count);
            c0 = TSimd.MultiplyAdd(tails[1], end, c0);
            c1 = TSimd.MultiplyAdd(tails[3], end, c1);
            c2 = TSimd.MultiplyAdd(tails[5], end, c2);
            end = TSimd.Load(x + 3 * stride + TSimd.Count);
            d0 = TSimd.MultiplyAdd(tails[1], end, d0);
            d1 = TSimd.MultiplyAdd(tails[3], end, d1);
            d2 = TSimd.MultiplyAdd(tails[5], end, d2);
        }

        Simd128.Store(sums, TSimd.Sum(a0, a1, a2, a2));
        Simd128.Store(sums + 4, TSimd.Sum(b0, b1, b2, b2));
        Simd128.Store(sums + 8, TSimd.Sum(c0, c1, c2, c2));
        Simd128.Store(sums + 12, TSimd.Sum(d0, d1, d2, d2));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TVector First(byte* row, nint index) => TElement.LoadFirst<TSimd, TVector>(row + index * TElement.Size);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TVector Second(byte* row, nint index) => TElement.LoadSecond<TSimd, TVector>(row + index * TElement.Size);

    /// <summary>Expands the elements [full, length) of a row, fewer than a block, padded with zeros.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void LoadTail(byte* row, int full, int length, TVector* halves)
    {
        TVector* block = stackalloc TVector[2];
        block[0] = TSimd.Zero;
        block[1] = TSimd.Zero;
        byte* source = row + (nint)full * TElement.Size;
        for (int i = 0; i < (length - full) * TElement.Size; i++)
        {
            ((byte*)block)[i] = source[i];
        }

        halves[0] = TElement.LoadFirst<TSimd, TVector>((byte*)block);
        halves[1] = TElement.LoadSecond<TSimd, TVector>((byte*)block);
    }
}
