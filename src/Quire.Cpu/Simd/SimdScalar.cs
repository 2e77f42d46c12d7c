using System;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Quire.Tensors;

namespace Quire.Cpu.Simd;

/// <summary>Vectors of one float.</summary>
internal readonly unsafe struct SimdScalar : ISimd<float>
{
    public static int Count => 1;

    public static float Zero => 0;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Create(float value) => value;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Load(float* source) => *source;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float LoadBFloat16(ushort* source) => FloatConversions.BFloat16ToSingle(*source);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float LoadEvenBFloat16(ushort* source) => FloatConversions.BFloat16ToSingle(source[0]);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float LoadOddBFloat16(ushort* source) => FloatConversions.BFloat16ToSingle(source[1]);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float LoadHalf(ushort* source) => FloatConversions.HalfToSingle(*source);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float LoadBytes(byte* source) => *source;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float LoadSignedBytes(byte* source) => (sbyte)*source;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float LowNibbles(float integers) => (int)integers & 15;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float HighNibbles(float integers) => (int)integers >> 4;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float LookUpLowNibbles(float integers, float* table) => table[(int)integers & 15];

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float LookUpHighNibbles(float integers, float* table) => table[(int)integers >> 4];

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float ToFloats(float integers) => integers;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float LoadFloat8(byte* source) =>
        BitConverter.UInt32BitsToSingle((uint)((sbyte)*source << 20) & Float8Format.Bits) * Float8Format.Rescale;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(float* target, float value) => *target = value;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StoreBFloat16(ushort* target, float value) => *target = FloatConversions.SingleToBFloat16(value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Add(float a, float b) => a + b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Subtract(float a, float b) => a - b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Multiply(float a, float b) => a * b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Divide(float a, float b) => a / b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float MultiplyAdd(float a, float b, float c) => a * b + c;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Min(float a, float b) => a < b ? a : b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Max(float a, float b) => a > b ? a : b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Abs(float a) => MathF.Abs(a);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float PowerOfTwo(float n) => BitConverter.Int32BitsToSingle(((int)n + 127) << 23);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float SelectLess(float a, float b, float whenTrue, float whenFalse) => a < b ? whenTrue : whenFalse;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Sum(float a) => a;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Sum(float a, float b, float c, float d) => Vector128.Create(a, b, c, d);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float MaxAcross(float a) => a;
}
