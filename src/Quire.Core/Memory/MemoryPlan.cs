using System;
using System.Collections.Generic;
using System.Globalization;
using Quire.Core.KvCache;
using Quire.Core.Requests;

namespace Quire.Core.Memory;

/// <summary>
/// Where the memory of a device goes, and how many cache blocks are left: total × utilization − weights − activations − other = cache. Pure arithmetic,
/// the same for a running engine and for planning a machine that one does not have.
/// </summary>
public sealed record MemoryPlan
{
    private MemoryPlan(MemoryBudget budget, long requested, long available, int blocks)
    {
        Budget = budget;
        RequestedBytes = requested;
        AvailableCacheBytes = available;
        BlockCount = blocks;
    }

    /// <summary>The terms that went in.</summary>
    public MemoryBudget Budget { get; }

    /// <summary>What the engine may use: ceil(total × utilization).</summary>
    public long RequestedBytes { get; }

    /// <summary>What is left for the cache.</summary>
    public long AvailableCacheBytes { get; }

    /// <summary>Blocks of the cache, the null block included.</summary>
    public int BlockCount { get; }

    /// <summary>What these blocks take.</summary>
    public long CacheBytes => BlockCount * Budget.BlockBytes;

    /// <summary>Available bytes that are less than a block.</summary>
    public long RemainderBytes => Math.Max(0, AvailableCacheBytes - CacheBytes);

    /// <summary>
    /// Tokens that all blocks hold, each token in a block of every group; as vLLM counts them. Where windows give blocks back, requests may have more.
    /// </summary>
    public long CacheTokens => (long)(BlockCount / Budget.Groups.Count) * Budget.BlockSize;

    /// <summary>Blocks of one request of max_model_len.</summary>
    public long BlocksPerLongestRequest => Budget.BlocksPerRequest(Budget.MaxModelLen);

    /// <summary>How many requests of max_model_len the cache holds at once: blocks / blocks of one such request.</summary>
    public double MaxConcurrency => (double)BlockCount / BlocksPerLongestRequest;

    public KvGeometry Geometry => new(Budget.BlockSize, BlockCount);

    /// <summary>
    /// Bytes of one block of full attention over all layers: 2 (keys and values) × block size × KV heads × head dimension × bytes per element × layers.
    /// </summary>
    /// <param name="layers">Attention layers on this device.</param>
    /// <param name="kvHeads">KV heads on this device.</param>
    /// <param name="headDimension">Elements of one head.</param>
    /// <param name="bitsPerElement">16 for bf16, 8 for fp8.</param>
    /// <param name="blockSize">Tokens in a block.</param>
    public static long BlockBytes(int layers, int kvHeads, int headDimension, int bitsPerElement, int blockSize) =>
        checked(2L * blockSize * kvHeads * headDimension * bitsPerElement / 8 * layers);

    /// <summary>Makes the plan, or says what is missing, in bytes, and which changes would fit.</summary>
    public static Refusal? TryMake(MemoryBudget budget, out MemoryPlan? plan)
    {
        ArgumentNullException.ThrowIfNull(budget);
        plan = null;
        if (CheckInputs(budget) is { } invalid)
            return invalid;

        long requested = Requested(budget, budget.GpuMemoryUtilization);
        if (budget.KvCacheMemoryBytes is null && budget.FreeBytes < requested)
        {
            return new Refusal(RefusalCode.InsufficientMemory, "gpu_memory_utilization",
                $"Free memory on device ({Gib(budget.FreeBytes.Value)}/{Gib(budget.TotalBytes)} GiB) on startup is less than desired GPU memory utilization "
                + $"({Text(budget.GpuMemoryUtilization)}, {Gib(requested)} GiB). Decrease GPU memory utilization or reduce GPU memory used by other processes.");
        }

        long available = budget.KvCacheMemoryBytes ?? requested - NotCache(budget);
        if (available <= 0 && budget.NumGpuBlocksOverride is null)
            return NoMemory(budget, requested, available);

        long blocks = budget.NumGpuBlocksOverride ?? available / budget.BlockBytes;
        blocks = Math.Min(blocks, int.MaxValue / 2);
        if (blocks - 1 < budget.BlocksPerRequest(budget.MaxModelLen))
            return TooSmall(budget, available, blocks);
        plan = new MemoryPlan(budget, requested, available, (int)blocks);
        return null;
    }

    /// <summary>The plan as lines of name and GiB, for people.</summary>
    public IReadOnlyList<(string Name, long Bytes)> Terms() =>
    [
        ("total", Budget.TotalBytes),
        ("requested (total × utilization)", RequestedBytes),
        ("weights", Budget.WeightBytes),
        ("activations", Budget.ActivationBytes),
        ("other", Budget.OtherBytes),
        ("available for the KV cache", AvailableCacheBytes),
        ("KV cache blocks", CacheBytes),
        ("less than a block", RemainderBytes),
    ];

    private static Refusal? CheckInputs(MemoryBudget budget)
    {
        if (budget.GpuMemoryUtilization is not (> 0.0 and <= 1.0))
            return Invalid("gpu_memory_utilization", $"gpu_memory_utilization must be in (0, 1], got {PythonRepr.Number(budget.GpuMemoryUtilization)}.");
        if (budget.KvCacheMemoryBytes <= 0)
            return Invalid("kv_cache_memory_bytes", $"kv_cache_memory_bytes must be greater than 0, got {budget.KvCacheMemoryBytes}.");
        if (budget.NumGpuBlocksOverride < 2)
            return Invalid("num_gpu_blocks_override", $"num_gpu_blocks_override must be at least 2, got {budget.NumGpuBlocksOverride}.");
        if (budget.BlockSize < 1)
            return Invalid("block_size", $"block_size must be at least 1, got {budget.BlockSize}.");
        if (budget.MaxModelLen < 1)
            return Invalid("max_model_len", $"max_model_len must be at least 1, got {budget.MaxModelLen}.");
        if (budget.BlockBytes < 1 || budget.TotalBytes < 1)
            return Invalid("memory", "the device and a cache block have at least one byte.");
        return budget.WeightBytes < 0 || budget.ActivationBytes < 0 || budget.OtherBytes < 0
            ? Invalid("memory", "sizes in a memory plan are not negative.")
            : null;
    }

    private static Refusal NoMemory(MemoryBudget budget, long requested, long available)
    {
        long needed = NeededCache(budget, budget.MaxModelLen);
        return new Refusal(RefusalCode.InsufficientMemory, "gpu_memory_utilization",
            "No available memory for the cache blocks. Try increasing `gpu_memory_utilization` when initializing the engine. "
            + $"{Gib(requested)} GiB may be used; weights take {Gib(budget.WeightBytes)}, activations {Gib(budget.ActivationBytes)}, "
            + $"other {Gib(budget.OtherBytes)}: {Gib(-available)} GiB too much ({Bytes(requested)} bytes had, {Bytes(NotCache(budget))} needed before the cache, "
            + $"{Bytes(needed)} for one request of {budget.MaxModelLen} tokens).{WaysOut(budget, 0)}");
    }

    private static Refusal TooSmall(MemoryBudget budget, long available, long blocks)
    {
        long had = budget.NumGpuBlocksOverride is null ? available : blocks * budget.BlockBytes;
        long needed = NeededCache(budget, budget.MaxModelLen);
        long longest = budget.LongestRequest(blocks);
        return new Refusal(RefusalCode.InsufficientMemory, "max_model_len",
            $"To serve at least one request with the models's max seq len ({budget.MaxModelLen}), ({Gib(needed)} GiB KV cache is needed, which is larger than "
            + $"the available KV cache memory ({Gib(had)} GiB). Based on the available memory, the estimated maximum model length is {longest}. "
            + "Try increasing `gpu_memory_utilization` or decreasing `max_model_len` when initializing the engine. "
            + $"({Bytes(needed)} bytes needed, {Bytes(had)} had.){WaysOut(budget, longest)}");
    }

    /// <summary>Up to three changes, each enough on its own.</summary>
    private static string WaysOut(MemoryBudget budget, long longest)
    {
        var ways = new List<string>(4);
        long needed = NeededCache(budget, budget.MaxModelLen);
        long whole = NotCache(budget) + needed;
        double utilization = Math.Ceiling((double)whole / budget.TotalBytes * 1000) / 1000;
        if (longest > 0)
            ways.Add($"max_model_len {longest}");
        if (budget.NumGpuBlocksOverride is not null)
            ways.Add($"num_gpu_blocks_override {budget.BlocksPerRequest(budget.MaxModelLen) + 1}");
        else if (budget.KvCacheMemoryBytes is not null)
            ways.Add($"kv_cache_memory_bytes {needed}");
        else if (utilization <= 1.0)
            ways.Add($"gpu_memory_utilization {Text(utilization)}");

        if (budget.KvCacheMemoryBytes is null && budget.NumGpuBlocksOverride is null)
        {
            long share = Requested(budget, budget.GpuMemoryUtilization);
            if (budget.WeightBytes > 0 && budget.WeightBytes - (whole - share) > 0)
                ways.Add($"weights of at most {Gib(budget.WeightBytes - (whole - share))} GiB (a quantized model, or tensor_parallel_size)");
            ways.Add($"a device of {Gib((long)Math.Ceiling(whole / budget.GpuMemoryUtilization))} GiB");
        }
        else
        {
            ways.Add($"a cache block of half the bytes (kv_cache_dtype fp8) and max_model_len {Math.Max(longest * 2, 0)}");
        }

        return " Any one of these would fit: " + string.Join("; ", ways.GetRange(0, Math.Min(3, ways.Count))) + ".";
    }

    private static long NotCache(MemoryBudget budget) => checked(budget.WeightBytes + budget.ActivationBytes + budget.OtherBytes);

    /// <summary>The cache for one request of a length, with the null block that nobody gets.</summary>
    private static long NeededCache(MemoryBudget budget, int length) => checked((budget.BlocksPerRequest(length) + 1L) * budget.BlockBytes);

    private static long Requested(MemoryBudget budget, double utilization) => (long)Math.Ceiling(budget.TotalBytes * utilization);

    private static Refusal Invalid(string field, string message) => new(RefusalCode.InvalidConfiguration, field, message);

    private static string Gib(long bytes) => (bytes / (double)(1L << 30)).ToString("0.00", CultureInfo.InvariantCulture);

    private static string Bytes(long bytes) => bytes.ToString(CultureInfo.InvariantCulture);

    private static string Text(double value) => value.ToString("0.###", CultureInfo.InvariantCulture);
}
