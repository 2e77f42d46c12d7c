using System;

namespace Quire.Core.KvCache;

/// <summary>The paged cache in numbers: how many blocks, and how many tokens each holds.</summary>
public readonly record struct KvGeometry
{
    /// <param name="blockSize">Tokens in a block, at least 1.</param>
    /// <param name="blockCount">Blocks, block 0 included; at least 2, since block 0 is never handed out.</param>
    public KvGeometry(int blockSize, int blockCount)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(blockSize, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(blockCount, 2);
        BlockSize = blockSize;
        BlockCount = blockCount;
    }

    /// <summary>Tokens in one block.</summary>
    public int BlockSize { get; }

    /// <summary>All blocks, the null block 0 included.</summary>
    public int BlockCount { get; }

    /// <summary>Blocks that requests can hold: all but the null block.</summary>
    public int UsableBlocks => BlockCount - 1;

    /// <summary>Tokens that the whole cache holds.</summary>
    public long UsableTokens => (long)UsableBlocks * BlockSize;

    /// <summary>Blocks needed for so many tokens.</summary>
    public int BlocksFor(int tokens) => (int)(((long)tokens + BlockSize - 1) / BlockSize);
}
