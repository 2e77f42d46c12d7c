using System;

namespace Quire.Core.KvCache;

/// <summary>
/// The window of a model in which every layer slides: a query at position p reads the keys and values of the positions p − W + 1 … p, so blocks that
/// fell behind the window of the next token can be given to others. The arithmetic is that of vLLM's sliding-window cache manager.
/// </summary>
public readonly record struct SlidingWindow
{
    /// <param name="tokens">W: positions that a query reads, its own included; at least 1.</param>
    public SlidingWindow(int tokens)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(tokens, 1);
        Tokens = tokens;
    }

    /// <summary>Positions that a query reads, its own included.</summary>
    public int Tokens { get; }

    /// <summary>Leading blocks that no token from position <paramref name="computed"/> on reads.</summary>
    public int BlocksBehind(int computed, int blockSize) => Math.Max(0, computed - Tokens + 1) / blockSize;

    /// <summary>Adjacent cached blocks that the token behind them needs.</summary>
    public int BlocksForHit(int blockSize) => (int)((Tokens - 1L + blockSize - 1) / blockSize);

    /// <summary>
    /// The most blocks that one request ever holds: those of the window and of the largest step, and one more because neither begins at a block border.
    /// </summary>
    /// <param name="geometry">The size of a block.</param>
    /// <param name="length">Tokens of the request.</param>
    /// <param name="stepTokens">max_num_batched_tokens: the most tokens of a step.</param>
    /// <param name="lookahead">Slots for drafts of the next step.</param>
    public int MostBlocks(KvGeometry geometry, int length, int stepTokens, int lookahead = 0)
    {
        // A step that was planned before the result of the one before came frees by what is certain: one token and its drafts less.
        long atOnce = Tokens - 1L + stepTokens + 1 + 2L * lookahead;
        long most = (atOnce + geometry.BlockSize - 1) / geometry.BlockSize + 1;
        return (int)Math.Min(most, geometry.BlocksFor(length));
    }
}
