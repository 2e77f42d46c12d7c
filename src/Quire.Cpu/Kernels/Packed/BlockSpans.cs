using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Quire.Cpu.Simd;

namespace Quire.Cpu.Kernels.Packed;

/// <summary>What block layouts have in common.</summary>
internal static unsafe class BlockSpans
{
    private const uint ExponentMask = 0x7C00;

    /// <summary>An F16 number as a float.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Half(byte* source)
    {
        // As the vector form: the exponent and mantissa at their place in a float stand for a number that is 2¹¹² too small.
        uint bits = *(ushort*)source;
        float scaled = System.BitConverter.UInt32BitsToSingle((bits & 0x7FFF) << 13) * HalfFormat.Rescale;
        uint special = (bits & ExponentMask) == ExponentMask ? HalfFormat.InfinityBits : 0;
        return System.BitConverter.UInt32BitsToSingle(System.BitConverter.SingleToUInt32Bits(scaled) | special | (bits & 0x8000) << 16);
    }

    /// <summary>target[i] = scale · q[i] + offset for 16 unsigned bytes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Sixteen<TSimd, TVector>(byte* quants, float scale, float offset, float* target)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
    {
        TVector factor = TSimd.Create(scale);
        TVector addend = TSimd.Create(offset);
        for (int i = 0; i < 16; i += TSimd.Count)
        {
            TSimd.Store(target + i, TSimd.MultiplyAdd(TSimd.ToFloats(TSimd.LoadBytes(quants + i)), factor, addend));
        }
    }

    /// <summary>Of 16 bytes the lower halves to target, the upper halves to <paramref name="high"/>, each with its scale and offset.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Nibbles<TSimd, TVector>(byte* pairs, float scale, float offset, float* target, float highScale, float highOffset, float* high)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
    {
        TVector factor = TSimd.Create(scale);
        TVector addend = TSimd.Create(offset);
        TVector highFactor = TSimd.Create(highScale);
        TVector highAddend = TSimd.Create(highOffset);
        for (int i = 0; i < 16; i += TSimd.Count)
        {
            TVector both = TSimd.LoadBytes(pairs + i);
            TSimd.Store(target + i, TSimd.MultiplyAdd(TSimd.LowNibbles(both), factor, addend));
            TSimd.Store(high + i, TSimd.MultiplyAdd(TSimd.HighNibbles(both), highFactor, highAddend));
        }
    }

    /// <summary>Each byte shifted right by <paramref name="bits"/>, and of that what <paramref name="mask"/> leaves.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<byte> Bits(Vector128<byte> bytes, int bits, byte mask) =>
        Vector128.ShiftRightLogical(bytes.AsUInt16(), bits).AsByte() & Vector128.Create(mask);

    /// <summary>Bit i of 16 as 16 in byte i: the fifth bit of 16 values.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<byte> FifthBits(ushort bits) => Vector128.Create(FifthBits((byte)bits), FifthBits((byte)(bits >> 8))).AsByte();

    // Eight copies of the byte, of which each keeps one bit; adding 127 carries whatever bit it is to the top one.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ulong FifthBits(byte bits)
    {
        ulong one = (bits * 0x0101_0101_0101_0101UL) & 0x8040_2010_0804_0201UL;
        return ((one + 0x7F7F_7F7F_7F7F_7F7FUL) & 0x8080_8080_8080_8080UL) >> 3;
    }
}
