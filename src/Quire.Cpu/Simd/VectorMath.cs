using System.Runtime.CompilerServices;

namespace Quire.Cpu.Simd;

/// <summary>Elementary functions on vectors, from polynomials. Each element's result depends on that element alone.</summary>
internal static class VectorMath<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>
    where TVector : unmanaged
{
    /// <summary>ln of the smallest normal float; below it the exponential is taken as 0.</summary>
    private const float ExpLowest = -87.33654f;

    /// <summary>Above this the exponential stays at about 2.4e38 instead of growing to infinity.</summary>
    private const float ExpHighest = 88.37626f;

    /// <summary>
    /// eˣ with a relative error below 3e-7: x = n·ln 2 + r with |r| ≤ ½·ln 2 (ln 2 in two parts), a polynomial of degree 6 for eʳ
    /// (coefficients of Cephes' expf, S. Moshier), times 2ⁿ. Exactly 1 at 0; 0 below −87.34.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Exp(TVector x)
    {
        // The second operand of Min and Max is the result where there is a NaN, so x comes second to pass it on.
        TVector limited = TSimd.Max(TSimd.Create(ExpLowest), TSimd.Min(TSimd.Create(ExpHighest), x));
        TVector magic = TSimd.Create(12582912f);
        TVector n = TSimd.Subtract(TSimd.MultiplyAdd(limited, TSimd.Create(1.44269504f), magic), magic);
        TVector r = TSimd.MultiplyAdd(n, TSimd.Create(-0.693359375f), limited);
        r = TSimd.MultiplyAdd(n, TSimd.Create(2.12194440e-4f), r);
        TVector p = TSimd.MultiplyAdd(TSimd.Create(1.9875691500e-4f), r, TSimd.Create(1.3981999507e-3f));
        p = TSimd.MultiplyAdd(p, r, TSimd.Create(8.3334519073e-3f));
        p = TSimd.MultiplyAdd(p, r, TSimd.Create(4.1665795894e-2f));
        p = TSimd.MultiplyAdd(p, r, TSimd.Create(1.6666665459e-1f));
        p = TSimd.MultiplyAdd(p, r, TSimd.Create(5.0000001201e-1f));
        TVector result = TSimd.Add(TSimd.MultiplyAdd(TSimd.Multiply(p, r), r, r), TSimd.Create(1f));
        result = TSimd.Multiply(result, TSimd.PowerOfTwo(n));
        return TSimd.SelectLess(x, TSimd.Create(ExpLowest), TSimd.Zero, result);
    }

    /// <summary>
    /// tanh x with a relative error below 5e-7: an odd polynomial up to 0.625 (Cephes' tanhf), 1 − 2 / (e²ˣ + 1) beyond.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Tanh(TVector x)
    {
        TVector magnitude = TSimd.Abs(x);
        TVector square = TSimd.Multiply(x, x);
        TVector p = TSimd.MultiplyAdd(TSimd.Create(-5.70498872745e-3f), square, TSimd.Create(2.06390887954e-2f));
        p = TSimd.MultiplyAdd(p, square, TSimd.Create(-5.37397155531e-2f));
        p = TSimd.MultiplyAdd(p, square, TSimd.Create(1.33314422036e-1f));
        p = TSimd.MultiplyAdd(p, square, TSimd.Create(-3.33332819422e-1f));
        TVector near = TSimd.MultiplyAdd(TSimd.Multiply(p, square), x, x);
        TVector one = TSimd.Create(1f);
        TVector exponential = Exp(TSimd.Add(magnitude, magnitude));
        TVector far = TSimd.Subtract(one, TSimd.Divide(TSimd.Create(2f), TSimd.Add(exponential, one)));
        far = TSimd.SelectLess(x, TSimd.Zero, TSimd.Subtract(TSimd.Zero, far), far);
        return TSimd.SelectLess(magnitude, TSimd.Create(0.625f), near, far);
    }

    /// <summary>1 / (1 + e⁻ˣ).</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Sigmoid(TVector x)
    {
        TVector one = TSimd.Create(1f);
        return TSimd.Divide(one, TSimd.Add(one, Exp(TSimd.Subtract(TSimd.Zero, x))));
    }

    /// <summary>
    /// The error function with an absolute error below 3e-7: 1 − (a₁t + … + a₅t⁵)·e^(−x²) with t = 1 / (1 + 0.3275911·|x|)
    /// (Abramowitz and Stegun, 7.1.26: 1.5e-7 before rounding).
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Erf(TVector x)
    {
        TVector one = TSimd.Create(1f);
        TVector magnitude = TSimd.Abs(x);
        TVector t = TSimd.Divide(one, TSimd.MultiplyAdd(TSimd.Create(0.3275911f), magnitude, one));
        TVector p = TSimd.MultiplyAdd(TSimd.Create(1.061405429f), t, TSimd.Create(-1.453152027f));
        p = TSimd.MultiplyAdd(p, t, TSimd.Create(1.421413741f));
        p = TSimd.MultiplyAdd(p, t, TSimd.Create(-0.284496736f));
        p = TSimd.MultiplyAdd(p, t, TSimd.Create(0.254829592f));
        TVector tail = TSimd.Multiply(TSimd.Multiply(p, t), Exp(TSimd.Subtract(TSimd.Zero, TSimd.Multiply(x, x))));
        TVector positive = TSimd.Subtract(one, tail);
        return TSimd.SelectLess(x, TSimd.Zero, TSimd.Subtract(TSimd.Zero, positive), positive);
    }
}
