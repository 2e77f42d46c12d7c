using System;
using System.Runtime.Intrinsics;
using Quire.Cpu.Simd;
using Quire.Tensors;

namespace Quire.Kernels.Tests;

public unsafe class VectorMathTests
{
    [Fact]
    public void The_exponential_keeps_its_error_bound()
    {
        CheckExp<Simd256, Vector256<float>>();
        CheckExp<Simd128, Vector128<float>>();
        CheckExp<SimdScalar, float>();
    }

    [Fact]
    public void The_exponential_of_zero_is_exactly_one_and_of_minus_infinity_zero()
    {
        Assert.Equal(1f, Exp<Simd256, Vector256<float>>(0f));
        Assert.Equal(1f, Exp<SimdScalar, float>(0f));
        Assert.Equal(0f, Exp<Simd256, Vector256<float>>(float.NegativeInfinity));
        Assert.Equal(0f, Exp<Simd256, Vector256<float>>(-200f));
        Assert.Equal(0f, Exp<SimdScalar, float>(float.NegativeInfinity));
        Assert.True(float.IsNaN(Exp<Simd256, Vector256<float>>(float.NaN)));
        Assert.True(float.IsNaN(Exp<SimdScalar, float>(float.NaN)));
        Assert.InRange(Exp<Simd256, Vector256<float>>(float.PositiveInfinity), 2e38f, float.MaxValue);
    }

    [Fact]
    public void The_hyperbolic_tangent_keeps_its_error_bound()
    {
        for (float x = -12f; x <= 12f; x += 0.00113f)
        {
            double expected = Math.Tanh(x);
            float actual = VectorMath<Simd256, Vector256<float>>.Tanh(Vector256.Create(x)).ToScalar();
            Assert.True(Math.Abs(actual - expected) <= 5e-7 * Math.Abs(expected), $"tanh({x:R}) = {actual:R}");
        }
    }

    [Fact]
    public void Every_half_is_expanded_exactly_in_every_width()
    {
        ushort* halves = stackalloc ushort[16];
        float* widened = stackalloc float[16];
        for (int start = 0; start < 65536; start += 16)
        {
            for (int i = 0; i < 16; i++)
            {
                halves[i] = (ushort)(start + i);
            }

            Simd256.Store(widened, Simd256.LoadHalf(halves));
            Simd128.Store(widened + 8, Simd128.LoadHalf(halves + 8));
            Simd128.Store(widened + 12, Simd128.LoadHalf(halves + 12));
            for (int i = 0; i < 16; i++)
            {
                float expected = FloatConversions.HalfToSingle(halves[i]);
                bool same = float.IsNaN(expected)
                    ? float.IsNaN(widened[i])
                    : BitConverter.SingleToUInt32Bits(expected) == BitConverter.SingleToUInt32Bits(widened[i]);
                Assert.True(same, $"half {halves[i]:X4} became {widened[i]:R}");
            }

            Simd512.Store(widened, Simd512.LoadHalf(halves));
            Assert.True(float.IsNaN(widened[13]) || widened[13] == FloatConversions.HalfToSingle(halves[13]));
        }
    }

    [Fact]
    public void Four_sums_at_once_have_the_bits_of_single_sums()
    {
        var random = new Random(5);
        float* numbers = stackalloc float[64];
        for (int round = 0; round < 1000; round++)
        {
            for (int i = 0; i < 64; i++)
            {
                numbers[i] = (float)(random.NextDouble() - 0.5) * MathF.Pow(10, random.Next(-6, 7));
            }

            CheckSums<Simd512, Vector512<float>>(numbers);
            CheckSums<Simd256, Vector256<float>>(numbers);
            CheckSums<Simd128, Vector128<float>>(numbers);
        }
    }

    private static void CheckSums<TSimd, TVector>(float* numbers)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
    {
        TVector a = TSimd.Load(numbers);
        TVector b = TSimd.Load(numbers + 16);
        TVector c = TSimd.Load(numbers + 32);
        TVector d = TSimd.Load(numbers + 48);
        Assert.Equal(Vector128.Create(TSimd.Sum(a), TSimd.Sum(b), TSimd.Sum(c), TSimd.Sum(d)), TSimd.Sum(a, b, c, d));
    }

    private static void CheckExp<TSimd, TVector>()
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
    {
        for (float x = -87.33f; x <= 88.37f; x += 0.00217f)
        {
            double expected = Math.Exp(x);
            float actual = Exp<TSimd, TVector>(x);
            Assert.True(Math.Abs(actual - expected) <= 3e-7 * expected, $"exp({x:R}) = {actual:R}, expected {expected:R}");
        }
    }

    private static float Exp<TSimd, TVector>(float x)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged => TSimd.MaxAcross(VectorMath<TSimd, TVector>.Exp(TSimd.Create(x)));
}
