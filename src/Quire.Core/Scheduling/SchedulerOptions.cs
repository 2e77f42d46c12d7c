using System;
using Quire.Core.KvCache;
using Quire.Core.Requests;

namespace Quire.Core.Scheduling;

/// <summary>The order in which requests are taken and give way.</summary>
public enum SchedulingPolicy
{
    /// <summary>First come, first served. The request that was taken last gives way first.</summary>
    Fcfs,

    /// <summary>The smallest (priority, arrival) is taken first, the largest gives way first.</summary>
    Priority,
}

/// <summary>The knobs of the scheduler, under vLLM's names and with its meanings.</summary>
public sealed record SchedulerOptions
{
    /// <summary>max_num_seqs: the most requests in one step.</summary>
    public required int MaxNumSeqs { get; init; }

    /// <summary>max_num_batched_tokens: the most tokens in one step.</summary>
    public required int MaxNumBatchedTokens { get; init; }

    /// <summary>max_num_scheduled_tokens; null means <see cref="MaxNumBatchedTokens"/>.</summary>
    public int? MaxNumScheduledTokens { get; init; }

    /// <summary>max_model_len: prompt and output of one request never exceed it.</summary>
    public required int MaxModelLen { get; init; }

    /// <summary>block_size: tokens in a cache block.</summary>
    public int BlockSize { get; init; } = 16;

    /// <summary>num_gpu_blocks: cache blocks, the null block included.</summary>
    public required int NumBlocks { get; init; }

    /// <summary>enable_chunked_prefill: whether a prompt may be computed in several steps because the budget of one does not suffice.</summary>
    public bool EnableChunkedPrefill { get; init; } = true;

    /// <summary>long_prefill_token_threshold: no request gets more tokens than this in one step; 0 is off.</summary>
    public int LongPrefillTokenThreshold { get; init; }

    public SchedulingPolicy Policy { get; init; } = SchedulingPolicy.Fcfs;

    /// <summary>watermark: part of the blocks that an admission leaves free while something runs, 0 ≤ w &lt; 1.</summary>
    public double Watermark { get; init; }

    /// <summary>scheduler_reserve_full_isl: take a waiting request only if the blocks of its whole present sequence are free.</summary>
    public bool SchedulerReserveFullIsl { get; init; } = true;

    public bool EnablePrefixCaching { get; init; } = true;

    /// <summary>The groups of layers that share block tables; where all layers of a group slide, blocks behind their window are freed.</summary>
    public KvCacheGroups KvCacheGroups { get; init; } = KvCacheGroups.Full;

    /// <summary>max_loras: the most different adapters in one step; 0 is no limit.</summary>
    public int MaxLoras { get; init; }

    /// <summary>Slots kept for draft tokens of the next step; 0 without a drafter that writes to the cache.</summary>
    public int NumLookaheadTokens { get; init; }

    /// <summary>The secret that block hashes start from. Engines that should share a cache take the same one; it may be empty in tests.</summary>
    public ReadOnlyMemory<byte> CacheKey { get; init; }

    /// <summary>Null when the options can be used together.</summary>
    public Refusal? Validate()
    {
        if (MaxNumSeqs < 1)
            return Invalid("max_num_seqs", $"max_num_seqs must be at least 1, got {MaxNumSeqs}.");
        if (MaxNumBatchedTokens < 1)
            return Invalid("max_num_batched_tokens", $"max_num_batched_tokens must be at least 1, got {MaxNumBatchedTokens}.");
        if (MaxNumScheduledTokens < 1 || MaxNumScheduledTokens > MaxNumBatchedTokens)
        {
            return Invalid("max_num_scheduled_tokens", $"max_num_scheduled_tokens ({MaxNumScheduledTokens}) must be between 1 and "
                + $"max_num_batched_tokens ({MaxNumBatchedTokens}).");
        }

        if (MaxModelLen < 2)
            return Invalid("max_model_len", $"max_model_len must be at least 2 (one token of prompt, one of output), got {MaxModelLen}.");
        if (MaxNumBatchedTokens < MaxNumSeqs)
        {
            return Invalid("max_num_batched_tokens", $"max_num_batched_tokens ({MaxNumBatchedTokens}) must be greater than or equal to "
                + $"max_num_seqs ({MaxNumSeqs}).");
        }

        if (!EnableChunkedPrefill && MaxNumBatchedTokens < MaxModelLen)
        {
            return Invalid("max_num_batched_tokens", $"max_num_batched_tokens ({MaxNumBatchedTokens}) is smaller than max_model_len "
                + $"({MaxModelLen}). This effectively limits the maximum sequence length to max_num_batched_tokens and makes longer sequences "
                + "impossible. Please increase max_num_batched_tokens or decrease max_model_len.");
        }

        return ValidateCache();
    }

    private Refusal? ValidateCache()
    {
        if (BlockSize < 1)
            return Invalid("block_size", $"block_size must be at least 1, got {BlockSize}.");
        if (NumBlocks < 2)
            return Invalid("num_gpu_blocks_override", $"the cache needs at least 2 blocks, since block 0 is never handed out; got {NumBlocks}.");
        if (LongPrefillTokenThreshold < 0 || LongPrefillTokenThreshold > MaxModelLen)
        {
            return Invalid("long_prefill_token_threshold", $"long_prefill_token_threshold ({LongPrefillTokenThreshold}) must be between 0 and "
                + $"max_model_len ({MaxModelLen}).");
        }

        foreach (int? window in KvCacheGroups.Windows)
        {
            if (window < 1)
                return Invalid("sliding_window", $"sliding_window must be at least 1, got {window}.");
        }

        if (Watermark is not (>= 0.0 and < 1.0))
            return Invalid("watermark", $"watermark must be in [0, 1), got {PythonRepr.Number(Watermark)}.");
        if (MaxLoras < 0)
            return Invalid("max_loras", $"max_loras must be at least 1, or 0 for no limit, got {MaxLoras}.");
        return NumLookaheadTokens < 0
            ? Invalid("num_speculative_tokens", $"the number of draft slots must not be negative, got {NumLookaheadTokens}.")
            : null;
    }

    private static Refusal Invalid(string field, string message) => new(RefusalCode.InvalidConfiguration, field, message);
}
