using System;
using Quire.Tensors;

namespace Quire.Cuda;

/// <summary>What the cells of a KV cache are; the values are those of QUIRE_CODES in Kernels/cache_codes.cuh.</summary>
internal enum CacheCodes
{
    /// <summary>Elements of the activation type.</summary>
    None = 0,

    /// <summary>FP8 with a scale for a layer.</summary>
    Float8E4M3 = 1,

    /// <summary>The same with two bits of mantissa.</summary>
    Float8E5M2 = 2,

    /// <summary>Signed bytes with a scale for each token and head.</summary>
    Int8 = 3,
}

/// <summary>The cells of a cache as the kernels are compiled for them.</summary>
internal static class CacheCells
{
    /// <summary>How the kernels read a cache of this type.</summary>
    public static CacheCodes Of(DType type) => type switch
    {
        DType.F8E4M3 => CacheCodes.Float8E4M3,
        DType.F8E5M2 => CacheCodes.Float8E5M2,
        DType.I8 => CacheCodes.Int8,
        _ => CacheCodes.None,
    };

    /// <summary>Bytes of a row of cells in shared memory: an odd number of 16-byte units.</summary>
    public static int RowBytes(int headDim, CacheCodes codes) => ((headDim * (codes == CacheCodes.None ? 2 : 1) / 16) | 1) * 16;
}

/// <summary>The sizes that attention_decode.cu computes with; the two must agree.</summary>
internal static class DecodeAttention
{
    private const int MostWarps = 4;
    private const int TileTokens = 16;
    private const int MaxSplits = 128;
    private const int TokensPerBlock = MostWarps * TileTokens;

    /// <summary>
    /// Warps of a block. Short contexts whose blocks do not all fit at a time go to smaller blocks: the last of them are spread over all
    /// multiprocessors and still keep the memory busy (64 sequences of 576 tokens of the 8B shape on an H100: 61 instead of 66 µs; 256 of
    /// 1,024: 386 instead of 377, so long ones do not).
    /// </summary>
    public static int Warps(int blocks, int tokensOfBlock, int multiprocessors) => blocks >= 3 * multiprocessors && tokensOfBlock <= 640 ? 2 : MostWarps;

    public static int SharedBytes(int headDim, int columns, int warps, CacheCodes codes)
    {
        int stages = headDim >= 96 && codes == CacheCodes.None ? 2 : 3;
        int scales = codes == CacheCodes.Int8 ? sizeof(float) : 0;
        int tiles = warps * stages * 2 * TileTokens * (CacheCells.RowBytes(headDim, codes) + scales);
        int meeting = warps * columns * (headDim + 2) * sizeof(float);
        return Math.Max(tiles, Math.Max(meeting, columns * MaxSplits * sizeof(float)));
    }

    /// <summary>Into how many parts contexts are split, so that there are blocks enough for the whole device.</summary>
    /// <param name="pairs">Sequences times key-value heads.</param>
    /// <param name="maxContext">The longest context.</param>
    /// <param name="multiprocessors">Of the device.</param>
    public static int Splits(int pairs, int maxContext, int multiprocessors)
    {
        int wanted = (3 * multiprocessors / 2 + pairs - 1) / pairs;
        int possible = Math.Max(1, (maxContext + TokensPerBlock - 1) / TokensPerBlock); // a tile for each warp
        int splits = Math.Clamp(wanted, 1, possible);

        // Long contexts: smaller pieces leave less of the device idle when the last ones end.
        while (pairs * splits < 8 * multiprocessors && maxContext / splits >= 4096)
        {
            splits *= 2;
        }

        return Math.Min(splits, MaxSplits);
    }
}

/// <summary>The sizes that attention_prefill.cu computes with; the two must agree.</summary>
internal static class PrefillAttention
{
    public const int Threads = 128;

    public static int Queries(int headDim) => headDim <= 128 ? 128 : 64;

    public static int SharedBytes(int headDim, CacheCodes codes)
    {
        int keys = headDim <= 128 ? 64 : 32;
        int scales = codes == CacheCodes.Int8 ? sizeof(float) : 0;
        return Queries(headDim) * (headDim * 2 + 16) + 4 * keys * (CacheCells.RowBytes(headDim, codes) + scales);
    }
}

/// <summary>The sizes that attention_prefill_hopper.cu computes with; the two must agree.</summary>
internal static class HopperPrefillAttention
{
    public const int Threads = 384;
    public const int Queries = 128;
    private const int Keys = 128;
    private const int Stages = 2;

    public static bool Supports(int computeMajor, int headDim, int blockSize) =>
        computeMajor == 9 && (headDim is 64 or 128) && blockSize % 8 == 0 && Keys % blockSize == 0;

    /// <summary>Queries of two pieces of work, and two tiles of keys and of values; the kernel moves the start to a multiple of 1,024 itself.</summary>
    public static int SharedBytes(int headDim) => (2 * Queries + 2 * Stages * Keys) * headDim * 2 + 1024;
}
