using System;

namespace Quire.Cuda;

/// <summary>The sizes that attention_decode.cu computes with; the two must agree.</summary>
internal static class DecodeAttention
{
    public const int Threads = 128;
    private const int Warps = 4;
    private const int TileTokens = 16;
    private const int MaxSplits = 128;

    /// <summary>Tokens that one block takes at least: one tile for each of its warps.</summary>
    public const int TokensPerBlock = Warps * TileTokens;

    public static int SharedBytes(int headDim, int columns)
    {
        int stages = headDim >= 96 ? 2 : 3;
        int tiles = Warps * stages * 2 * TileTokens * (headDim * 2 + 16);
        int meeting = Warps * columns * (headDim + 2) * sizeof(float);
        return Math.Max(tiles, Math.Max(meeting, columns * MaxSplits * sizeof(float)));
    }

    /// <summary>Into how many parts contexts are split, so that there are blocks enough for the whole device.</summary>
    /// <param name="pairs">Sequences times key-value heads.</param>
    /// <param name="maxContext">The longest context.</param>
    /// <param name="multiprocessors">Of the device.</param>
    public static int Splits(int pairs, int maxContext, int multiprocessors)
    {
        int wanted = (3 * multiprocessors / 2 + pairs - 1) / pairs;
        int possible = Math.Max(1, (maxContext + TokensPerBlock - 1) / TokensPerBlock);
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

    public static int SharedBytes(int headDim)
    {
        int keys = headDim <= 128 ? 64 : 32;
        return (Queries(headDim) + 4 * keys) * (headDim * 2 + 16);
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

    /// <summary>Queries, and two tiles of keys and of values; the kernel moves the start to a multiple of 1,024 itself.</summary>
    public static int SharedBytes(int headDim) => (Queries + 2 * Stages * Keys) * headDim * 2 + 1024;
}
