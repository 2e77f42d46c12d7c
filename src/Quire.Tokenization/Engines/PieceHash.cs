using System;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Security.Cryptography;

namespace Quire.Tokenization.Engines;

/// <summary>
/// A hash of short texts that is fast to make and keyed at random, so that texts cannot be built to collide. Eight bytes at a time are
/// mixed by a multiplication whose halves are folded (as in wyhash by Wang Yi, public domain).
/// </summary>
internal sealed class PieceHash
{
    private readonly ulong _first = Key();
    private readonly ulong _second = Key() | 1;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public ulong Of(ReadOnlySpan<char> text) => Of(MemoryMarshal.AsBytes(text));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public ulong Of(ReadOnlySpan<byte> bytes)
    {
        ulong hash = _first ^ (uint)bytes.Length;
        ref byte start = ref MemoryMarshal.GetReference(bytes);
        nint i = 0;
        for (; i <= bytes.Length - 8; i += 8)
            hash = Fold(hash ^ Unsafe.ReadUnaligned<ulong>(ref Unsafe.Add(ref start, i)), _second);
        ulong tail = 0;
        for (; i < bytes.Length; i++)
            tail = tail << 8 | Unsafe.Add(ref start, i);
        return Fold(hash ^ tail, _second);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ulong Fold(ulong a, ulong b)
    {
        ulong high = Math.BigMul(a, b, out ulong low);
        return high ^ low;
    }

    private static ulong Key() => BitConverter.ToUInt64(RandomNumberGenerator.GetBytes(8));
}
