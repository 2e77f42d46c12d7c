using System;
using System.Runtime.CompilerServices;
using Quire.Cpu.Simd;

namespace Quire.Cpu.Attention;

/// <content>
/// The two products of attention over keys and values that were expanded to floats, for tiles of several rows. Every sum is added in the
/// order of the products over unexpanded rows, so that a row has the same bits whichever of them made it.
/// </content>
internal static unsafe partial class AttentionTile<TSimd, TVector, TElement>
    where TSimd : struct, ISimd<TVector>
    where TVector : unmanaged
    where TElement : struct, IElement
{
    /// <summary>Expands a group of keys or values into the panel, in block order with zeros behind. Quantised ones are there already.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Expand(ref readonly Work work, byte** rows, int count)
    {
        ref readonly AttentionInputs inputs = ref work.Inputs;
        if (inputs.IsQuantized)
        {
            return;
        }

        int block = 2 * TSimd.Count;
        int headDim = inputs.HeadDim;
        int full = headDim - headDim % block;
        TVector* padded = stackalloc TVector[2];
        for (int i = 0; i < count; i++)
        {
            byte* source = rows[i];
            float* target = work.Panel + (nint)i * inputs.HeadStep;
            for (nint d = 0; d < full; d += block)
            {
                byte* from = source + d * TElement.Size;
                TSimd.Store(target + d, TElement.LoadFirst<TSimd, TVector>(from));
                TSimd.Store(target + d + TSimd.Count, TElement.LoadSecond<TSimd, TVector>(from));
            }

            if (full < inputs.HeadStep)
            {
                new Span<float>(target + full, inputs.HeadStep - full).Clear();
            }

            if (full < headDim)
            {
                int bytes = (headDim - full) * TElement.Size;
                padded[0] = TSimd.Zero;
                padded[1] = TSimd.Zero;
                new ReadOnlySpan<byte>(source + (nint)full * TElement.Size, bytes).CopyTo(new Span<byte>(padded, bytes));
                TSimd.Store(target + full, TElement.LoadFirst<TSimd, TVector>((byte*)padded));
                TSimd.Store(target + full + TSimd.Count, TElement.LoadSecond<TSimd, TVector>((byte*)padded));
            }
        }
    }

    /// <summary>scores[row, key] = q · k, three rows and four keys at a time: twelve sums are as many as 16 registers allow.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void ScorePanel(ref readonly Work work, int count, int firstRow, int endRow)
    {
        nint step = work.Inputs.HeadStep;
        int block = 2 * TSimd.Count;
        nint length = (work.Inputs.HeadDim + block - 1) / block * block;
        float* panel = work.Panel;
        for (int row = firstRow; row < endRow; row += 3)
        {
            // A last row without neighbours is its own neighbour: all write the same.
            int second = Math.Min(row + 1, endRow - 1);
            int third = Math.Min(row + 2, endRow - 1);
            float* scores0 = work.Scores + (nint)row * GroupKeys;
            float* scores1 = work.Scores + (nint)second * GroupKeys;
            float* scores2 = work.Scores + (nint)third * GroupKeys;
            for (nint j = 0; j < count; j += 4)
            {
                float* q0 = work.Q + row * step;
                float* q1 = work.Q + second * step;
                float* q2 = work.Q + third * step;
                float* k0 = panel + j * step;
                float* k2 = k0 + 2 * step;
                float* end = q0 + length;
                TVector a0 = TSimd.Zero, a1 = TSimd.Zero, a2 = TSimd.Zero, a3 = TSimd.Zero;
                TVector b0 = TSimd.Zero, b1 = TSimd.Zero, b2 = TSimd.Zero, b3 = TSimd.Zero;
                TVector c0 = TSimd.Zero, c1 = TSimd.Zero, c2 = TSimd.Zero, c3 = TSimd.Zero;
                while (q0 < end)
                {
                    TVector t = TSimd.Load(q0);
                    TVector u = TSimd.Load(q1);
                    TVector v = TSimd.Load(q2);
                    TVector k = TSimd.Load(k0);
                    a0 = TSimd.MultiplyAdd(k, t, a0);
                    b0 = TSimd.MultiplyAdd(k, u, b0);
                    c0 = TSimd.MultiplyAdd(k, v, c0);
                    k = TSimd.Load(k0 + step);
                    a1 = TSimd.MultiplyAdd(k, t, a1);
                    b1 = TSimd.MultiplyAdd(k, u, b1);
                    c1 = TSimd.MultiplyAdd(k, v, c1);
                    k = TSimd.Load(k2);
                    a2 = TSimd.MultiplyAdd(k, t, a2);
                    b2 = TSimd.MultiplyAdd(k, u, b2);
                    c2 = TSimd.MultiplyAdd(k, v, c2);
                    k = TSimd.Load(k2 + step);
                    a3 = TSimd.MultiplyAdd(k, t, a3);
                    b3 = TSimd.MultiplyAdd(k, u, b3);
                    c3 = TSimd.MultiplyAdd(k, v, c3);
                    q0 += TSimd.Count;
                    q1 += TSimd.Count;
                    q2 += TSimd.Count;
                    k0 += TSimd.Count;
                    k2 += TSimd.Count;
                }

                Simd128.Store(scores0 + j, TSimd.Sum(a0, a1, a2, a3));
                Simd128.Store(scores1 + j, TSimd.Sum(b0, b1, b2, b3));
                Simd128.Store(scores2 + j, TSimd.Sum(c0, c1, c2, c3));
            }
        }
    }

    /// <summary>values[row] = correction · values[row] + Σ exponential · v, three rows and four vectors at a time.</summary>
    private static void AddPanel(ref readonly Work work, in SoftmaxState state, byte** values, int count, int firstRow, int endRow)
    {
        int headStep = work.Inputs.HeadStep;
        int row = firstRow;
        for (; row <= endRow - 3; row += 3)
        {
            int d = 0;
            for (; d <= headStep - 4 * TSimd.Count; d += 4 * TSimd.Count)
            {
                AddThree(in work, state, count, row, d);
            }

            for (; d < headStep; d += 2 * TSimd.Count)
            {
                for (int each = row; each < row + 3; each++)
                {
                    AddOne(in work, state, count, each, d);
                }
            }
        }

        if (row < endRow)
        {
            AddValues(in work, state, values, count, row, endRow);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void AddThree(ref readonly Work work, in SoftmaxState state, int count, int row, int d)
    {
        nint step = work.Inputs.HeadStep;
        float* p = work.Scores + (nint)row * GroupKeys;
        float* y = state.Values + row * step + d;
        float* source = work.Panel + d;
        TVector correction = TSimd.Create(work.Corrections[row]);
        TVector a0 = TSimd.Multiply(TSimd.Load(y), correction);
        TVector a1 = TSimd.Multiply(TSimd.Load(y + TSimd.Count), correction);
        TVector a2 = TSimd.Multiply(TSimd.Load(y + 2 * TSimd.Count), correction);
        TVector a3 = TSimd.Multiply(TSimd.Load(y + 3 * TSimd.Count), correction);
        y += step;
        correction = TSimd.Create(work.Corrections[row + 1]);
        TVector b0 = TSimd.Multiply(TSimd.Load(y), correction);
        TVector b1 = TSimd.Multiply(TSimd.Load(y + TSimd.Count), correction);
        TVector b2 = TSimd.Multiply(TSimd.Load(y + 2 * TSimd.Count), correction);
        TVector b3 = TSimd.Multiply(TSimd.Load(y + 3 * TSimd.Count), correction);
        y += step;
        correction = TSimd.Create(work.Corrections[row + 2]);
        TVector c0 = TSimd.Multiply(TSimd.Load(y), correction);
        TVector c1 = TSimd.Multiply(TSimd.Load(y + TSimd.Count), correction);
        TVector c2 = TSimd.Multiply(TSimd.Load(y + 2 * TSimd.Count), correction);
        TVector c3 = TSimd.Multiply(TSimd.Load(y + 3 * TSimd.Count), correction);
        for (float* end = p + count; p < end; p++, source += step)
        {
            TVector s = TSimd.Create(p[0]);
            TVector t = TSimd.Create(p[GroupKeys]);
            TVector u = TSimd.Create(p[2 * GroupKeys]);
            TVector v = TSimd.Load(source);
            a0 = TSimd.MultiplyAdd(s, v, a0);
            b0 = TSimd.MultiplyAdd(t, v, b0);
            c0 = TSimd.MultiplyAdd(u, v, c0);
            v = TSimd.Load(source + TSimd.Count);
            a1 = TSimd.MultiplyAdd(s, v, a1);
            b1 = TSimd.MultiplyAdd(t, v, b1);
            c1 = TSimd.MultiplyAdd(u, v, c1);
            v = TSimd.Load(source + 2 * TSimd.Count);
            a2 = TSimd.MultiplyAdd(s, v, a2);
            b2 = TSimd.MultiplyAdd(t, v, b2);
            c2 = TSimd.MultiplyAdd(u, v, c2);
            v = TSimd.Load(source + 3 * TSimd.Count);
            a3 = TSimd.MultiplyAdd(s, v, a3);
            b3 = TSimd.MultiplyAdd(t, v, b3);
            c3 = TSimd.MultiplyAdd(u, v, c3);
        }

        TSimd.Store(y, c0);
        TSimd.Store(y + TSimd.Count, c1);
        TSimd.Store(y + 2 * TSimd.Count, c2);
        TSimd.Store(y + 3 * TSimd.Count, c3);
        y -= step;
        TSimd.Store(y, b0);
        TSimd.Store(y + TSimd.Count, b1);
        TSimd.Store(y + 2 * TSimd.Count, b2);
        TSimd.Store(y + 3 * TSimd.Count, b3);
        y -= step;
        TSimd.Store(y, a0);
        TSimd.Store(y + TSimd.Count, a1);
        TSimd.Store(y + 2 * TSimd.Count, a2);
        TSimd.Store(y + 3 * TSimd.Count, a3);
    }

    /// <summary>The same for one row and two vectors.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void AddOne(ref readonly Work work, in SoftmaxState state, int count, int row, int d)
    {
        nint step = work.Inputs.HeadStep;
        float* p = work.Scores + (nint)row * GroupKeys;
        float* y = state.Values + row * step + d;
        float* source = work.Panel + d;
        TVector correction = TSimd.Create(work.Corrections[row]);
        TVector a0 = TSimd.Multiply(TSimd.Load(y), correction);
        TVector a1 = TSimd.Multiply(TSimd.Load(y + TSimd.Count), correction);
        for (float* end = p + count; p < end; p++, source += step)
        {
            TVector s = TSimd.Create(p[0]);
            a0 = TSimd.MultiplyAdd(s, TSimd.Load(source), a0);
            a1 = TSimd.MultiplyAdd(s, TSimd.Load(source + TSimd.Count), a1);
        }

        TSimd.Store(y, a0);
        TSimd.Store(y + TSimd.Count, a1);
    }
}
