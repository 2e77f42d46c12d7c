using System;
using Quire.Core.KvCache;

namespace Quire.Core.Memory;

/// <summary>What a memory plan is made from. All sizes are bytes of one device.</summary>
public sealed record MemoryBudget
{
    /// <summary>Memory of the device (or of the machine).</summary>
    public required long TotalBytes { get; init; }

    /// <summary>What is free before anything was loaded; null when unknown, as when planning for another machine.</summary>
    public long? FreeBytes { get; init; }

    /// <summary>gpu_memory_utilization: the part of the total that the engine may use.</summary>
    public double GpuMemoryUtilization { get; init; } = 0.92;

    /// <summary>kv_cache_memory_bytes: the size of the cache, given directly; then the utilization does not matter for it.</summary>
    public long? KvCacheMemoryBytes { get; init; }

    /// <summary>num_gpu_blocks_override: the number of blocks, given directly.</summary>
    public int? NumGpuBlocksOverride { get; init; }

    /// <summary>Weights on this device.</summary>
    public required long WeightBytes { get; init; }

    /// <summary>The peak of a step: activations, logits and the sampler's own buffers.</summary>
    public required long ActivationBytes { get; init; }

    /// <summary>Everything else: driver context, communication buffers, captured graphs.</summary>
    public long OtherBytes { get; init; }

    /// <summary>One block of the cache over all layers: see <see cref="MemoryPlan.BlockBytes"/>.</summary>
    public required long BlockBytes { get; init; }

    /// <summary>block_size: tokens in a block.</summary>
    public int BlockSize { get; init; } = 16;

    /// <summary>max_model_len</summary>
    public required int MaxModelLen { get; init; }

    /// <summary>The groups of layers that share block tables: where they slide, a request holds the blocks of the window and of one step only.</summary>
    public KvCacheGroups Groups { get; init; } = KvCacheGroups.Full;

    /// <summary>max_num_batched_tokens; matters with windows only.</summary>
    public int MaxNumBatchedTokens { get; init; }

    /// <summary>The most blocks that a request of so many tokens holds at a time, in all groups together.</summary>
    public long BlocksPerRequest(int length) =>
        Groups.MostBlocks(new KvGeometry(BlockSize, 2), length, Math.Max(1, MaxNumBatchedTokens)); // The number of blocks does not matter here.

    /// <summary>The most tokens, up to <see cref="MaxModelLen"/>, of one request that has so many blocks, the null block included.</summary>
    public int LongestRequest(long blocks) => blocks < 2
        ? 0
        : Groups.LongestFit(new KvGeometry(BlockSize, (int)Math.Min(blocks, int.MaxValue / 2)), MaxModelLen, Math.Max(1, MaxNumBatchedTokens));
}
