using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.IO;
using System.Security.Cryptography;
using System.Threading;
using System.Threading.Tasks;
using Microsoft.Extensions.Logging;
using Quire.Core.Memory;
using Quire.Core.Scheduling;
using Quire.Engine.Execution;
using Quire.Engine.Intake;
using Quire.Engine.Lora;
using Quire.Engine.Options;
using Quire.Engine.Sampling;
using Quire.Engine.Streaming;
using Quire.Models;
using Quire.Models.Weights;
using Quire.Models.Config;
using Quire.Models.Quantization;
using Quire.Tensors;
using Quire.Tokenization;

namespace Quire.Engine.Loading;

/// <summary>
/// Turns options and a model folder into everything that an engine runs on, in the order: configuration, options, tokenizer (beside the
/// weights), weights, memory plan, cache, scheduler.
/// </summary>
internal static class EngineLoader
{
    public static LoadedModel Load(
        EngineOptions asked, IBackend backend, UsageContext use, ILogger logger, IProgress<LoadProgress>? progress, CancellationToken cancellationToken)
    {
        try
        {
            string folder = ModelLocator.Locate(asked.Settings);
            HfConfig config = HfConfig.Load(folder, asked.HfOverrides?.GetRawText());
            ResolvedOptions options = Resolve(asked, folder, config, backend, use);
            foreach (string warning in options.Warnings)
            {
                logger.LogWarning("{Warning}", warning);
            }

            IReadOnlyList<LoraRequest> loras = LoraStartup.Modules(options);
            var memory = ModelMemory.From(config, options.DType, options.Quantization, expands: !backend.KeepsPackedWeights);
            if (QuantizationMethods.Note(options.Quantization, memory.Quantization) is { } note)
            {
                logger.LogWarning("{Warning}", note);
            }

            DeviceInfo before = backend.Device;
            ResolvedOptions resolved = options;
            CachePlan cache = CachePlan.Make(resolved, before, backend.ActivationType, memory);
            options = cache.Options;
            logger.LogInformation("Loading {Folder}: {Summary}", folder, memory.Summary);
            LogPlan(logger, "planned", cache);
            Task<TextFiles> text = Task.Run(() => TextFiles.Load(folder, options), cancellationToken);
            DecoderModel model = DecoderModel.Load(config, folder, backend, ModelOptions(asked, options, backend.Device), progress);
            cancellationToken.ThrowIfCancellationRequested();
            TextFiles texts = text.GetAwaiter().GetResult();
            LoraStartup? lora = LoraStartup.Create(model, options, loras, ServedNames(options, folder), backend, logger);
            cache = cache.AfterLoading(resolved, before, backend.Device, backend.ActivationType, memory);
            LogPlan(logger, "measured", cache);
            LoadedModel loaded = Assemble(folder, config, cache, memory, backend, model, texts, lora);
            long start = Stopwatch.GetTimestamp();
            loaded.Runner.WarmUp(options.MaxNumSeqs, options.MaxNumBatchedTokens);
            logger.LogInformation(
                "Ready: warmed up in {Seconds:F1} s, {Free:F2} GiB of {Total:F2} GiB are free on {Device}",
                Stopwatch.GetElapsedTime(start).TotalSeconds, Gib(backend.Device.AvailableMemoryBytes), Gib(before.TotalMemoryBytes), before.Name);
            return loaded;
        }
        catch (CheckpointException exception)
        {
            throw LoadErrors.From(exception);
        }
    }

    /// <summary>Where the memory goes: as planned before any weight is read, and as measured with the model loaded.</summary>
    private static void LogPlan(ILogger logger, string how, CachePlan cache)
    {
        MemoryPlan plan = cache.Plan;
        logger.LogInformation(
            "Memory as {How}: weights {Weights:F2} GiB, activations {Activations:F2} GiB, other {Other:F2} GiB, KV cache {Cache:F2} GiB ({Blocks} blocks, {Tokens} tokens, {Type}); "
            + "maximum concurrency for {Length} tokens per request: {Concurrency:F2}x",
            how, Gib(plan.Budget.WeightBytes), Gib(plan.Budget.ActivationBytes), Gib(plan.Budget.OtherBytes), Gib(plan.CacheBytes), plan.BlockCount, plan.CacheTokens,
            cache.Shape.Type.DisplayName(), plan.Budget.MaxModelLen, plan.MaxConcurrency);
    }

    private static double Gib(long bytes) => bytes / (double)(1L << 30);

    private static ResolvedOptions Resolve(EngineOptions asked, string folder, HfConfig config, IBackend backend, UsageContext use)
    {
        DeviceInfo device = backend.Device;
        var facts = new DeviceFacts(
            device.Name.StartsWith("cuda", StringComparison.Ordinal) ? "cuda" : "cpu", device.Description, device.TotalMemoryBytes, device.AvailableMemoryBytes);
        ResolvedOptions? options = OptionResolver.TryResolve(asked, ModelFacts.Of(config), facts, use, out OptionProblem? problem);
        return options ?? throw new QuireException(problem!.Code, ErrorKind.Usage, problem.Message, problem.Option);
    }

    private static ModelOptions ModelOptions(EngineOptions asked, ResolvedOptions options, DeviceInfo device) => new()
    {
        DType = options.DType,
        LoadFormat = LoadFormats.Parse(options.LoadFormat),
        Quantization = options.Quantization,
        Seed = unchecked((ulong)options.Seed),
        MaxBatchedTokens = options.MaxNumBatchedTokens,
        MaxLogitRows = CachePlan.LogitRows(options, device),
        MaxModelLength = options.MaxModelLen,
        Lora = options.Lora?.Room,
        HfOverrides = asked.HfOverrides?.GetRawText(),
    };

    private static LoadedModel Assemble(
        string folder, HfConfig config, CachePlan cache, ModelMemory memory, IBackend backend, DecoderModel model, TextFiles text, LoraStartup? lora)
    {
        text.CheckVocabulary(model.Spec.VocabularySize);
        ResolvedOptions options = cache.Options;
        KvCache blocks = CreateKvCache(backend, cache);
        var context = new ForwardContext(cache.Layout) { KvCache = blocks.SharedBy(cache.Layout.PlaceOf).WithScales(model.KvScales) };
        int blocksPerSequence = cache.Plan.Geometry.BlocksFor(options.MaxModelLen);
        var batch = new BatchBuilder(backend, context, options.MaxNumBatchedTokens, options.MaxNumSeqs, blocksPerSequence);
        GenerationConfig defaults = text.GenerationConfig;
        IReadOnlyList<int> endTokens = EndTokens(config, defaults, text.Tokenizer);
        TextServices? services = text.Tokenizer is { } tokenizer ? new TextServices(tokenizer, model.Spec.VocabularySize) : null;
        LogprobsMode mode = ReportedLogprobs(options.LogprobsMode);
        var runner = new ModelRunner(
            model, backend, batch, blocks, new Sampler(model.Spec.VocabularySize), mode, options.MaxNumSeqs, lora?.Slots,
            enforceEager: options.Asked.Settings.GetFlag("enforce_eager") ?? false);
        return new LoadedModel
        {
            Backend = backend,
            Model = model,
            Options = options,
            MemoryPlan = cache.Plan,
            Scheduler = new Scheduler(SchedulerOptions(options, cache.Plan)),
            Runner = runner,
            Loras = lora?.Registry,
            Samplers = new SamplerFactory(model.Spec.VocabularySize, options.MaxLogprobs, mode, endTokens, text.Tokenizer, options.Seed),
            Tokenizer = text.Tokenizer,
            Text = services,
            ChatTemplates = text.ChatTemplates,
            CacheConfig = CacheConfigLabels.Of(options, cache),
            Info = new ModelInfo
            {
                ServedNames = ServedNames(options, folder),
                Path = options.Model,
                Architecture = model.Spec.Architecture,
                MaxModelLen = options.MaxModelLen,
                VocabularySize = model.Spec.VocabularySize,
                DType = model.WeightType.DisplayName(),
                Created = DateTimeOffset.UtcNow,
                ParameterCount = memory.ParameterCount,
                WeightBytes = model.WeightBytes,
                EosTokenIds = endTokens,
                GenerationDefaults = defaults,
            },
        };
    }

    private static KvCache CreateKvCache(IBackend backend, CachePlan cache)
    {
        try
        {
            return backend.CreateKvCache(cache.Shape);
        }
        catch (NotSupportedException exception)
        {
            throw new QuireException(ErrorCodes.NotAvailable, ErrorKind.Usage, $"{exception.Message}; use kv_cache_dtype auto", "kv_cache_dtype");
        }
    }

    private static SchedulerOptions SchedulerOptions(ResolvedOptions options, MemoryPlan plan) => new()
    {
        MaxNumSeqs = options.MaxNumSeqs,
        MaxNumBatchedTokens = options.MaxNumBatchedTokens,
        MaxNumScheduledTokens = options.MaxNumScheduledTokens,
        MaxModelLen = options.MaxModelLen,
        BlockSize = options.BlockSize,
        NumBlocks = plan.BlockCount,
        KvCacheGroups = plan.Budget.Groups,
        EnableChunkedPrefill = options.EnableChunkedPrefill,
        LongPrefillTokenThreshold = options.LongPrefillTokenThreshold,
        Policy = options.SchedulingPolicy == "priority" ? SchedulingPolicy.Priority : SchedulingPolicy.Fcfs,
        Watermark = options.Watermark,
        SchedulerReserveFullIsl = options.SchedulerReserveFullIsl,
        EnablePrefixCaching = options.EnablePrefixCaching,
        MaxLoras = options.Lora?.MaxLoras ?? 0,

        // A secret of this process: nobody outside can make two prefixes collide.
        CacheKey = RandomNumberGenerator.GetBytes(32),
    };

    private static LogprobsMode ReportedLogprobs(string name) => name switch
    {
        "raw_logits" => LogprobsMode.RawLogits,
        "processed_logprobs" => LogprobsMode.ProcessedLogprobs,
        "processed_logits" => LogprobsMode.ProcessedLogits,
        _ => LogprobsMode.RawLogprobs,
    };

    /// <summary>The tokenizer's own end first, then what the generation config and config.json add.</summary>
    private static List<int> EndTokens(HfConfig config, GenerationConfig defaults, ITokenizer? tokenizer)
    {
        var ids = new List<int>();
        if (tokenizer?.Special.Eos is { Id: { } own })
        {
            ids.Add(own);
        }

        foreach (int id in defaults.EosTokenIds.Count > 0 ? defaults.EosTokenIds : config.EosTokenIds)
        {
            if (!ids.Contains(id))
            {
                ids.Add(id);
            }
        }

        return ids;
    }

    /// <summary>The shipped model is served under its name, not under the path where it was found.</summary>
    private static IReadOnlyList<string> ServedNames(ResolvedOptions options, string folder) =>
        options.Asked.Settings.GetList("served_model_name") is { Count: > 0 } ? options.ServedModelNames
        : options.Asked.Model is null ? [ModelLocator.DefaultModel]
        : [options.Model == folder || (HubCache.IsName(options.Model) && !Path.Exists(options.Model)) ? options.Model : Path.GetFileName(Path.TrimEndingDirectorySeparator(folder))];
}
