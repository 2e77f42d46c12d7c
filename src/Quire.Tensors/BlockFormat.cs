using System;
using System.Collections.Generic;

namespace Quire.Tensors;

/// <summary>
/// Block-quantised layouts of the GGUF format: a row is a run of blocks, each with its own scales. The layouts are those of
/// https://github.com/ggml-org/ggml/blob/master/docs/gguf.md and the structures it names; <see cref="Reference.BlockDecoding"/> defines
/// what the bytes mean.
/// </summary>
public enum BlockFormat
{
    /// <summary>4 bits, 32 values, one scale.</summary>
    Q40,

    /// <summary>4 bits, 32 values, scale and minimum.</summary>
    Q41,

    /// <summary>5 bits, 32 values, one scale.</summary>
    Q50,

    /// <summary>5 bits, 32 values, scale and minimum.</summary>
    Q51,

    /// <summary>8 bits, 32 values, one scale.</summary>
    Q80,

    /// <summary>2 bits, 256 values, 16 sub-blocks with scale and minimum.</summary>
    Q2K,

    /// <summary>3 bits, 256 values, 16 sub-blocks with a scale.</summary>
    Q3K,

    /// <summary>4 bits, 256 values, 8 sub-blocks with scale and minimum.</summary>
    Q4K,

    /// <summary>5 bits, 256 values, 8 sub-blocks with scale and minimum.</summary>
    Q5K,

    /// <summary>6 bits, 256 values, 16 sub-blocks with a scale.</summary>
    Q6K,
}

/// <summary>Sizes and names of block formats.</summary>
public static class BlockFormats
{
    /// <summary>Every format, for tests and messages.</summary>
    public static IReadOnlyList<BlockFormat> All { get; } = Enum.GetValues<BlockFormat>();

    /// <summary>Values in one block.</summary>
    public static int BlockLength(this BlockFormat format) => format >= BlockFormat.Q2K ? 256 : 32;

    /// <summary>Bytes of one block.</summary>
    public static int BlockBytes(this BlockFormat format) => format switch
    {
        BlockFormat.Q40 => 18,
        BlockFormat.Q41 => 20,
        BlockFormat.Q50 => 22,
        BlockFormat.Q51 => 24,
        BlockFormat.Q80 => 34,
        BlockFormat.Q2K => 84,
        BlockFormat.Q3K => 110,
        BlockFormat.Q4K => 144,
        BlockFormat.Q5K => 176,
        BlockFormat.Q6K => 210,
        _ => throw new ArgumentOutOfRangeException(nameof(format), format, "unknown block format"),
    };

    /// <summary>Bytes of a row of <paramref name="columns"/> values, which must be whole blocks.</summary>
    public static long RowBytes(this BlockFormat format, int columns) =>
        columns % format.BlockLength() == 0
            ? (long)columns / format.BlockLength() * format.BlockBytes()
            : throw new ArgumentOutOfRangeException(nameof(columns), columns, $"not a multiple of {format.BlockLength()}");

    /// <summary>The name that GGUF gives the format, such as <c>Q4_K</c>.</summary>
    public static string DisplayName(this BlockFormat format) => format switch
    {
        BlockFormat.Q40 => "Q4_0",
        BlockFormat.Q41 => "Q4_1",
        BlockFormat.Q50 => "Q5_0",
        BlockFormat.Q51 => "Q5_1",
        BlockFormat.Q80 => "Q8_0",
        BlockFormat.Q2K => "Q2_K",
        BlockFormat.Q3K => "Q3_K",
        BlockFormat.Q4K => "Q4_K",
        BlockFormat.Q5K => "Q5_K",
        BlockFormat.Q6K => "Q6_K",
        _ => throw new ArgumentOutOfRangeException(nameof(format), format, "unknown block format"),
    };
}
