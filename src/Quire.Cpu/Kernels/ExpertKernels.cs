using System;
using Quire.Cpu.Simd;

namespace Quire.Cpu.Kernels;

/// <summary>Chooses the experts of one row. Scalar: a row has a few hundred experts at most.</summary>
internal unsafe struct RouteKernel : IRowKernel<RouteKernel>
{
    public FloatRows Logits;
    public int Experts;
    public int TopK;
    public bool Normalises;

    /// <summary>[tokens, topK].</summary>
    public int* Ids;

    /// <summary>[tokens, topK].</summary>
    public float* Weights;

    public static void Apply(ref readonly RouteKernel arguments, int row)
    {
        float* logits = arguments.Logits[row];
        int* ids = arguments.Ids + (nint)row * arguments.TopK;
        float* weights = arguments.Weights + (nint)row * arguments.TopK;
        for (int j = 0; j < arguments.TopK; j++)
        {
            ids[j] = Largest(logits, arguments.Experts, ids, j);
        }

        float largest = logits[ids[0]];
        float total = 0;
        for (int j = 0; j < arguments.TopK; j++)
        {
            weights[j] = MathF.Exp(logits[ids[j]] - largest);
            total += weights[j];
        }

        if (!arguments.Normalises)
        {
            total = 0;
            for (int expert = 0; expert < arguments.Experts; expert++)
            {
                total += MathF.Exp(logits[expert] - largest);
            }
        }

        for (int j = 0; j < arguments.TopK; j++)
        {
            weights[j] /= total;
        }
    }

    /// <summary>The first of the largest entries that are not among the taken ones; NaN counts as the least.</summary>
    private static int Largest(float* logits, int count, int* taken, int takenCount)
    {
        int best = -1;
        for (int i = 0; i < count; i++)
        {
            bool better = best < 0 || logits[i] > logits[best] || (float.IsNaN(logits[best]) && !float.IsNaN(logits[i]));
            if (better && !new ReadOnlySpan<int>(taken, takenCount).Contains(i))
            {
                best = i;
            }
        }

        return best;
    }
}

/// <summary>Adds up what the experts of one token gave, weighted, in the order in which they were chosen.</summary>
internal unsafe struct CombineKernel<TSimd, TVector> : IRowKernel<CombineKernel<TSimd, TVector>>
    where TSimd : struct, ISimd<TVector>
    where TVector : unmanaged
{
    public FloatRows X;
    public float* Weights;
    public int TopK;
    public FloatRows Y;
    public int Columns;

    public static void Apply(ref readonly CombineKernel<TSimd, TVector> arguments, int row)
    {
        float* y = arguments.Y[row];
        float* weights = arguments.Weights + (nint)row * arguments.TopK;
        for (int j = 0; j < arguments.TopK; j++)
        {
            float* x = arguments.X[row * arguments.TopK + j];
            TVector weight = TSimd.Create(weights[j]);
            nint c = 0;
            for (; c <= arguments.Columns - TSimd.Count; c += TSimd.Count)
            {
                TVector before = j == 0 ? TSimd.Zero : TSimd.Load(y + c);
                TSimd.Store(y + c, TSimd.MultiplyAdd(TSimd.Load(x + c), weight, before));
            }

            for (; c < arguments.Columns; c++)
            {
                y[c] = (j == 0 ? 0 : y[c]) + x[c] * weights[j];
            }
        }
    }
}
