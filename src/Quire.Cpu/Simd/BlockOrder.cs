using System;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Quire.Cpu.Simd;

/// <summary>
/// The order in which <see cref="IElement.LoadFirst{TSimd, TVector}"/> and <see cref="IElement.LoadSecond{TSimd, TVector}"/> give the
/// elements of a row: blocks of two vectors, and within a block perhaps the even elements first. Rows in this order are padded with
/// zeros to whole blocks.
/// </summary>
internal static unsafe class BlockOrder<TSimd, TVector, TElement>
    where TSimd : struct, ISimd<TVector>
    where TVector : unmanaged
    where TElement : struct, IElement
{
    /// <summary>Elements of a block.</summary>
    public static int Block => 2 * TSimd.Count;

    /// <summary>target = the <paramref name="count"/> elements of source in block order, and zeros up to a whole block.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Arrange(float* source, float* target, int count)
    {
        int full = count - count % Block;
        if (TElement.TakesTurns)
        {
            for (nint i = 0; i < full; i += Block)
            {
                SplitBlock(source + i, target + i);
            }
        }
        else
        {
            new ReadOnlySpan<float>(source, full).CopyTo(new Span<float>(target, full));
        }

        if (full < count)
        {
            new Span<float>(target + full, Block).Clear();
            for (int i = full; i < count; i++)
            {
                target[full + Index(i - full)] = source[i];
            }
        }
    }

    /// <summary>target = the first <paramref name="count"/> elements of a row in block order, times a factor, in their own order.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Restore(float* source, float factor, float* target, int count)
    {
        if (!TElement.TakesTurns)
        {
            for (int i = 0; i < count; i++)
            {
                target[i] = source[i] * factor;
            }

            return;
        }

        int full = count - count % Block;
        for (nint i = 0; i < full; i += Block)
        {
            JoinBlock(source + i, factor, target + i);
        }

        for (int i = full; i < count; i++)
        {
            target[i] = source[full + Index(i - full)] * factor;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void SplitBlock(float* source, float* target)
    {
        if (Sse.IsSupported && TSimd.Count >= 4)
        {
            for (nint j = 0; j < TSimd.Count; j += 4)
            {
                Vector128<float> low = Vector128.Load(source + 2 * j);
                Vector128<float> high = Vector128.Load(source + 2 * j + 4);
                Sse.Shuffle(low, high, 0b10_00_10_00).Store(target + j);
                Sse.Shuffle(low, high, 0b11_01_11_01).Store(target + TSimd.Count + j);
            }

            return;
        }

        for (int j = 0; j < TSimd.Count; j++)
        {
            target[j] = source[2 * j];
            target[TSimd.Count + j] = source[2 * j + 1];
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void JoinBlock(float* source, float factor, float* target)
    {
        if (Sse.IsSupported && TSimd.Count >= 4)
        {
            Vector128<float> factors = Vector128.Create(factor);
            for (nint j = 0; j < TSimd.Count; j += 4)
            {
                Vector128<float> even = Vector128.Load(source + j) * factors;
                Vector128<float> odd = Vector128.Load(source + TSimd.Count + j) * factors;
                Sse.UnpackLow(even, odd).Store(target + 2 * j);
                Sse.UnpackHigh(even, odd).Store(target + 2 * j + 4);
            }

            return;
        }

        for (int j = 0; j < TSimd.Count; j++)
        {
            target[2 * j] = source[j] * factor;
            target[2 * j + 1] = source[TSimd.Count + j] * factor;
        }
    }

    /// <summary>Where an element of a block stands in block order.</summary>
    private static int Index(int element) => TElement.TakesTurns ? element / 2 + element % 2 * TSimd.Count : element;
}
