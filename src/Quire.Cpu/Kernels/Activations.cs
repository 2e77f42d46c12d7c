using System.Runtime.CompilerServices;
using Quire.Cpu.Simd;

namespace Quire.Cpu.Kernels;

/// <summary>An element-wise function as a type argument.</summary>
internal interface IActivation
{
    static abstract TVector Apply<TSimd, TVector>(TVector x)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged;
}

/// <summary>x · sigmoid(x).</summary>
internal readonly struct Silu : IActivation
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Apply<TSimd, TVector>(TVector x)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged => TSimd.Multiply(x, VectorMath<TSimd, TVector>.Sigmoid(x));
}

/// <summary>The tanh form of GELU, as x · sigmoid(2u), since (1 + tanh u) / 2 = sigmoid(2u).</summary>
internal readonly struct GeluTanh : IActivation
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Apply<TSimd, TVector>(TVector x)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
    {
        // 2 √(2/π) (x + 0.044715 x³)
        TVector square = TSimd.Multiply(x, x);
        TVector inner = TSimd.MultiplyAdd(TSimd.Create(0.0713548163f), square, TSimd.Create(1.59576912f));
        return TSimd.Multiply(x, VectorMath<TSimd, TVector>.Sigmoid(TSimd.Multiply(inner, x)));
    }
}

/// <summary>0.5 x (1 + erf(x / √2)).</summary>
internal readonly struct GeluErf : IActivation
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Apply<TSimd, TVector>(TVector x)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
    {
        TVector erf = VectorMath<TSimd, TVector>.Erf(TSimd.Multiply(x, TSimd.Create(0.707106781f)));
        TVector half = TSimd.Multiply(x, TSimd.Create(0.5f));
        return TSimd.MultiplyAdd(half, erf, half);
    }
}

/// <summary>max(x, 0).</summary>
internal readonly struct Relu : IActivation
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Apply<TSimd, TVector>(TVector x)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged => TSimd.Max(TSimd.Zero, x);
}
