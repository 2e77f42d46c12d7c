using System.Runtime.Intrinsics;

namespace Quire.Cpu.Simd;

/// <summary>
/// What the kernels need of vectors of floats, so that each is written once. Implementations are structs used as type arguments: the
/// compiler specialises every kernel for each of them, and a call is the instruction itself.
/// </summary>
/// <typeparam name="TVector">A vector of <see cref="Count"/> floats.</typeparam>
internal unsafe interface ISimd<TVector>
    where TVector : unmanaged
{
    /// <summary>Floats in a vector: 1, 4, 8 or 16.</summary>
    static abstract int Count { get; }

    static abstract TVector Zero { get; }

    static abstract TVector Create(float value);

    static abstract TVector Load(float* source);

    /// <summary>Loads <see cref="Count"/> BF16 numbers; exact.</summary>
    static abstract TVector LoadBFloat16(ushort* source);

    /// <summary>
    /// Of 2 · <see cref="Count"/> BF16 numbers those with even index: one shift, since two numbers share 32 bits. Exact.
    /// </summary>
    static abstract TVector LoadEvenBFloat16(ushort* source);

    /// <summary>Of 2 · <see cref="Count"/> BF16 numbers those with odd index: one mask. Exact.</summary>
    static abstract TVector LoadOddBFloat16(ushort* source);

    /// <summary>Loads <see cref="Count"/> F16 numbers; exact.</summary>
    static abstract TVector LoadHalf(ushort* source);

    /// <summary>
    /// Loads <see cref="Count"/> bytes as whole numbers from 0 to 255, in a form of its own: only the operations below make floats of it.
    /// </summary>
    static abstract TVector LoadBytes(byte* source);

    /// <summary>Loads <see cref="Count"/> bytes as whole numbers from −128 to 127, in the same form.</summary>
    static abstract TVector LoadSignedBytes(byte* source);

    /// <summary>The lower four bits of whole numbers that <see cref="LoadBytes"/> loaded, as floats.</summary>
    static abstract TVector LowNibbles(TVector integers);

    /// <summary>The upper four bits of whole numbers that <see cref="LoadBytes"/> loaded, as floats.</summary>
    static abstract TVector HighNibbles(TVector integers);

    /// <summary>The entries of a table of 16 floats that the lower four bits of whole numbers choose.</summary>
    static abstract TVector LookUpLowNibbles(TVector integers, float* table);

    /// <summary>The entries of a table of 16 floats that the upper four bits of whole numbers choose.</summary>
    static abstract TVector LookUpHighNibbles(TVector integers, float* table);

    /// <summary>Whole numbers that <see cref="LoadBytes"/> or <see cref="LoadSignedBytes"/> loaded, as floats.</summary>
    static abstract TVector ToFloats(TVector integers);

    /// <summary>Loads <see cref="Count"/> FP8 E4M3 numbers; exact, but for NaN, which becomes ±480.</summary>
    static abstract TVector LoadFloat8(byte* source);

    static abstract void Store(float* target, TVector value);

    /// <summary>Stores as BF16, rounded to nearest, ties to even.</summary>
    static abstract void StoreBFloat16(ushort* target, TVector value);

    static abstract TVector Add(TVector a, TVector b);

    static abstract TVector Subtract(TVector a, TVector b);

    static abstract TVector Multiply(TVector a, TVector b);

    static abstract TVector Divide(TVector a, TVector b);

    /// <summary>a · b + c; rounded once where the processor fuses, twice elsewhere, always the same on one machine.</summary>
    static abstract TVector MultiplyAdd(TVector a, TVector b, TVector c);

    /// <summary>The lesser of both; b where either is not a number.</summary>
    static abstract TVector Min(TVector a, TVector b);

    /// <summary>The greater of both; b where either is not a number.</summary>
    static abstract TVector Max(TVector a, TVector b);

    static abstract TVector Abs(TVector a);

    /// <summary>2ⁿ for whole n from −126 to 127.</summary>
    static abstract TVector PowerOfTwo(TVector n);

    /// <summary>a &lt; b ? whenTrue : whenFalse, element by element.</summary>
    static abstract TVector SelectLess(TVector a, TVector b, TVector whenTrue, TVector whenFalse);

    /// <summary>
    /// Adds up the elements in the fixed order that every kernel relies on: halves onto each other down to four, then
    /// (e0 + e2) + (e1 + e3).
    /// </summary>
    static abstract float Sum(TVector a);

    /// <summary>The sums of four vectors at once, bit for bit the same.</summary>
    static abstract Vector128<float> Sum(TVector a, TVector b, TVector c, TVector d);

    /// <summary>The greatest element.</summary>
    static abstract float MaxAcross(TVector a);
}
