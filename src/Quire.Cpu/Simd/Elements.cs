using System.Runtime.CompilerServices;
using Quire.Tensors;

namespace Quire.Cpu.Simd;

/// <summary>An element type that tensors hold, as a type argument of kernels that read or write it.</summary>
internal unsafe interface IElement
{
    /// <summary>Bytes of one element.</summary>
    static abstract int Size { get; }

    /// <summary>Loads one vector and expands it to floats; exact.</summary>
    static abstract TVector Load<TSimd, TVector>(byte* source)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged;

    /// <summary>
    /// Loads half of a block of two vectors, expanded to floats; exact. Which half is left to the type: what is fastest to load. The
    /// other operand of a product must be in the same order, see <see cref="BlockOrder{TSimd, TVector, TElement}"/>.
    /// </summary>
    static abstract TVector LoadFirst<TSimd, TVector>(byte* block)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged;

    /// <summary>Loads the other half.</summary>
    static abstract TVector LoadSecond<TSimd, TVector>(byte* block)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged;

    /// <summary>True where the halves of a block are its even and its odd elements, false where they are its beginning and its end.</summary>
    static abstract bool TakesTurns { get; }

    /// <summary>Stores one vector, rounded to nearest.</summary>
    static abstract void Store<TSimd, TVector>(byte* target, TVector value)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged;
}

internal readonly unsafe struct F32Element : IElement
{
    public static int Size => 4;

    public static bool TakesTurns => false;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector LoadFirst<TSimd, TVector>(byte* block)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged => TSimd.Load((float*)block);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector LoadSecond<TSimd, TVector>(byte* block)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged => TSimd.Load((float*)block + TSimd.Count);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Load<TSimd, TVector>(byte* source)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged => TSimd.Load((float*)source);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store<TSimd, TVector>(byte* target, TVector value)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged => TSimd.Store((float*)target, value);
}

internal readonly unsafe struct BF16Element : IElement
{
    public static int Size => 2;

    public static bool TakesTurns => true;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector LoadFirst<TSimd, TVector>(byte* block)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged => TSimd.LoadEvenBFloat16((ushort*)block);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector LoadSecond<TSimd, TVector>(byte* block)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged => TSimd.LoadOddBFloat16((ushort*)block);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Load<TSimd, TVector>(byte* source)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged => TSimd.LoadBFloat16((ushort*)source);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store<TSimd, TVector>(byte* target, TVector value)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged => TSimd.StoreBFloat16((ushort*)target, value);
}

internal readonly unsafe struct F16Element : IElement
{
    public static int Size => 2;

    public static bool TakesTurns => false;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector LoadFirst<TSimd, TVector>(byte* block)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged => TSimd.LoadHalf((ushort*)block);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector LoadSecond<TSimd, TVector>(byte* block)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged => TSimd.LoadHalf((ushort*)block + TSimd.Count);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Load<TSimd, TVector>(byte* source)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged => TSimd.LoadHalf((ushort*)source);

    /// <summary>Element by element: only the KV cache is written in F16, which no kernel's speed hangs on.</summary>
    public static void Store<TSimd, TVector>(byte* target, TVector value)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
    {
        for (int i = 0; i < TSimd.Count; i++)
        {
            ((ushort*)target)[i] = FloatConversions.SingleToHalf(((float*)&value)[i]);
        }
    }
}

/// <summary>Loads and stores of the first elements of a vector, for the ends of rows.</summary>
internal static unsafe class Partial
{
    /// <summary>Loads <paramref name="count"/> elements, fewer than a vector has; the others are 0.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public static TVector Load<TSimd, TVector, TElement>(byte* source, int count)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
        where TElement : struct, IElement
    {
        TVector buffer = TSimd.Zero;
        byte* bytes = (byte*)&buffer;
        for (int i = 0; i < count * TElement.Size; i++)
        {
            bytes[i] = source[i];
        }

        return TElement.Load<TSimd, TVector>(bytes);
    }

    /// <summary>Stores the first <paramref name="count"/> elements, fewer than a vector has.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public static void Store<TSimd, TVector, TElement>(byte* target, TVector value, int count)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
        where TElement : struct, IElement
    {
        TVector buffer = TSimd.Zero;
        byte* bytes = (byte*)&buffer;
        TElement.Store<TSimd, TVector>(bytes, value);
        for (int i = 0; i < count * TElement.Size; i++)
        {
            target[i] = bytes[i];
        }
    }
}
