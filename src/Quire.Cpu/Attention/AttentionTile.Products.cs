using System;
using System.Runtime.CompilerServices;
using Quire.Cpu.Kernels;
using Quire.Cpu.Simd;

namespace Quire.Cpu.Attention;

/// <content>The two products of attention: queries with keys, and exponentials with values.</content>
internal static unsafe partial class AttentionTile<TSimd, TVector, TElement>
    where TSimd : struct, ISimd<TVector>
    where TVector : unmanaged
    where TElement : struct, IElement
{
    /// <summary>scores[row, key] = q · k.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Score(ref readonly Work work, byte** keys, int count, int firstRow, int endRow)
    {
        float* sums = stackalloc float[12];
        int headDim = work.Inputs.HeadDim;
        nint step = work.Inputs.HeadStep;
        for (int row = firstRow; row < endRow;)
        {
            int left = endRow - row;
            int rows = left == 4 ? 2 : Math.Min(3, left);
            float* q = work.Q + row * step;
            float* scores = work.Scores + (nint)row * GroupKeys;
            for (int j = 0; j < count; j += 4)
            {
                byte* k0 = keys[j], k1 = keys[j + 1], k2 = keys[j + 2], k3 = keys[j + 3];
                if (rows == 3)
                {
                    DotTile<TSimd, TVector, TElement>.Dot4x3(k0, k1, k2, k3, q, step, headDim, sums);
                    Simd128.Store(scores + 2 * GroupKeys + j, Simd128.Load(sums + 8));
                }
                else if (rows == 2)
                {
                    DotTile<TSimd, TVector, TElement>.Dot4x2(k0, k1, k2, k3, q, step, headDim, sums);
                }
                else
                {
                    DotTile<TSimd, TVector, TElement>.Dot4x1(k0, k1, k2, k3, q, headDim, sums);
                }

                Simd128.Store(scores + j, Simd128.Load(sums));
                if (rows > 1)
                {
                    Simd128.Store(scores + GroupKeys + j, Simd128.Load(sums + 4));
                }
            }

            row += rows;
        }
    }

    /// <summary>values[row] = correction · values[row] + Σ exponential · v, two rows and four vectors at a time.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void AddValues(ref readonly Work work, in SoftmaxState state, byte** values, int count, int firstRow, int endRow)
    {
        int headDim = work.Inputs.HeadDim;
        nint step = work.Inputs.HeadStep;
        for (int row = firstRow; row < endRow; row += 2)
        {
            // A last row without a partner is its own partner: both write the same.
            int partner = Math.Min(row + 1, endRow - 1);
            float* p0 = work.Scores + (nint)row * GroupKeys;
            float* p1 = work.Scores + (nint)partner * GroupKeys;
            float* y0 = state.Values + row * step;
            float* y1 = state.Values + partner * step;
            float c0 = work.Corrections[row];
            float c1 = work.Corrections[partner];
            int d = 0;
            for (; d <= headDim - 4 * TSimd.Count; d += 4 * TSimd.Count)
            {
                AddFour(values, d, count, p0, p1, c0, c1, y0 + d, y1 + d);
            }

            for (; d < headDim; d += 2 * TSimd.Count)
            {
                AddTwo(values, d, Math.Min(2 * TSimd.Count, headDim - d), count, p0, p1, c0, c1, y0 + d, y1 + d);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void AddFour(byte** values, int d, int count, float* p0, float* p1, float c0, float c1, float* y0, float* y1)
    {
        nint offset = (nint)d * TElement.Size;
        nint block = (nint)2 * TSimd.Count * TElement.Size;
        TVector correction = TSimd.Create(c0);
        TVector a0 = TSimd.Multiply(TSimd.Load(y0), correction);
        TVector a1 = TSimd.Multiply(TSimd.Load(y0 + TSimd.Count), correction);
        TVector a2 = TSimd.Multiply(TSimd.Load(y0 + 2 * TSimd.Count), correction);
        TVector a3 = TSimd.Multiply(TSimd.Load(y0 + 3 * TSimd.Count), correction);
        correction = TSimd.Create(c1);
        TVector b0 = TSimd.Multiply(TSimd.Load(y1), correction);
        TVector b1 = TSimd.Multiply(TSimd.Load(y1 + TSimd.Count), correction);
        TVector b2 = TSimd.Multiply(TSimd.Load(y1 + 2 * TSimd.Count), correction);
        TVector b3 = TSimd.Multiply(TSimd.Load(y1 + 3 * TSimd.Count), correction);
        for (nint j = 0; j < count; j++)
        {
            byte* source = values[j] + offset;
            TVector p = TSimd.Create(p0[j]);
            TVector q = TSimd.Create(p1[j]);
            TVector v = TElement.LoadFirst<TSimd, TVector>(source);
            a0 = TSimd.MultiplyAdd(p, v, a0);
            b0 = TSimd.MultiplyAdd(q, v, b0);
            v = TElement.LoadSecond<TSimd, TVector>(source);
            a1 = TSimd.MultiplyAdd(p, v, a1);
            b1 = TSimd.MultiplyAdd(q, v, b1);
            v = TElement.LoadFirst<TSimd, TVector>(source + block);
            a2 = TSimd.MultiplyAdd(p, v, a2);
            b2 = TSimd.MultiplyAdd(q, v, b2);
            v = TElement.LoadSecond<TSimd, TVector>(source + block);
            a3 = TSimd.MultiplyAdd(p, v, a3);
            b3 = TSimd.MultiplyAdd(q, v, b3);
        }

        TSimd.Store(y0, a0);
        TSimd.Store(y0 + TSimd.Count, a1);
        TSimd.Store(y0 + 2 * TSimd.Count, a2);
        TSimd.Store(y0 + 3 * TSimd.Count, a3);
        TSimd.Store(y1, b0);
        TSimd.Store(y1 + TSimd.Count, b1);
        TSimd.Store(y1 + 2 * TSimd.Count, b2);
        TSimd.Store(y1 + 3 * TSimd.Count, b3);
    }

    /// <summary>The same for one block, of which the first <paramref name="width"/> elements exist.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void AddTwo(
        byte** values, int d, int width, int count, float* p0, float* p1, float c0, float c1, float* y0, float* y1)
    {
        TVector a0 = TSimd.Multiply(TSimd.Load(y0), TSimd.Create(c0));
        TVector a1 = TSimd.Multiply(TSimd.Load(y0 + TSimd.Count), TSimd.Create(c0));
        TVector b0 = TSimd.Multiply(TSimd.Load(y1), TSimd.Create(c1));
        TVector b1 = TSimd.Multiply(TSimd.Load(y1 + TSimd.Count), TSimd.Create(c1));
        TVector* padded = stackalloc TVector[2];
        padded[0] = TSimd.Zero;
        padded[1] = TSimd.Zero;
        bool whole = width == 2 * TSimd.Count;
        for (int j = 0; j < count; j++)
        {
            byte* source = values[j] + (nint)d * TElement.Size;
            if (!whole)
            {
                new ReadOnlySpan<byte>(source, width * TElement.Size).CopyTo(new Span<byte>(padded, width * TElement.Size));
                source = (byte*)padded;
            }

            TVector p = TSimd.Create(p0[j]);
            TVector q = TSimd.Create(p1[j]);
            TVector v = TElement.LoadFirst<TSimd, TVector>(source);
            a0 = TSimd.MultiplyAdd(p, v, a0);
            b0 = TSimd.MultiplyAdd(q, v, b0);
            v = TElement.LoadSecond<TSimd, TVector>(source);
            a1 = TSimd.MultiplyAdd(p, v, a1);
            b1 = TSimd.MultiplyAdd(q, v, b1);
        }

        TSimd.Store(y0, a0);
        TSimd.Store(y0 + TSimd.Count, a1);
        TSimd.Store(y1, b0);
        TSimd.Store(y1 + TSimd.Count, b1);
    }
}
