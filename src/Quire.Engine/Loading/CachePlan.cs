using System;
using System.Collections.Generic;
using Quire.Core.KvCache;
using Quire.Core.Memory;
using Quire.Core.Requests;
using Quire.Engine.Options;
using Quire.Models;
using Quire.Tensors;

namespace Quire.Engine.Loading;

/// <summary>How large the KV cache becomes, and what follows from that for the options. Needs no weights: an engine and a plan on paper use it alike.</summary>
/// <param name="Plan">Where the memory goes.</param>
/// <param name="Layout">Which layers share block tables.</param>
/// <param name="Shape">The cache to allocate; a block has room for the layers of one group.</param>
/// <param name="Options">The options in force, with what the plan decided.</param>
public sealed record CachePlan(MemoryPlan Plan, KvCacheLayout Layout, KvCacheShape Shape, ResolvedOptions Options)
{
    private const long GiB = 1L << 30;

    /// <summary>
    /// What the cache of a CPU may take when nobody says otherwise, as vLLM's CPU backend: a share of the machine's memory, as on a GPU,
    /// would starve everything else that runs there.
    /// </summary>
    private const long CpuDefaultBytes = 4 * GiB;

    /// <summary>What compiled kernels, recorded steps and buffers between kernels take while warming up.</summary>
    private const long WarmUpBytes = GiB / 2;

    /// <summary>Rows that go through the output head at once: more add memory for logits, not speed.</summary>
    private const int LogitRowsAtOnce = 64;

    /// <summary>Rows that go through the output head at once, under these options.</summary>
    public static int LogitRows(ResolvedOptions options, DeviceInfo device)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(device);

        // A GPU chooses all tokens of a step in one go.
        return IsGpu(device) ? options.MaxNumSeqs : Math.Min(options.MaxNumSeqs, LogitRowsAtOnce);
    }

    /// <param name="options">The options in force.</param>
    /// <param name="device">The memory to plan for.</param>
    /// <param name="activationType">As <see cref="IBackend.ActivationType"/>.</param>
    /// <param name="model">What the model needs.</param>
    /// <param name="measured">What a GPU was found to need beside that once the model was loaded; null before.</param>
    /// <exception cref="QuireException">The cache does not fit; the message has the bytes and what would fit.</exception>
    public static CachePlan Make(ResolvedOptions options, DeviceInfo device, DType activationType, ModelMemory model, long? measured = null)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(device);
        ArgumentNullException.ThrowIfNull(model);
        DType type = CacheType(options, activationType);
        SelfAttentionSpec attention = model.Spec.Attention;
        KvCacheLayout layout = LayoutOf(model.Spec.Layers, options);
        var one = new KvCacheShape(layout.LayersPerGroup, attention.KvHeads, attention.HeadDim, options.BlockSize, 1, type);
        var budget = new MemoryBudget
        {
            TotalBytes = device.TotalMemoryBytes,
            GpuMemoryUtilization = options.GpuMemoryUtilization,
            KvCacheMemoryBytes = options.KvCacheMemoryBytes,
            NumGpuBlocksOverride = options.NumGpuBlocksOverride,
            WeightBytes = model.WeightBytes,
            ActivationBytes = model.ActivationBytes(activationType, options.MaxNumBatchedTokens, LogitRows(options, device)),
            OtherBytes = (measured ?? (options.Lora is { } lora ? model.LoraBytes(lora.Room, activationType) : 0)) + FurtherTables(options, device, layout),
            BlockBytes = one.BytesPerBlock,
            BlockSize = options.BlockSize,
            MaxModelLen = options.MaxModelLen,
            Groups = new KvCacheGroups(layout.Windows),
            MaxNumBatchedTokens = options.MaxNumBatchedTokens,
        };
        if (IsLeftToUs(options) && !IsGpu(device))
        {
            long bytes = CpuBytes(budget, options, device.AvailableMemoryBytes);
            budget = budget with { KvCacheMemoryBytes = bytes };
            options = options.Explain("kv_cache_memory_bytes", $"{bytes}", OptionOrigin.Derived,
                "on a CPU: what max_num_seqs requests of max_model_len can use, at most 4 GiB and half of the free memory");
        }

        if (options.FitMaxModelLen)
        {
            (budget, options) = FitLength(budget, options);
        }

        Refusal? refusal = MemoryPlan.TryMake(budget, out MemoryPlan? plan);
        if (refusal is not null)
        {
            throw new QuireException(ErrorCodes.NotEnoughMemory, ErrorKind.Usage, refusal.Message, refusal.Field);
        }

        return new CachePlan(plan!, layout, one with { Blocks = plan!.BlockCount }, options);
    }

    /// <summary>
    /// The plan again when the weights and buffers of the model are on the device: other memory is what is really gone beside them. The driver's context
    /// is not counted, as in vLLM, but there is never planned for more than what is free, less what warming up takes. On a CPU the first plan stays.
    /// </summary>
    /// <param name="options">The options that the first plan was made from.</param>
    /// <param name="before">The device before anything was loaded.</param>
    /// <param name="now">The device as it is.</param>
    /// <param name="activationType">As <see cref="IBackend.ActivationType"/>.</param>
    /// <param name="model">What the model needs.</param>
    /// <exception cref="QuireException">What is left is too little; the message has the bytes and what would fit.</exception>
    public CachePlan AfterLoading(ResolvedOptions options, DeviceInfo before, DeviceInfo now, DType activationType, ModelMemory model)
    {
        ArgumentNullException.ThrowIfNull(before);
        ArgumentNullException.ThrowIfNull(now);
        if (!IsGpu(now))
        {
            return this;
        }

        MemoryBudget budget = Plan.Budget;
        long beside = Math.Max(0, before.AvailableMemoryBytes - now.AvailableMemoryBytes - budget.WeightBytes - budget.ActivationBytes);
        long left = Plan.RequestedBytes - budget.WeightBytes - budget.ActivationBytes - beside;
        return Make(options, now, activationType, model, beside + Math.Max(0, left - (now.AvailableMemoryBytes - WarmUpBytes)));
    }

    /// <summary>
    /// Groups of layers with a block table each where a request of max_model_len then takes less memory while it decodes, and the option does not
    /// forbid it; else all layers are one group. A window that no sequence gets longer than is none.
    /// </summary>
    public static KvCacheLayout LayoutOf(IReadOnlyList<LayerSpec> layers, ResolvedOptions options)
    {
        ArgumentNullException.ThrowIfNull(layers);
        ArgumentNullException.ThrowIfNull(options);
        int[] windows = new int[layers.Count];
        int smallest = int.MaxValue;
        int largest = 0;
        for (int i = 0; i < windows.Length; i++)
        {
            windows[i] = layers[i].SlidingWindow < options.MaxModelLen ? layers[i].SlidingWindow : 0;
            smallest = Math.Min(smallest, windows[i]);
            largest = Math.Max(largest, windows[i]);
        }

        KvCacheLayout one = KvCacheLayout.OneGroup(windows.Length, smallest > 0 ? largest : null);
        KvCacheLayout? grouped = options.DisableHybridKvCacheManager ? null : KvCacheLayout.Grouped(windows);
        return grouped is not null && SteadyRequest(grouped, options) < SteadyRequest(one, options) ? grouped : one;
    }

    /// <summary>Block tables of all groups but the first on a GPU; the first is as small as everything else that is not counted.</summary>
    private static long FurtherTables(ResolvedOptions options, DeviceInfo device, KvCacheLayout layout) =>
        IsGpu(device) ? (layout.Windows.Count - 1L) * options.MaxNumSeqs * new KvGeometry(options.BlockSize, 2).BlocksFor(options.MaxModelLen) * sizeof(int) : 0;

    /// <summary>The memory of a request of max_model_len while it decodes: blocks times layers of a block.</summary>
    private static long SteadyRequest(KvCacheLayout layout, ResolvedOptions options) =>
        new KvCacheGroups(layout.Windows).SteadyBlocks(new KvGeometry(options.BlockSize, 2), options.MaxModelLen) * layout.LayersPerGroup;

    private static bool IsGpu(DeviceInfo device) => device.Name.StartsWith("cuda", StringComparison.Ordinal);

    private static bool IsLeftToUs(ResolvedOptions options) =>
        options.Asked.GpuMemoryUtilization is null && options.KvCacheMemoryBytes is null && options.NumGpuBlocksOverride is null;

    private static long CpuBytes(MemoryBudget budget, ResolvedOptions options, long free)
    {
        long blocksPerRequest = budget.BlocksPerRequest(options.MaxModelLen);
        long one = (blocksPerRequest + 1) * budget.BlockBytes;
        long useful = checked((blocksPerRequest * options.MaxNumSeqs + 1) * budget.BlockBytes);
        long allowed = Math.Min(CpuDefaultBytes, free / 2);

        // A model whose single longest request needs more than that gets it if the memory is there at all.
        return Math.Min(useful, Math.Max(allowed, Math.Min(one, free - budget.ActivationBytes)));
    }

    /// <summary>max_model_len auto: the longest request that the cache holds.</summary>
    private static (MemoryBudget Budget, ResolvedOptions Options) FitLength(MemoryBudget budget, ResolvedOptions options)
    {
        long bytes = budget.KvCacheMemoryBytes
            ?? (long)(budget.TotalBytes * budget.GpuMemoryUtilization) - budget.WeightBytes - budget.ActivationBytes - budget.OtherBytes;
        long blocks = budget.NumGpuBlocksOverride ?? bytes / budget.BlockBytes;
        int length = Math.Max(1, budget.LongestRequest(blocks));
        return (budget with { MaxModelLen = length }, options with { MaxModelLen = length });
    }

    /// <summary>auto keeps F32 on the CPU, where activations are F32 too and results then do not depend on the cache.</summary>
    private static DType CacheType(ResolvedOptions options, DType activationType) => options.KvCacheDType switch
    {
        "auto" => activationType,
        "float32" => DType.F32,
        "float16" => DType.F16,
        "bfloat16" => DType.BF16,
        "fp8" or "fp8_e4m3" => DType.F8E4M3,
        "fp8_e5m2" => DType.F8E5M2,
        "int8" or "int8_per_token_head" => DType.I8,
        _ => throw new QuireException(ErrorCodes.NotAvailable, ErrorKind.Usage,
            $"kv_cache_dtype {options.KvCacheDType} is not available; use auto, float32, float16, bfloat16, fp8, fp8_e5m2 or int8", "kv_cache_dtype"),
    };
}
