using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Quire.Cpu.Bench;

/// <summary>Products of bytes added up in 16 bits on AVX2 (<c>vpmaddubsw</c>, <c>vpaddw</c>), on ten independent accumulators.</summary>
internal struct ByteProductsJob : IPoolJob<ByteProductsJob>
{
    private const int Rounds = 2000;

    /// <summary>Multiply-adds of one item.</summary>
    public static long MultiplyAdds => 10L * Rounds * Vector256<byte>.Count;

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Execute(ref readonly ByteProductsJob job, int worker, int begin, int end)
    {
        Vector256<byte> x = Vector256.Create((byte)(3 + worker));
        Vector256<short> a = default, b = default, c = default, d = default, e = default;
        Vector256<short> f = default, g = default, h = default, i = default, j = default;
        for (long round = (long)(end - begin) * Rounds; round > 0; round--)
        {
            a += Avx2.MultiplyAddAdjacent(x, a.AsSByte());
            b += Avx2.MultiplyAddAdjacent(x, b.AsSByte());
            c += Avx2.MultiplyAddAdjacent(x, c.AsSByte());
            d += Avx2.MultiplyAddAdjacent(x, d.AsSByte());
            e += Avx2.MultiplyAddAdjacent(x, e.AsSByte());
            f += Avx2.MultiplyAddAdjacent(x, f.AsSByte());
            g += Avx2.MultiplyAddAdjacent(x, g.AsSByte());
            h += Avx2.MultiplyAddAdjacent(x, h.AsSByte());
            i += Avx2.MultiplyAddAdjacent(x, i.AsSByte());
            j += Avx2.MultiplyAddAdjacent(x, j.AsSByte());
        }

        Keep(a + b + c + d + e + f + g + h + i + j);
    }

    /// <summary>Keeps the compiler from dropping what leads to the value.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void Keep(Vector256<short> value) => _ = value;
}

/// <summary>Products of 16-bit integers added up in 32 bits on AVX2 (<c>vpmaddwd</c>, <c>vpaddd</c>), likewise.</summary>
internal struct WordProductsJob : IPoolJob<WordProductsJob>
{
    private const int Rounds = 2000;

    /// <summary>Multiply-adds of one item.</summary>
    public static long MultiplyAdds => 10L * Rounds * Vector256<short>.Count;

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Execute(ref readonly WordProductsJob job, int worker, int begin, int end)
    {
        Vector256<short> x = Vector256.Create((short)(3 + worker));
        Vector256<int> a = default, b = default, c = default, d = default, e = default;
        Vector256<int> f = default, g = default, h = default, i = default, j = default;
        for (long round = (long)(end - begin) * Rounds; round > 0; round--)
        {
            a += Avx2.MultiplyAddAdjacent(x, a.AsInt16());
            b += Avx2.MultiplyAddAdjacent(x, b.AsInt16());
            c += Avx2.MultiplyAddAdjacent(x, c.AsInt16());
            d += Avx2.MultiplyAddAdjacent(x, d.AsInt16());
            e += Avx2.MultiplyAddAdjacent(x, e.AsInt16());
            f += Avx2.MultiplyAddAdjacent(x, f.AsInt16());
            g += Avx2.MultiplyAddAdjacent(x, g.AsInt16());
            h += Avx2.MultiplyAddAdjacent(x, h.AsInt16());
            i += Avx2.MultiplyAddAdjacent(x, i.AsInt16());
            j += Avx2.MultiplyAddAdjacent(x, j.AsInt16());
        }

        Keep(a + b + c + d + e + f + g + h + i + j);
    }

    /// <summary>Keeps the compiler from dropping what leads to the value.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void Keep(Vector256<int> value) => _ = value;
}
