using System;
using System.Runtime.CompilerServices;
using Quire.Cpu.Simd;

namespace Quire.Cpu.Kernels;

/// <summary>Root mean square norm of each group of a row, after adding another row where there is one.</summary>
internal unsafe struct RmsNormKernel<TSimd, TVector> : IRowKernel<RmsNormKernel<TSimd, TVector>>
    where TSimd : struct, ISimd<TVector>
    where TVector : unmanaged
{
    /// <summary>What is normed, and with <see cref="Adds"/> also the target of the sum.</summary>
    public FloatRows X;
    public FloatRows Addend;
    public bool Adds;
    public FloatRows Y;
    public float* Weight;
    public int Columns;
    public int Group;
    public float Epsilon;
    public float WeightOffset;

    public static void Apply(ref readonly RmsNormKernel<TSimd, TVector> arguments, int row)
    {
        float* x = arguments.X[row];
        float* y = arguments.Y[row];
        for (int start = 0; start < arguments.Columns; start += arguments.Group)
        {
            float* addend = arguments.Adds ? arguments.Addend[row] + start : null;
            float squares = SumOfSquares(x + start, addend, arguments.Group);
            float factor = 1f / MathF.Sqrt(squares / arguments.Group + arguments.Epsilon);
            Normalize(x + start, factor, arguments.Weight, arguments.WeightOffset, y + start, arguments.Group);
        }
    }

    /// <summary>Adds the addend to x, unless it is null, and returns the sum of the squares of x.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static float SumOfSquares(float* x, float* addend, int count)
    {
        TVector s0 = TSimd.Zero, s1 = TSimd.Zero, s2 = TSimd.Zero, s3 = TSimd.Zero;
        nint c = 0;
        for (; c <= count - 4 * TSimd.Count; c += 4 * TSimd.Count)
        {
            s0 = AddSquare(x + c, addend, c, s0);
            s1 = AddSquare(x + c + TSimd.Count, addend, c + TSimd.Count, s1);
            s2 = AddSquare(x + c + 2 * TSimd.Count, addend, c + 2 * TSimd.Count, s2);
            s3 = AddSquare(x + c + 3 * TSimd.Count, addend, c + 3 * TSimd.Count, s3);
        }

        for (; c <= count - TSimd.Count; c += TSimd.Count)
        {
            s0 = AddSquare(x + c, addend, c, s0);
        }

        if (c < count)
        {
            int rest = (int)(count - c);
            TVector value = Partial.Load<TSimd, TVector, F32Element>((byte*)(x + c), rest);
            if (addend != null)
            {
                value = TSimd.Add(value, Partial.Load<TSimd, TVector, F32Element>((byte*)(addend + c), rest));
                Partial.Store<TSimd, TVector, F32Element>((byte*)(x + c), value, rest);
            }

            s1 = TSimd.MultiplyAdd(value, value, s1);
        }

        return TSimd.Sum(TSimd.Add(TSimd.Add(s0, s1), TSimd.Add(s2, s3)));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TVector AddSquare(float* x, float* addend, nint index, TVector sum)
    {
        TVector value = TSimd.Load(x);
        if (addend != null)
        {
            value = TSimd.Add(value, TSimd.Load(addend + index));
            TSimd.Store(x, value);
        }

        return TSimd.MultiplyAdd(value, value, sum);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Normalize(float* x, float factor, float* weight, float weightOffset, float* y, int count)
    {
        TVector factors = TSimd.Create(factor);
        TVector offset = TSimd.Create(weightOffset);
        nint c = 0;
        for (; c <= count - TSimd.Count; c += TSimd.Count)
        {
            TVector scaled = TSimd.Multiply(TSimd.Load(x + c), factors);
            TSimd.Store(y + c, TSimd.Multiply(scaled, TSimd.Add(offset, TSimd.Load(weight + c))));
        }

        if (c < count)
        {
            int rest = (int)(count - c);
            TVector scaled = TSimd.Multiply(Partial.Load<TSimd, TVector, F32Element>((byte*)(x + c), rest), factors);
            TVector weights = TSimd.Add(offset, Partial.Load<TSimd, TVector, F32Element>((byte*)(weight + c), rest));
            Partial.Store<TSimd, TVector, F32Element>((byte*)(y + c), TSimd.Multiply(scaled, weights), rest);
        }
    }
}

/// <summary>Layer norm of each row: the mean first, then the mean square of the differences from it.</summary>
internal unsafe struct LayerNormKernel<TSimd, TVector> : IRowKernel<LayerNormKernel<TSimd, TVector>>
    where TSimd : struct, ISimd<TVector>
    where TVector : unmanaged
{
    public FloatRows X;
    public FloatRows Y;
    public float* Weight;

    /// <summary>Null for none.</summary>
    public float* Bias;
    public int Columns;
    public float Epsilon;

    public static void Apply(ref readonly LayerNormKernel<TSimd, TVector> arguments, int row)
    {
        float* x = arguments.X[row];
        int columns = arguments.Columns;
        float mean = Sum(x, columns, 0, squares: false) / columns;
        float variance = Sum(x, columns, mean, squares: true) / columns;
        float factor = 1f / MathF.Sqrt(variance + arguments.Epsilon);
        Normalize(x, mean, factor, arguments.Weight, arguments.Bias, arguments.Y[row], columns);
    }

    /// <summary>The sum of x − shift, or of its squares.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static float Sum(float* x, int count, float shift, bool squares)
    {
        TVector shifts = TSimd.Create(shift);
        TVector ones = TSimd.Create(1f);
        TVector even = TSimd.Zero, odd = TSimd.Zero;
        nint c = 0;
        for (; c <= count - 2 * TSimd.Count; c += 2 * TSimd.Count)
        {
            TVector a = TSimd.Subtract(TSimd.Load(x + c), shifts);
            TVector b = TSimd.Subtract(TSimd.Load(x + c + TSimd.Count), shifts);
            even = TSimd.MultiplyAdd(a, squares ? a : ones, even);
            odd = TSimd.MultiplyAdd(b, squares ? b : ones, odd);
        }

        float rest = 0;
        for (; c < count; c++)
        {
            float value = x[c] - shift;
            rest += squares ? value * value : value;
        }

        return TSimd.Sum(TSimd.Add(even, odd)) + rest;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Normalize(float* x, float mean, float factor, float* weight, float* bias, float* y, int count)
    {
        TVector means = TSimd.Create(mean);
        TVector factors = TSimd.Create(factor);
        nint c = 0;
        for (; c <= count - TSimd.Count; c += TSimd.Count)
        {
            TVector scaled = TSimd.Multiply(TSimd.Subtract(TSimd.Load(x + c), means), factors);
            TVector added = bias == null ? TSimd.Zero : TSimd.Load(bias + c);
            TSimd.Store(y + c, TSimd.MultiplyAdd(scaled, TSimd.Load(weight + c), added));
        }

        for (; c < count; c++)
        {
            y[c] = (x[c] - mean) * factor * weight[c] + (bias == null ? 0 : bias[c]);
        }
    }
}
