using System;
using System.Collections.Generic;
using System.Globalization;
using Quire.Engine.Lora;

namespace Quire.Engine.Options;

/// <summary>
/// Turns what was asked into what is in force, by vLLM's rules: defaults by device and use, the context length from the model, the cross
/// checks with vLLM's words.
/// </summary>
public static class OptionResolver
{
    private const long GiB = 1L << 30;

    /// <summary>The options in force, or null with the first mistake.</summary>
    public static ResolvedOptions? TryResolve(EngineOptions asked, ModelFacts model, DeviceFacts device, UsageContext use, out OptionProblem? problem,
        bool planning = false)
    {
        OptionSet set = asked.Settings;
        problem = OptionChecks.FirstMistake(set, planning);
        if (problem is not null)
            return null;
        var why = new Dictionary<string, (string Value, OptionOrigin Origin, string Reason)>(StringComparer.Ordinal);
        var warnings = new List<string>(OptionChecks.Warnings(set));

        int maxModelLen = ResolveLength(set, model, why, warnings, out bool fit, out problem);
        if (problem is not null)
            return null;
        bool chunked = set.GetFlag("enable_chunked_prefill") ?? true;
        (int seqs, int batched) = ResolveBatch(set, device, use, maxModelLen, chunked, why);
        problem = CheckBatch(set, seqs, batched, maxModelLen, chunked, warnings);
        if (problem is not null)
            return null;
        string dtype = ResolveDType(set, model, device, why, out problem);
        if (problem is not null)
            return null;

        ResolveQuantization(set, model, why);
        string modelPath = set.GetText("model") ?? "quill";
        if (set.Find("model") is null)
            why["model"] = (modelPath, OptionOrigin.Default, "the model that ships with Quire");
        IReadOnlyList<string> names = set.GetList("served_model_name") is { Count: > 0 } given ? given : [modelPath];
        if (set.Find("served_model_name") is null)
            why["served_model_name"] = (modelPath, OptionOrigin.Derived, "the model argument");
        string tokenizer = set.GetText("tokenizer") ?? modelPath;
        if (set.Find("tokenizer") is null)
            why["tokenizer"] = (tokenizer, OptionOrigin.Derived, "the model argument");
        int scheduled = (int)Math.Min(batched, set.GetInteger("max_num_scheduled_tokens") ?? batched);
        why["max_num_scheduled_tokens"] = (Text(scheduled), OptionOrigin.Derived, "no more than max_num_batched_tokens");

        return new ResolvedOptions
        {
            Asked = asked,
            Model = modelPath,
            Tokenizer = tokenizer,
            ServedModelNames = names,
            MaxModelLen = maxModelLen,
            FitMaxModelLen = fit,
            MaxNumSeqs = seqs,
            MaxNumBatchedTokens = batched,
            MaxNumScheduledTokens = scheduled,
            GpuMemoryUtilization = set.GetNumber("gpu_memory_utilization") ?? 0.92,
            KvCacheMemoryBytes = set.GetInteger("kv_cache_memory_bytes"),
            NumGpuBlocksOverride = (int?)set.GetInteger("num_gpu_blocks_override"),
            BlockSize = (int)(set.GetInteger("block_size") ?? 16),
            EnablePrefixCaching = set.GetFlag("enable_prefix_caching") ?? true,
            EnableChunkedPrefill = chunked,
            LongPrefillTokenThreshold = (int)(set.GetInteger("long_prefill_token_threshold") ?? 0),
            SchedulingPolicy = set.GetText("scheduling_policy") ?? "fcfs",
            Watermark = set.GetNumber("watermark") ?? 0,
            DisableHybridKvCacheManager = set.GetFlag("disable_hybrid_kv_cache_manager") ?? false,
            SchedulerReserveFullIsl = set.GetFlag("scheduler_reserve_full_isl") ?? true,
            AsyncScheduling = set.GetFlag("async_scheduling") ?? true,
            StreamInterval = (int)(set.GetInteger("stream_interval") ?? 1),
            Seed = set.GetInteger("seed") ?? 0,
            MaxLogprobs = (int)(set.GetInteger("max_logprobs") ?? 20),
            LogprobsMode = set.GetText("logprobs_mode") ?? "raw_logprobs",
            DType = dtype,
            DTypeIsForced = set.GetText("dtype") is { } forced && forced != "auto",
            KvCacheDType = set.GetText("kv_cache_dtype") ?? "auto",
            LoadFormat = set.GetText("load_format") ?? "auto",
            Quantization = set.GetText("quantization"),
            GenerationConfig = set.GetText("generation_config") ?? "auto",
            DisableLogStats = set.GetFlag("disable_log_stats") ?? false,
            SkipTokenizerInit = set.GetFlag("skip_tokenizer_init") ?? false,
            Lora = LoraSettings.Of(set),
            Threads = (int)(set.GetInteger("threads") ?? 0),
            Explanations = Explain(set, why, OptionScope.Engine),
            Warnings = warnings,
        };
    }

    /// <summary>Value, origin and reason of every option of the server, which depend on neither model nor device.</summary>
    public static IReadOnlyList<ResolvedOption> ExplainServer(OptionSet set) =>
        Explain(set, new Dictionary<string, (string, OptionOrigin, string)>(StringComparer.Ordinal), OptionScope.Server);

    /// <summary>Value, origin and reason of every option of a scope; what is not in <paramref name="why"/> was set or has its default.</summary>
    internal static List<ResolvedOption> Explain(OptionSet set, IReadOnlyDictionary<string, (string Value, OptionOrigin Origin, string Reason)> why, OptionScope scope)
    {
        var entries = new List<ResolvedOption>();
        foreach (OptionDescriptor option in OptionCatalogue.All)
        {
            if (option.Scope != scope)
                continue;
            OptionSetting? setting = set.Find(option.Name);
            if (why.TryGetValue(option.Name, out (string Value, OptionOrigin Origin, string Reason) entry))
            {
                entries.Add(new ResolvedOption(option, entry.Value, setting is null ? entry.Origin : setting.Origin, setting?.Where ?? "", entry.Reason));
            }
            else if (setting is not null)
            {
                string idle = option.Effect == OptionEffect.Hint && !option.IsNeutral(setting.Value) ? ", without effect: " + option.Note : "";
                entries.Add(new ResolvedOption(option, OptionValue.Format(setting.Value), setting.Origin, setting.Where, "set" + idle));
            }
            else
            {
                entries.Add(new ResolvedOption(option, option.Default, OptionOrigin.Default, "", "default"));
            }
        }

        return entries;
    }

    private static void ResolveQuantization(OptionSet set, ModelFacts model, Dictionary<string, (string, OptionOrigin, string)> why)
    {
        if (set.Find("quantization") is null && model.QuantizationMethod is { } method)
            why["quantization"] = (method, OptionOrigin.Derived, "the checkpoint's own");
    }

    private static int ResolveLength(OptionSet set, ModelFacts model, Dictionary<string, (string, OptionOrigin, string)> why, List<string> warnings,
        out bool fit, out OptionProblem? problem)
    {
        problem = null;
        long? asked = set.GetInteger("max_model_len");
        fit = asked == -1;
        string key = model.DerivedMaxModelLenKey is { } name ? $"{name} of config.json" : "config.json names no length";
        if (asked is null or -1)
        {
            int length = asked is null ? model.DefaultMaxModelLen : model.DerivedMaxModelLen;
            if (model.Warning is not null)
                warnings.Add(model.Warning);
            why["max_model_len"] = (Text(length), OptionOrigin.Model, fit ? $"at most {length} ({key}), lowered to what the KV cache holds" : key);
            return length;
        }

        if (model.DerivedMaxModelLenKey is not null && asked > model.DerivedMaxModelLen && !(model.ModelMaxLength >= asked))
        {
            string own = model.ModelMaxLength is { } max ? Text(max) : "None";
            problem = new OptionProblem(ErrorCodes.InvalidOption, "max_model_len",
                $"User-specified max_model_len ({asked}) is greater than the derived max_model_len "
                + $"({model.DerivedMaxModelLenKey}={model.DerivedMaxModelLen} or model_max_length={own} in model's config.json). Use at most {model.DerivedMaxModelLen}.");
        }

        return (int)Math.Min(asked.Value, int.MaxValue);
    }

    private static (int Seqs, int Batched) ResolveBatch(OptionSet set, DeviceFacts device, UsageContext use, int maxModelLen, bool chunked,
        Dictionary<string, (string, OptionOrigin, string)> why)
    {
        (int defaultSeqs, int defaultBatched, string reason) = BatchDefaults(device, use);
        if (set.GetText("performance_mode") == "throughput")
        {
            (defaultSeqs, defaultBatched) = (defaultSeqs * 2, defaultBatched * 2);
            reason += ", doubled by performance_mode throughput";
        }

        long? askedSeqs = set.GetInteger("max_num_seqs");
        long? askedBatched = set.GetInteger("max_num_batched_tokens");
        int seqs = Clamp(askedSeqs ?? defaultSeqs);
        int batched = Clamp(askedBatched ?? defaultBatched);
        if (askedBatched is null)
        {
            string note = reason;
            if (!chunked && batched < maxModelLen)
                (batched, note) = (maxModelLen, "max_model_len, since chunked prefill is off");
            long most = (long)seqs * maxModelLen;
            if (batched > most)
                (batched, note) = ((int)most, "max_num_seqs · max_model_len, more cannot be used");
            if (batched < seqs)
                (batched, note) = (seqs, "raised to max_num_seqs");
            why["max_num_batched_tokens"] = (Text(batched), OptionOrigin.Device, note);
        }

        if (askedSeqs is null)
        {
            string note = reason;
            if (seqs > batched)
                (seqs, note) = (batched, "lowered to max_num_batched_tokens");
            why["max_num_seqs"] = (Text(seqs), OptionOrigin.Device, note);
        }

        return (seqs, batched);
    }

    private static (int Seqs, int Batched, string Reason) BatchDefaults(DeviceFacts device, UsageContext use)
    {
        bool server = use == UsageContext.ApiServer;
        string purpose = server ? "a server" : "offline use";
        if (use == UsageContext.Unknown)
            return (128, 2048, "use unknown");
        if (device.Kind == "cpu")
            return server ? (128, 2048, "CPU, a server") : (256, 4096, "CPU, offline use");
        if (device.TotalMemoryBytes >= 160 * GiB)
            return (1024, 16384, $"device of 160 GiB or more, {purpose}");
        if (device.TotalMemoryBytes >= 70 * GiB && !device.Name.Contains("A100", StringComparison.OrdinalIgnoreCase))
            return (1024, server ? 8192 : 16384, $"device of 70 GiB or more, {purpose}");
        return (256, server ? 2048 : 8192, $"device under 70 GiB (or an A100), {purpose}");
    }

    private static OptionProblem? CheckBatch(OptionSet set, int seqs, int batched, int maxModelLen, bool chunked, List<string> warnings)
    {
        if (batched < seqs)
        {
            return new OptionProblem(ErrorCodes.ConflictingOptions, "max_num_batched_tokens",
                $"max_num_batched_tokens ({batched}) must be greater than or equal to max_num_seqs ({seqs}).");
        }

        if (!chunked && batched < maxModelLen)
        {
            return new OptionProblem(ErrorCodes.ConflictingOptions, "max_num_batched_tokens",
                $"max_num_batched_tokens ({batched}) is smaller than max_model_len ({maxModelLen}). This effectively limits the maximum sequence length to "
                + "max_num_batched_tokens and makes vLLM reject longer sequences. Please increase max_num_batched_tokens or decrease max_model_len.");
        }

        if (batched > (long)seqs * maxModelLen)
            warnings.Add($"max_num_batched_tokens ({batched}) exceeds max_num_seqs * max_model_len ({(long)seqs * maxModelLen}); the rest is never used");
        if (set.GetInteger("long_prefill_token_threshold") is { } threshold && threshold > maxModelLen)
        {
            return new OptionProblem(ErrorCodes.ConflictingOptions, "long_prefill_token_threshold",
                $"long_prefill_token_threshold ({threshold}) cannot be greater than the max_model_len ({maxModelLen}).");
        }

        return null;
    }

    private static string ResolveDType(OptionSet set, ModelFacts model, DeviceFacts device, Dictionary<string, (string, OptionOrigin, string)> why,
        out OptionProblem? problem)
    {
        problem = null;
        string asked = set.GetText("dtype") ?? "auto";
        string dtype = asked switch { "half" => "float16", "float" => "float32", _ => asked };
        if (dtype == "float16" && model.ModelType is "gemma2" or "gemma3" or "gemma3_text" or "glm4" && dtype == "float16")
        {
            problem = new OptionProblem(ErrorCodes.InvalidOption, "dtype",
                $"The model type '{model.ModelType}' does not support float16. Reason: Numerical instability. Please use bfloat16 or float32 instead.");
            return dtype;
        }

        if (dtype != "auto")
            return dtype;
        dtype = model.CheckpointDType is "float16" or "bfloat16" or "float32" ? model.CheckpointDType : "float32";
        if (dtype == "float32" && device.Kind != "cpu")
        {
            why["dtype"] = ("bfloat16", OptionOrigin.Device, "the checkpoint is float32, the device computes in bfloat16");
            return "bfloat16";
        }

        why["dtype"] = (dtype, OptionOrigin.Model, device.Kind == "cpu" ? "type of the checkpoint; activations are float32 on the CPU" : "type of the checkpoint");
        return dtype;
    }

    private static int Clamp(long value) => (int)Math.Clamp(value, 1, int.MaxValue);

    private static string Text(long value) => value.ToString(CultureInfo.InvariantCulture);
}
