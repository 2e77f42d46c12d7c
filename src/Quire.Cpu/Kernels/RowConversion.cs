using System.Runtime.CompilerServices;
using Quire.Cpu.Simd;

namespace Quire.Cpu.Kernels;

/// <summary>Converts runs of elements between a tensor's type and F32.</summary>
internal static unsafe class RowConversion<TSimd, TVector, TElement>
    where TSimd : struct, ISimd<TVector>
    where TVector : unmanaged
    where TElement : struct, IElement
{
    /// <summary>target[i] = source[i] as a float; exact.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Expand(byte* source, float* target, int count)
    {
        nint i = 0;
        for (; i <= count - TSimd.Count; i += TSimd.Count)
        {
            TSimd.Store(target + i, TElement.Load<TSimd, TVector>(source + i * TElement.Size));
        }

        if (i < count)
        {
            TVector tail = Partial.Load<TSimd, TVector, TElement>(source + i * TElement.Size, (int)(count - i));
            Partial.Store<TSimd, TVector, F32Element>((byte*)(target + i), tail, (int)(count - i));
        }
    }

    /// <summary>target[i] = scale · source[i] as a float.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void ExpandScaled(byte* source, float scale, float* target, int count)
    {
        TVector factor = TSimd.Create(scale);
        nint i = 0;
        for (; i <= count - TSimd.Count; i += TSimd.Count)
        {
            TSimd.Store(target + i, TSimd.Multiply(factor, TElement.Load<TSimd, TVector>(source + i * TElement.Size)));
        }

        if (i < count)
        {
            TVector tail = Partial.Load<TSimd, TVector, TElement>(source + i * TElement.Size, (int)(count - i));
            Partial.Store<TSimd, TVector, F32Element>((byte*)(target + i), TSimd.Multiply(factor, tail), (int)(count - i));
        }
    }

    /// <summary>target[i] = source[i], rounded to nearest.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Narrow(float* source, byte* target, int count)
    {
        nint i = 0;
        for (; i <= count - TSimd.Count; i += TSimd.Count)
        {
            TElement.Store<TSimd, TVector>(target + i * TElement.Size, TSimd.Load(source + i));
        }

        if (i < count)
        {
            TVector tail = Partial.Load<TSimd, TVector, F32Element>((byte*)(source + i), (int)(count - i));
            Partial.Store<TSimd, TVector, TElement>(target + i * TElement.Size, tail, (int)(count - i));
        }
    }
}
