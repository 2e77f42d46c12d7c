using System;
using Quire.Core.KvCache;
using Quire.Core.Memory;
using Quire.Core.Requests;

namespace Quire.Core.Tests.Memory;

public class MemoryPlanTests
{
    private const long Gib = 1L << 30;

    /// <summary>Llama-3.1-8B in bf16 on a card of 24 GiB.</summary>
    private static readonly MemoryBudget Small = new()
    {
        TotalBytes = 24 * Gib,
        GpuMemoryUtilization = 0.9,
        WeightBytes = 15 * Gib,
        ActivationBytes = Gib,
        OtherBytes = Gib / 8,
        BlockBytes = MemoryPlan.BlockBytes(layers: 32, kvHeads: 8, headDimension: 128, bitsPerElement: 16, blockSize: 16),
        MaxModelLen = 8192,
    };

    [Theory]
    [InlineData(32, 8, 128, 131_072)] // Llama-3.1-8B
    [InlineData(80, 8, 128, 327_680)] // Llama-3.1-70B
    [InlineData(32, 32, 128, 524_288)] // Llama-2-7B
    [InlineData(24, 2, 64, 12_288)] // Qwen2.5-0.5B
    [InlineData(28, 8, 128, 114_688)] // Qwen3-0.6B
    [InlineData(40, 8, 128, 163_840)] // Mistral-Small-3.2-24B
    public void Bytes_per_token_of_known_models(int layers, int kvHeads, int headDimension, long bytesPerToken) =>
        Assert.Equal(bytesPerToken * 16, MemoryPlan.BlockBytes(layers, kvHeads, headDimension, 16, 16));

    [Fact]
    public void Every_term_is_named_and_they_add_up()
    {
        MemoryPlan plan = Make(Small);
        Assert.Equal((long)Math.Ceiling(24 * Gib * 0.9), plan.RequestedBytes);
        Assert.Equal(plan.RequestedBytes - Small.WeightBytes - Small.ActivationBytes - Small.OtherBytes, plan.AvailableCacheBytes);
        Assert.Equal(plan.AvailableCacheBytes, plan.CacheBytes + plan.RemainderBytes);
        Assert.InRange(plan.RemainderBytes, 0, Small.BlockBytes - 1);
        Assert.Equal(plan.AvailableCacheBytes / Small.BlockBytes, plan.BlockCount);
        Assert.Equal(plan.BlockCount * 16L, plan.CacheTokens);
        Assert.Equal(512, plan.BlocksPerLongestRequest);
        Assert.Equal(plan.BlockCount / 512.0, plan.MaxConcurrency);
        Assert.Equal(8, plan.Terms().Count);
    }

    [Fact]
    public void Known_answers_for_the_concurrency()
    {
        MemoryPlan plan = Make(Small with { NumGpuBlocksOverride = 127_626, MaxModelLen = 2048 });
        Assert.Equal(997.08, plan.MaxConcurrency, 2);

        // RTX 4090, Llama-3.1-8B: 5.055 GiB are 2588 blocks.
        plan = Make(Small with { KvCacheMemoryBytes = (2588L * 131_072 * 16) + 5, MaxModelLen = 8192 });
        Assert.Equal(2588, plan.BlockCount);
        Assert.Equal(41_408, plan.CacheTokens);
    }

    [Fact]
    public void A_cache_size_given_directly_makes_the_utilization_irrelevant()
    {
        MemoryPlan plan = Make(Small with { KvCacheMemoryBytes = 2 * Gib, GpuMemoryUtilization = 0.01, FreeBytes = 1 });
        Assert.Equal(1024, plan.BlockCount);
    }

    [Fact]
    public void Weights_that_leave_nothing_are_refused_with_ways_out_that_work()
    {
        Refusal refusal = Refused(Small with { WeightBytes = 22 * Gib });
        Assert.Equal(RefusalCode.InsufficientMemory, refusal.Code);
        Assert.StartsWith("No available memory for the cache blocks. Try increasing `gpu_memory_utilization` when initializing the engine.",
            refusal.Message, StringComparison.Ordinal);

        // 22 + 1.125 + 1.002 GiB do not fit 24, so more utilization is no way out here.
        Assert.Contains("Any one of these would fit: weights of at most 19.4", refusal.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("fit: gpu_memory_utilization", refusal.Message, StringComparison.Ordinal);
        Make(Small with { WeightBytes = (long)(19.4 * Gib) });
    }

    [Fact]
    public void A_context_that_does_not_fit_is_refused_with_the_length_that_does()
    {
        MemoryBudget budget = Small with { MaxModelLen = 131_072 };
        Refusal refusal = Refused(budget);
        Assert.Equal("max_model_len", refusal.Field);
        Assert.StartsWith("To serve at least one request with the models's max seq len (131072), (16.00 GiB KV cache is needed, which is larger than "
            + "the available KV cache memory (5.48 GiB). Based on the available memory, the estimated maximum model length is 44832. Try", refusal.Message,
            StringComparison.Ordinal);
        string after = refusal.Message[(refusal.Message.IndexOf("length is ", StringComparison.Ordinal) + 10)..];
        int longest = int.Parse(after[..after.IndexOf('.', StringComparison.Ordinal)], System.Globalization.CultureInfo.InvariantCulture);
        Make(budget with { MaxModelLen = longest });
        Refused(budget with { MaxModelLen = longest + 1 });
    }

    [Fact]
    public void With_a_window_a_request_needs_the_blocks_of_the_window_and_of_one_step()
    {
        // 4095 tokens behind, 2048 of the step and one in flight are 384 blocks of 16, and one because neither begins at a border.
        MemoryBudget budget = Small with { MaxModelLen = 131_072, Groups = KvCacheGroups.Of(4096), MaxNumBatchedTokens = 2048 };
        MemoryPlan plan = Make(budget);
        Assert.Equal(385, plan.BlocksPerLongestRequest);
        Assert.Equal(plan.BlockCount / 385.0, plan.MaxConcurrency);
        Make(budget with { NumGpuBlocksOverride = 386 });
        Assert.Contains("num_gpu_blocks_override 386", Refused(budget with { NumGpuBlocksOverride = 385 }).Message, StringComparison.Ordinal);
        Assert.Equal(100, Make(budget with { MaxModelLen = 1600 }).BlocksPerLongestRequest);
    }

    [Fact]
    public void The_suggested_utilization_fits()
    {
        MemoryBudget budget = Small with { MaxModelLen = 50_000 };
        string message = Refused(budget).Message;
        Assert.Contains("gpu_memory_utilization 0.927;", message, StringComparison.Ordinal);
        Make(budget with { GpuMemoryUtilization = 0.927 });
        Refused(budget with { GpuMemoryUtilization = 0.926 });
    }

    [Fact]
    public void Memory_that_others_hold_is_named()
    {
        Refusal refusal = Refused(Small with { FreeBytes = 20 * Gib });
        Assert.Equal("Free memory on device (20.00/24.00 GiB) on startup is less than desired GPU memory utilization (0.9, 21.60 GiB). "
            + "Decrease GPU memory utilization or reduce GPU memory used by other processes.", refusal.Message);
    }

    [Fact]
    public void Nonsense_is_refused_with_the_name_of_the_field()
    {
        Assert.Equal("gpu_memory_utilization", Refused(Small with { GpuMemoryUtilization = 0 }).Field);
        Assert.Equal("gpu_memory_utilization", Refused(Small with { GpuMemoryUtilization = 1.01 }).Field);
        Assert.Equal("gpu_memory_utilization", Refused(Small with { GpuMemoryUtilization = double.NaN }).Field);
        Assert.Equal("kv_cache_memory_bytes", Refused(Small with { KvCacheMemoryBytes = 0 }).Field);
        Assert.Equal("num_gpu_blocks_override", Refused(Small with { NumGpuBlocksOverride = 1 }).Field);
        Assert.Equal("block_size", Refused(Small with { BlockSize = 0 }).Field);
        Assert.Equal("max_model_len", Refused(Small with { MaxModelLen = 0 }).Field);
        Assert.Equal("memory", Refused(Small with { BlockBytes = 0 }).Field);
        Assert.Equal("memory", Refused(Small with { WeightBytes = -1 }).Field);
    }

    private static MemoryPlan Make(MemoryBudget budget)
    {
        Refusal? refusal = MemoryPlan.TryMake(budget, out MemoryPlan? plan);
        Assert.Null(refusal?.Message);
        return plan!;
    }

    private static Refusal Refused(MemoryBudget budget)
    {
        Refusal? refusal = MemoryPlan.TryMake(budget, out MemoryPlan? plan);
        Assert.Null(plan);
        return refusal!;
    }
}
