using System;
using System.Linq;
using Quire.Core.KvCache;
using Quire.Core.Memory;
using Quire.Engine;
using Quire.Engine.Loading;
using Quire.Engine.Options;
using Quire.Inference;
using Quire.Models;
using Quire.Tensors;

namespace Quire.Cli.Planning;

/// <summary>A memory plan on paper: for this machine as the engine would make it, or for a card that need not be here.</summary>
internal sealed record PaperPlan(string ModelPath, ModelMemory Memory, DeviceFacts Device, int Ranks, ResolvedOptions Options, MemoryPlan Plan, long KvBytesPerToken, string Note)
{
    private const double GiB = 1L << 30;

    /// <summary>Peak of the sampler for a row of logits, in bytes for each token of the vocabulary: fitted to published vLLM measurements on H100.</summary>
    private const double SamplerBytesPerLogit = 38.5;

    /// <summary>Driver context and libraries on one card, and with collectives on each of several: from the same measurements.</summary>
    private const double OtherGiBAlone = 0.13;
    private const double OtherGiBShared = 0.54;

    public static PaperPlan Make(OptionSet set, string? card, UsageContext use)
    {
        ModelFiles files = ModelFiles.Open(set);
        try
        {
            return card is null ? ForThisMachine(set, files, use) : ForCard(set, files, KnownDevices.Find(card), use);
        }
        catch (CheckpointException failure)
        {
            throw LoadErrors.From(failure);
        }
    }

    private static PaperPlan ForThisMachine(OptionSet set, ModelFiles files, UsageContext use)
    {
        using IBackend backend = BackendSelector.Create(new EngineOptions(WithoutRefused(set)));
        DeviceInfo device = backend.Device;
        var facts = new DeviceFacts("cpu", device.Description, device.TotalMemoryBytes, device.AvailableMemoryBytes);
        ResolvedOptions options = ModelFiles.Resolve(set, files.Facts, facts, use, planning: true);
        ModelMemory memory = ModelMemory.From(files.Config, options.DType, options.Quantization);
        CachePlan cache = CachePlan.Make(options, device, backend.ActivationType, memory);
        return new PaperPlan(files.Path, memory, facts, 1, cache.Options, cache.Plan, BytesPerToken(cache.Plan.Budget), "as the engine would plan on this machine");
    }

    private static PaperPlan ForCard(OptionSet set, ModelFiles files, DeviceFacts device, UsageContext use)
    {
        ResolvedOptions options = ModelFiles.Resolve(set, files.Facts, device, use, planning: true);
        ModelMemory memory = ModelMemory.From(files.Config, options.DType, options.Quantization);
        int tensorRanks = (int)(set.GetInteger("tensor_parallel_size") ?? 1);
        int pipelineRanks = (int)(set.GetInteger("pipeline_parallel_size") ?? 1);
        int layers = (memory.Spec.Layers.Count + pipelineRanks - 1) / pipelineRanks;
        CheckRanks(memory, tensorRanks);
        int kvHeads = Math.Max(1, memory.Spec.Attention.KvHeads / tensorRanks);
        int bits = CacheBits(options);
        KvCacheLayout layout = CachePlan.LayoutOf([.. memory.Spec.Layers.Take(layers)], options);
        long blockBytes = MemoryPlan.BlockBytes(layout.LayersPerGroup, kvHeads, memory.Spec.Attention.HeadDim, bits, options.BlockSize);
        long weights = options.DTypeIsForced || options.Quantization is not null || files.WeightFileBytes() is not { } stored ? memory.WeightBytes : stored;
        int ranks = tensorRanks * pipelineRanks;
        var budget = new MemoryBudget
        {
            TotalBytes = device.TotalMemoryBytes,
            GpuMemoryUtilization = options.GpuMemoryUtilization,
            KvCacheMemoryBytes = options.KvCacheMemoryBytes,
            NumGpuBlocksOverride = options.NumGpuBlocksOverride,
            WeightBytes = weights / ranks,
            ActivationBytes = ActivationPeak(memory, options, tensorRanks),
            OtherBytes = (long)((ranks > 1 ? OtherGiBShared : OtherGiBAlone) * GiB),
            BlockBytes = blockBytes,
            BlockSize = options.BlockSize,
            MaxModelLen = options.MaxModelLen,
            MaxNumBatchedTokens = options.MaxNumBatchedTokens,
            Groups = new KvCacheGroups(layout.Windows),
        };
        if (options.FitMaxModelLen)
            budget = budget with { MaxModelLen = FittingLength(budget) };
        if (MemoryPlan.TryMake(budget, out MemoryPlan? plan) is { } refusal)
            throw new QuireException(ErrorCodes.NotEnoughMemory, ErrorKind.Usage, refusal.Message, refusal.Field);
        return new PaperPlan(files.Path, memory, device, ranks, options, plan!, BytesPerToken(budget),
            "an estimate; activations are the sampler's peak as fitted to published measurements of vLLM, or the forward pass if larger");
    }

    private static void CheckRanks(ModelMemory memory, int ranks)
    {
        int heads = memory.Spec.Attention.Heads;
        if (heads % ranks != 0)
        {
            throw new QuireException(ErrorCodes.ConflictingOptions, ErrorKind.Usage,
                $"Total number of attention heads ({heads}) must be divisible by tensor parallel size ({ranks}).", "tensor_parallel_size");
        }
    }

    /// <summary>The larger of the forward pass over max_num_batched_tokens and the sampler over max_num_seqs rows of logits.</summary>
    private static long ActivationPeak(ModelMemory memory, ResolvedOptions options, int tensorRanks)
    {
        DecoderSpec spec = memory.Spec;
        int element = options.DType == "float32" ? 4 : 2;
        long projections = (long)(spec.Attention.Heads + (2 * spec.Attention.KvHeads)) * spec.Attention.HeadDim / tensorRanks;
        long widest = Math.Max(projections, 3L * LargestFeedForward(memory) / tensorRanks);
        long forward = options.MaxNumBatchedTokens * element * ((2L * spec.HiddenSize) + widest);
        double sampler = Math.Min(options.MaxNumSeqs, options.MaxNumBatchedTokens) * (double)spec.VocabularySize * SamplerBytesPerLogit;
        return Math.Max(forward, (long)sampler);
    }

    private static long LargestFeedForward(ModelMemory memory)
    {
        long largest = 0;
        foreach (LayerSpec layer in memory.Spec.Layers)
            largest = Math.Max(largest, layer.FeedForward.InnerSize);
        return largest;
    }

    private static int CacheBits(ResolvedOptions options) => options.KvCacheDType switch
    {
        "float32" => 32,
        "auto" => options.DType == "float32" ? 32 : 16,
        _ => 16,
    };

    /// <summary>What a token takes in all groups of layers, as long as none of its blocks has been given back.</summary>
    private static long BytesPerToken(MemoryBudget budget) => budget.BlockBytes / budget.BlockSize * budget.Groups.Count;

    private static int FittingLength(MemoryBudget budget)
    {
        long bytes = budget.KvCacheMemoryBytes
            ?? (long)Math.Ceiling(budget.TotalBytes * budget.GpuMemoryUtilization) - budget.WeightBytes - budget.ActivationBytes - budget.OtherBytes;
        long blocks = budget.NumGpuBlocksOverride ?? bytes / budget.BlockBytes;
        return Math.Max(1, budget.LongestRequest(blocks));
    }

    /// <summary>Options of missing features may be planned with, but a backend for them cannot be made.</summary>
    private static OptionSet WithoutRefused(OptionSet set)
    {
        var possible = new OptionSet();
        foreach (string name in (ReadOnlySpan<string>)["device", "threads"])
        {
            if (set.Find(name) is { } setting)
                possible.Put(name, setting.Value, setting.Origin, setting.Where);
        }

        return possible;
    }
}
