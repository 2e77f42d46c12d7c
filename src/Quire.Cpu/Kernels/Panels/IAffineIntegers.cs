using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Quire.Cpu.Kernels.Panels;

/// <summary>How integers of a panel become 16-bit numbers on AVX2.</summary>
internal unsafe interface IAffineIntegers
{
    static abstract PanelFormat Format { get; }

    static abstract int GroupBytes { get; }

    /// <summary>Half of the range: the zero point of symmetric formats.</summary>
    static abstract int Half { get; }

    /// <summary>The integer of the checkpoint less the stored one.</summary>
    static abstract int Added { get; }

    /// <summary>Adds the products of a group: x as <see cref="PanelInputForm.Wide"/> of one row.</summary>
    static abstract void Group(byte* w, int* x, ref Vector256<int> a0, ref Vector256<int> a1);

    /// <summary>
    /// A group as 16-bit numbers less the zero point: of each quad first the inputs 0 and 2 of the 16 outputs, then 1 and 3.
    /// </summary>
    static abstract void Expand(byte* w, Vector256<int> minusZero0, Vector256<int> minusZero1, short* target);

    /// <summary>Packs the 32 integers of one output.</summary>
    static abstract void Pack(byte* values, uint* target);
}

/// <summary>Four bits: quad i of a group is the lower, quad i + 4 the upper half of the bytes.</summary>
internal readonly unsafe struct AffineFours : IAffineIntegers
{
    public static PanelFormat Format => PanelFormat.Affine4;

    public static int GroupBytes => 256;

    public static int Half => 8;

    public static int Added => 0;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Group(byte* w, int* x, ref Vector256<int> a0, ref Vector256<int> a1)
    {
        Vector256<ushort> low = Vector256.Create((ushort)15);
        for (nint quad = 0; quad < 4; quad++)
        {
            Vector256<ushort> v = Vector256.Load((ushort*)(w + 64 * quad));
            Vector256<ushort> u = Vector256.Load((ushort*)(w + 64 * quad + 32));
            Vector256<short> x0 = Avx2.BroadcastScalarToVector256(x + 2 * quad).AsInt16();
            Vector256<short> x1 = Avx2.BroadcastScalarToVector256(x + 2 * quad + 8).AsInt16();
            a0 += Avx2.MultiplyAddAdjacent((v & low).AsInt16(), x0);
            a1 += Avx2.MultiplyAddAdjacent((u & low).AsInt16(), x0);
            a0 += Avx2.MultiplyAddAdjacent(((v >>> 4) & low).AsInt16(), x1);
            a1 += Avx2.MultiplyAddAdjacent(((u >>> 4) & low).AsInt16(), x1);
            x0 = Avx2.BroadcastScalarToVector256(x + 2 * quad + 1).AsInt16();
            x1 = Avx2.BroadcastScalarToVector256(x + 2 * quad + 9).AsInt16();
            a0 += Avx2.MultiplyAddAdjacent(((v >>> 8) & low).AsInt16(), x0);
            a1 += Avx2.MultiplyAddAdjacent(((u >>> 8) & low).AsInt16(), x0);
            a0 += Avx2.MultiplyAddAdjacent((v >>> 12).AsInt16(), x1);
            a1 += Avx2.MultiplyAddAdjacent((u >>> 12).AsInt16(), x1);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Expand(byte* w, Vector256<int> minusZero0, Vector256<int> minusZero1, short* target)
    {
        Vector256<ushort> low = Vector256.Create((ushort)15);
        Vector256<short> z0 = Twice(minusZero0);
        Vector256<short> z1 = Twice(minusZero1);
        for (nint quad = 0; quad < 4; quad++)
        {
            Vector256<ushort> v = Vector256.Load((ushort*)(w + 64 * quad));
            Vector256<ushort> u = Vector256.Load((ushort*)(w + 64 * quad + 32));
            ((v & low).AsInt16() + z0).Store(target + 64 * quad);
            ((u & low).AsInt16() + z1).Store(target + 64 * quad + 16);
            (((v >>> 8) & low).AsInt16() + z0).Store(target + 64 * quad + 32);
            (((u >>> 8) & low).AsInt16() + z1).Store(target + 64 * quad + 48);
            (((v >>> 4) & low).AsInt16() + z0).Store(target + 64 * quad + 256);
            (((u >>> 4) & low).AsInt16() + z1).Store(target + 64 * quad + 272);
            ((v >>> 12).AsInt16() + z0).Store(target + 64 * quad + 288);
            ((u >>> 12).AsInt16() + z1).Store(target + 64 * quad + 304);
        }
    }

    public static void Pack(byte* values, uint* target)
    {
        for (nint quad = 0; quad < 4; quad++)
        {
            target[quad * PanelLayout.PanelOutputs] =
                Unsafe.ReadUnaligned<uint>(values + 4 * quad) | Unsafe.ReadUnaligned<uint>(values + 16 + 4 * quad) << 4;
        }
    }

    /// <summary>Numbers of 32 bits as pairs of the same number of 16.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static Vector256<short> Twice(Vector256<int> values) => ((values & Vector256.Create(0xFFFF)) | (values << 16)).AsInt16();
}

/// <summary>Bytes with sign: the integers less 128.</summary>
internal readonly unsafe struct AffineEights : IAffineIntegers
{
    public static PanelFormat Format => PanelFormat.Affine8;

    public static int GroupBytes => 512;

    public static int Half => 128;

    public static int Added => 128;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Group(byte* w, int* x, ref Vector256<int> a0, ref Vector256<int> a1)
    {
        for (nint quad = 0; quad < PanelLayout.GroupQuads; quad++)
        {
            Vector256<short> v = Vector256.Load((short*)(w + 64 * quad));
            Vector256<short> u = Vector256.Load((short*)(w + 64 * quad + 32));
            Vector256<short> x0 = Avx2.BroadcastScalarToVector256(x + 2 * quad).AsInt16();
            Vector256<short> x1 = Avx2.BroadcastScalarToVector256(x + 2 * quad + 1).AsInt16();
            a0 += Avx2.MultiplyAddAdjacent(v << 8 >> 8, x0);
            a1 += Avx2.MultiplyAddAdjacent(u << 8 >> 8, x0);
            a0 += Avx2.MultiplyAddAdjacent(v >> 8, x1);
            a1 += Avx2.MultiplyAddAdjacent(u >> 8, x1);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Expand(byte* w, Vector256<int> minusZero0, Vector256<int> minusZero1, short* target)
    {
        Vector256<short> z0 = AffineFours.Twice(minusZero0);
        Vector256<short> z1 = AffineFours.Twice(minusZero1);
        for (nint i = 0; i < 512; i += 64)
        {
            Vector256<short> v = Vector256.Load((short*)(w + i));
            Vector256<short> u = Vector256.Load((short*)(w + i + 32));
            ((v << 8 >> 8) + z0).Store(target + i);
            ((u << 8 >> 8) + z1).Store(target + i + 16);
            ((v >> 8) + z0).Store(target + i + 32);
            ((u >> 8) + z1).Store(target + i + 48);
        }
    }

    public static void Pack(byte* values, uint* target)
    {
        for (nint quad = 0; quad < PanelLayout.GroupQuads; quad++)
        {
            target[quad * PanelLayout.PanelOutputs] = Unsafe.ReadUnaligned<uint>(values + 4 * quad) ^ 0x8080_8080;
        }
    }
}
