using System.Collections.Generic;
using System.Text.Json;
using Quire.Engine.Options;

namespace Quire.Engine;

/// <summary>
/// Every option of the engine by its vLLM name in PascalCase; null means that it is not set and its default applies. What an option means,
/// its range and its default stand in <see cref="OptionCatalogue"/> and <c>docs/options.md</c>.
/// <see cref="OptionResolver"/> turns it, together with the model and the device, into <see cref="ResolvedOptions"/>.
/// </summary>
public sealed record EngineOptions
{
    private readonly OptionSet _set;

    public EngineOptions() => _set = new OptionSet();

    /// <summary>Options gathered elsewhere, each with its origin.</summary>
    public EngineOptions(OptionSet settings)
    {
        System.ArgumentNullException.ThrowIfNull(settings);
        _set = settings.Copy();
    }

    private EngineOptions(EngineOptions original) => _set = original._set.Copy();

    /// <summary>What was set, with origins. A copy: changing it changes nothing here.</summary>
    public OptionSet Settings => _set.Copy();

    /// <summary>Option <c>model</c>.</summary>
    public string? Model { get => _set.GetText("model"); init => _set.Put("model", value); }

    /// <summary>Option <c>tokenizer</c>.</summary>
    public string? Tokenizer { get => _set.GetText("tokenizer"); init => _set.Put("tokenizer", value); }

    /// <summary>Option <c>tokenizer_mode</c>.</summary>
    public string? TokenizerMode { get => _set.GetText("tokenizer_mode"); init => _set.Put("tokenizer_mode", value); }

    /// <summary>Option <c>skip_tokenizer_init</c>.</summary>
    public bool? SkipTokenizerInit { get => _set.GetFlag("skip_tokenizer_init"); init => _set.Put("skip_tokenizer_init", value); }

    /// <summary>Option <c>max_model_len</c>.</summary>
    public int? MaxModelLen { get => GetInt("max_model_len"); init => _set.Put("max_model_len", (long?)value); }

    /// <summary>Option <c>dtype</c>.</summary>
    public string? DType { get => _set.GetText("dtype"); init => _set.Put("dtype", value); }

    /// <summary>Option <c>seed</c>.</summary>
    public long? Seed { get => _set.GetInteger("seed"); init => _set.Put("seed", value); }

    /// <summary>Option <c>device</c>.</summary>
    public string? Device { get => _set.GetText("device"); init => _set.Put("device", value); }

    /// <summary>Option <c>cuda_library_folders</c>.</summary>
    public string? CudaLibraryFolders { get => _set.GetText("cuda_library_folders"); init => _set.Put("cuda_library_folders", value); }

    /// <summary>Option <c>cuda_cache_folder</c>.</summary>
    public string? CudaCacheFolder { get => _set.GetText("cuda_cache_folder"); init => _set.Put("cuda_cache_folder", value); }

    /// <summary>Option <c>threads</c>.</summary>
    public int? Threads { get => GetInt("threads"); init => _set.Put("threads", (long?)value); }

    /// <summary>Option <c>hf_overrides</c>.</summary>
    public JsonElement? HfOverrides { get => _set.GetJson("hf_overrides"); init => _set.Put("hf_overrides", value); }

    /// <summary>Option <c>hf_config_path</c>.</summary>
    public string? HfConfigPath { get => _set.GetText("hf_config_path"); init => _set.Put("hf_config_path", value); }

    /// <summary>Option <c>config_format</c>.</summary>
    public string? ConfigFormat { get => _set.GetText("config_format"); init => _set.Put("config_format", value); }

    /// <summary>Option <c>generation_config</c>.</summary>
    public string? GenerationConfig { get => _set.GetText("generation_config"); init => _set.Put("generation_config", value); }

    /// <summary>Option <c>max_logprobs</c>.</summary>
    public int? MaxLogprobs { get => GetInt("max_logprobs"); init => _set.Put("max_logprobs", (long?)value); }

    /// <summary>Option <c>logprobs_mode</c>.</summary>
    public string? LogprobsMode { get => _set.GetText("logprobs_mode"); init => _set.Put("logprobs_mode", value); }

    /// <summary>Option <c>runner</c>.</summary>
    public string? Runner { get => _set.GetText("runner"); init => _set.Put("runner", value); }

    /// <summary>Option <c>convert</c>.</summary>
    public string? Convert { get => _set.GetText("convert"); init => _set.Put("convert", value); }

    /// <summary>Option <c>disable_sliding_window</c>.</summary>
    public bool? DisableSlidingWindow { get => _set.GetFlag("disable_sliding_window"); init => _set.Put("disable_sliding_window", value); }

    /// <summary>Option <c>trust_remote_code</c>.</summary>
    public bool? TrustRemoteCode { get => _set.GetFlag("trust_remote_code"); init => _set.Put("trust_remote_code", value); }

    /// <summary>Option <c>revision</c>.</summary>
    public string? Revision { get => _set.GetText("revision"); init => _set.Put("revision", value); }

    /// <summary>Option <c>code_revision</c>.</summary>
    public string? CodeRevision { get => _set.GetText("code_revision"); init => _set.Put("code_revision", value); }

    /// <summary>Option <c>tokenizer_revision</c>.</summary>
    public string? TokenizerRevision { get => _set.GetText("tokenizer_revision"); init => _set.Put("tokenizer_revision", value); }

    /// <summary>Option <c>hf_token</c>.</summary>
    public string? HfToken { get => _set.GetText("hf_token"); init => _set.Put("hf_token", value); }

    /// <summary>Option <c>enable_prompt_embeds</c>.</summary>
    public bool? EnablePromptEmbeds { get => _set.GetFlag("enable_prompt_embeds"); init => _set.Put("enable_prompt_embeds", value); }

    /// <summary>Option <c>allowed_local_media_path</c>.</summary>
    public string? AllowedLocalMediaPath { get => _set.GetText("allowed_local_media_path"); init => _set.Put("allowed_local_media_path", value); }

    /// <summary>Option <c>allowed_media_domains</c>.</summary>
    public IReadOnlyList<string>? AllowedMediaDomains { get => _set.GetList("allowed_media_domains"); init => _set.Put("allowed_media_domains", value); }

    /// <summary>Option <c>logits_processors</c>.</summary>
    public IReadOnlyList<string>? LogitsProcessors { get => _set.GetList("logits_processors"); init => _set.Put("logits_processors", value); }

    /// <summary>Option <c>model_impl</c>.</summary>
    public string? ModelImpl { get => _set.GetText("model_impl"); init => _set.Put("model_impl", value); }

    /// <summary>Option <c>enable_sleep_mode</c>.</summary>
    public bool? EnableSleepMode { get => _set.GetFlag("enable_sleep_mode"); init => _set.Put("enable_sleep_mode", value); }

    /// <summary>Option <c>disable_cascade_attn</c>.</summary>
    public bool? DisableCascadeAttn { get => _set.GetFlag("disable_cascade_attn"); init => _set.Put("disable_cascade_attn", value); }

    /// <summary>Option <c>use_fp64_gumbel</c>.</summary>
    public bool? UseFp64Gumbel { get => _set.GetFlag("use_fp64_gumbel"); init => _set.Put("use_fp64_gumbel", value); }

    /// <summary>Option <c>gpu_memory_utilization</c>.</summary>
    public double? GpuMemoryUtilization { get => _set.GetNumber("gpu_memory_utilization"); init => _set.Put("gpu_memory_utilization", value); }

    /// <summary>Option <c>kv_cache_memory_bytes</c>.</summary>
    public long? KvCacheMemoryBytes { get => _set.GetInteger("kv_cache_memory_bytes"); init => _set.Put("kv_cache_memory_bytes", value); }

    /// <summary>Option <c>num_gpu_blocks_override</c>.</summary>
    public int? NumGpuBlocksOverride { get => GetInt("num_gpu_blocks_override"); init => _set.Put("num_gpu_blocks_override", (long?)value); }

    /// <summary>Option <c>block_size</c>.</summary>
    public int? BlockSize { get => GetInt("block_size"); init => _set.Put("block_size", (long?)value); }

    /// <summary>Option <c>kv_cache_dtype</c>.</summary>
    public string? KvCacheDType { get => _set.GetText("kv_cache_dtype"); init => _set.Put("kv_cache_dtype", value); }

    /// <summary>Option <c>enable_prefix_caching</c>.</summary>
    public bool? EnablePrefixCaching { get => _set.GetFlag("enable_prefix_caching"); init => _set.Put("enable_prefix_caching", value); }

    /// <summary>Option <c>prefix_caching_hash_algo</c>.</summary>
    public string? PrefixCachingHashAlgo { get => _set.GetText("prefix_caching_hash_algo"); init => _set.Put("prefix_caching_hash_algo", value); }

    /// <summary>Option <c>watermark</c>.</summary>
    public double? Watermark { get => _set.GetNumber("watermark"); init => _set.Put("watermark", value); }

    /// <summary>Option <c>calculate_kv_scales</c>.</summary>
    public bool? CalculateKvScales { get => _set.GetFlag("calculate_kv_scales"); init => _set.Put("calculate_kv_scales", value); }

    /// <summary>Option <c>cpu_offload_gb</c>.</summary>
    public double? CpuOffloadGb { get => _set.GetNumber("cpu_offload_gb"); init => _set.Put("cpu_offload_gb", value); }

    /// <summary>Option <c>kv_offloading_size</c>.</summary>
    public double? KvOffloadingSize { get => _set.GetNumber("kv_offloading_size"); init => _set.Put("kv_offloading_size", value); }

    /// <summary>Option <c>kv_offloading_backend</c>.</summary>
    public string? KvOffloadingBackend { get => _set.GetText("kv_offloading_backend"); init => _set.Put("kv_offloading_backend", value); }

    /// <summary>Option <c>kv_transfer_config</c>.</summary>
    public JsonElement? KvTransferConfig { get => _set.GetJson("kv_transfer_config"); init => _set.Put("kv_transfer_config", value); }

    /// <summary>Option <c>kv_sharing_fast_prefill</c>.</summary>
    public bool? KvSharingFastPrefill { get => _set.GetFlag("kv_sharing_fast_prefill"); init => _set.Put("kv_sharing_fast_prefill", value); }

    /// <summary>Option <c>mamba_cache_dtype</c>.</summary>
    public string? MambaCacheDType { get => _set.GetText("mamba_cache_dtype"); init => _set.Put("mamba_cache_dtype", value); }

    /// <summary>Option <c>mamba_ssm_cache_dtype</c>.</summary>
    public string? MambaSsmCacheDType { get => _set.GetText("mamba_ssm_cache_dtype"); init => _set.Put("mamba_ssm_cache_dtype", value); }

    /// <summary>Option <c>mamba_block_size</c>.</summary>
    public int? MambaBlockSize { get => GetInt("mamba_block_size"); init => _set.Put("mamba_block_size", (long?)value); }

    /// <summary>Option <c>mamba_cache_mode</c>.</summary>
    public string? MambaCacheMode { get => _set.GetText("mamba_cache_mode"); init => _set.Put("mamba_cache_mode", value); }

    /// <summary>Option <c>max_num_seqs</c>.</summary>
    public int? MaxNumSeqs { get => GetInt("max_num_seqs"); init => _set.Put("max_num_seqs", (long?)value); }

    /// <summary>Option <c>max_num_batched_tokens</c>.</summary>
    public int? MaxNumBatchedTokens { get => GetInt("max_num_batched_tokens"); init => _set.Put("max_num_batched_tokens", (long?)value); }

    /// <summary>Option <c>max_num_scheduled_tokens</c>.</summary>
    public int? MaxNumScheduledTokens { get => GetInt("max_num_scheduled_tokens"); init => _set.Put("max_num_scheduled_tokens", (long?)value); }

    /// <summary>Option <c>enable_chunked_prefill</c>.</summary>
    public bool? EnableChunkedPrefill { get => _set.GetFlag("enable_chunked_prefill"); init => _set.Put("enable_chunked_prefill", value); }

    /// <summary>Option <c>long_prefill_token_threshold</c>.</summary>
    public int? LongPrefillTokenThreshold { get => GetInt("long_prefill_token_threshold"); init => _set.Put("long_prefill_token_threshold", (long?)value); }

    /// <summary>Option <c>scheduling_policy</c>.</summary>
    public string? SchedulingPolicy { get => _set.GetText("scheduling_policy"); init => _set.Put("scheduling_policy", value); }

    /// <summary>Option <c>scheduler_reserve_full_isl</c>.</summary>
    public bool? SchedulerReserveFullIsl { get => _set.GetFlag("scheduler_reserve_full_isl"); init => _set.Put("scheduler_reserve_full_isl", value); }

    /// <summary>Option <c>async_scheduling</c>.</summary>
    public bool? AsyncScheduling { get => _set.GetFlag("async_scheduling"); init => _set.Put("async_scheduling", value); }

    /// <summary>Option <c>stream_interval</c>.</summary>
    public int? StreamInterval { get => GetInt("stream_interval"); init => _set.Put("stream_interval", (long?)value); }

    /// <summary>Option <c>disable_chunked_mm_input</c>.</summary>
    public bool? DisableChunkedMmInput { get => _set.GetFlag("disable_chunked_mm_input"); init => _set.Put("disable_chunked_mm_input", value); }

    /// <summary>Option <c>disable_hybrid_kv_cache_manager</c>.</summary>
    public bool? DisableHybridKvCacheManager { get => _set.GetFlag("disable_hybrid_kv_cache_manager"); init => _set.Put("disable_hybrid_kv_cache_manager", value); }

    /// <summary>Option <c>scheduler_cls</c>.</summary>
    public string? SchedulerCls { get => _set.GetText("scheduler_cls"); init => _set.Put("scheduler_cls", value); }

    /// <summary>Option <c>prefill_schedule_interval</c>.</summary>
    public int? PrefillScheduleInterval { get => GetInt("prefill_schedule_interval"); init => _set.Put("prefill_schedule_interval", (long?)value); }

    /// <summary>Option <c>load_format</c>.</summary>
    public string? LoadFormat { get => _set.GetText("load_format"); init => _set.Put("load_format", value); }

    /// <summary>Option <c>download_dir</c>.</summary>
    public string? DownloadDir { get => _set.GetText("download_dir"); init => _set.Put("download_dir", value); }

    /// <summary>Option <c>ignore_patterns</c>.</summary>
    public IReadOnlyList<string>? IgnorePatterns { get => _set.GetList("ignore_patterns"); init => _set.Put("ignore_patterns", value); }

    /// <summary>Option <c>safetensors_load_strategy</c>.</summary>
    public string? SafetensorsLoadStrategy { get => _set.GetText("safetensors_load_strategy"); init => _set.Put("safetensors_load_strategy", value); }

    /// <summary>Option <c>model_loader_extra_config</c>.</summary>
    public JsonElement? ModelLoaderExtraConfig { get => _set.GetJson("model_loader_extra_config"); init => _set.Put("model_loader_extra_config", value); }

    /// <summary>Option <c>use_tqdm_on_load</c>.</summary>
    public bool? UseTqdmOnLoad { get => _set.GetFlag("use_tqdm_on_load"); init => _set.Put("use_tqdm_on_load", value); }

    /// <summary>Option <c>pt_load_map_location</c>.</summary>
    public string? PtLoadMapLocation { get => _set.GetText("pt_load_map_location"); init => _set.Put("pt_load_map_location", value); }

    /// <summary>Option <c>quantization</c>.</summary>
    public string? Quantization { get => _set.GetText("quantization"); init => _set.Put("quantization", value); }

    /// <summary>Option <c>allow_deprecated_quantization</c>.</summary>
    public bool? AllowDeprecatedQuantization { get => _set.GetFlag("allow_deprecated_quantization"); init => _set.Put("allow_deprecated_quantization", value); }

    /// <summary>Option <c>tensor_parallel_size</c>.</summary>
    public int? TensorParallelSize { get => GetInt("tensor_parallel_size"); init => _set.Put("tensor_parallel_size", (long?)value); }

    /// <summary>Option <c>pipeline_parallel_size</c>.</summary>
    public int? PipelineParallelSize { get => GetInt("pipeline_parallel_size"); init => _set.Put("pipeline_parallel_size", (long?)value); }

    /// <summary>Option <c>data_parallel_size</c>.</summary>
    public int? DataParallelSize { get => GetInt("data_parallel_size"); init => _set.Put("data_parallel_size", (long?)value); }

    /// <summary>Option <c>data_parallel_rank</c>.</summary>
    public int? DataParallelRank { get => GetInt("data_parallel_rank"); init => _set.Put("data_parallel_rank", (long?)value); }

    /// <summary>Option <c>data_parallel_start_rank</c>.</summary>
    public int? DataParallelStartRank { get => GetInt("data_parallel_start_rank"); init => _set.Put("data_parallel_start_rank", (long?)value); }

    /// <summary>Option <c>data_parallel_size_local</c>.</summary>
    public int? DataParallelSizeLocal { get => GetInt("data_parallel_size_local"); init => _set.Put("data_parallel_size_local", (long?)value); }

    /// <summary>Option <c>data_parallel_address</c>.</summary>
    public string? DataParallelAddress { get => _set.GetText("data_parallel_address"); init => _set.Put("data_parallel_address", value); }

    /// <summary>Option <c>data_parallel_rpc_port</c>.</summary>
    public int? DataParallelRpcPort { get => GetInt("data_parallel_rpc_port"); init => _set.Put("data_parallel_rpc_port", (long?)value); }

    /// <summary>Option <c>data_parallel_backend</c>.</summary>
    public string? DataParallelBackend { get => _set.GetText("data_parallel_backend"); init => _set.Put("data_parallel_backend", value); }

    /// <summary>Option <c>data_parallel_hybrid_lb</c>.</summary>
    public bool? DataParallelHybridLb { get => _set.GetFlag("data_parallel_hybrid_lb"); init => _set.Put("data_parallel_hybrid_lb", value); }

    /// <summary>Option <c>data_parallel_external_lb</c>.</summary>
    public bool? DataParallelExternalLb { get => _set.GetFlag("data_parallel_external_lb"); init => _set.Put("data_parallel_external_lb", value); }

    /// <summary>Option <c>enable_expert_parallel</c>.</summary>
    public bool? EnableExpertParallel { get => _set.GetFlag("enable_expert_parallel"); init => _set.Put("enable_expert_parallel", value); }

    /// <summary>Option <c>decode_context_parallel_size</c>.</summary>
    public int? DecodeContextParallelSize { get => GetInt("decode_context_parallel_size"); init => _set.Put("decode_context_parallel_size", (long?)value); }

    /// <summary>Option <c>prefill_context_parallel_size</c>.</summary>
    public int? PrefillContextParallelSize { get => GetInt("prefill_context_parallel_size"); init => _set.Put("prefill_context_parallel_size", (long?)value); }

    /// <summary>Option <c>distributed_executor_backend</c>.</summary>
    public string? DistributedExecutorBackend { get => _set.GetText("distributed_executor_backend"); init => _set.Put("distributed_executor_backend", value); }

    /// <summary>Option <c>worker_cls</c>.</summary>
    public string? WorkerCls { get => _set.GetText("worker_cls"); init => _set.Put("worker_cls", value); }

    /// <summary>Option <c>nnodes</c>.</summary>
    public int? Nnodes { get => GetInt("nnodes"); init => _set.Put("nnodes", (long?)value); }

    /// <summary>Option <c>node_rank</c>.</summary>
    public int? NodeRank { get => GetInt("node_rank"); init => _set.Put("node_rank", (long?)value); }

    /// <summary>Option <c>master_addr</c>.</summary>
    public string? MasterAddr { get => _set.GetText("master_addr"); init => _set.Put("master_addr", value); }

    /// <summary>Option <c>master_port</c>.</summary>
    public int? MasterPort { get => GetInt("master_port"); init => _set.Put("master_port", (long?)value); }

    /// <summary>Option <c>disable_custom_all_reduce</c>.</summary>
    public bool? DisableCustomAllReduce { get => _set.GetFlag("disable_custom_all_reduce"); init => _set.Put("disable_custom_all_reduce", value); }

    /// <summary>Option <c>enable_lora</c>.</summary>
    public bool? EnableLora { get => _set.GetFlag("enable_lora"); init => _set.Put("enable_lora", value); }

    /// <summary>Option <c>lora_modules</c>.</summary>
    public IReadOnlyList<string>? LoraModules { get => _set.GetList("lora_modules"); init => _set.Put("lora_modules", value); }

    /// <summary>Option <c>max_loras</c>.</summary>
    public int? MaxLoras { get => GetInt("max_loras"); init => _set.Put("max_loras", (long?)value); }

    /// <summary>Option <c>max_lora_rank</c>.</summary>
    public int? MaxLoraRank { get => GetInt("max_lora_rank"); init => _set.Put("max_lora_rank", (long?)value); }

    /// <summary>Option <c>max_cpu_loras</c>.</summary>
    public int? MaxCpuLoras { get => GetInt("max_cpu_loras"); init => _set.Put("max_cpu_loras", (long?)value); }

    /// <summary>Option <c>lora_dtype</c>.</summary>
    public string? LoraDType { get => _set.GetText("lora_dtype"); init => _set.Put("lora_dtype", value); }

    /// <summary>Option <c>fully_sharded_loras</c>.</summary>
    public bool? FullyShardedLoras { get => _set.GetFlag("fully_sharded_loras"); init => _set.Put("fully_sharded_loras", value); }

    /// <summary>Option <c>lora_target_modules</c>.</summary>
    public IReadOnlyList<string>? LoraTargetModules { get => _set.GetList("lora_target_modules"); init => _set.Put("lora_target_modules", value); }

    /// <summary>Option <c>default_mm_loras</c>.</summary>
    public JsonElement? DefaultMmLoras { get => _set.GetJson("default_mm_loras"); init => _set.Put("default_mm_loras", value); }

    /// <summary>Option <c>spec_method</c>.</summary>
    public string? SpecMethod { get => _set.GetText("spec_method"); init => _set.Put("spec_method", value); }

    /// <summary>Option <c>spec_model</c>.</summary>
    public string? SpecModel { get => _set.GetText("spec_model"); init => _set.Put("spec_model", value); }

    /// <summary>Option <c>spec_tokens</c>.</summary>
    public int? SpecTokens { get => GetInt("spec_tokens"); init => _set.Put("spec_tokens", (long?)value); }

    /// <summary>Option <c>enforce_eager</c>.</summary>
    public bool? EnforceEager { get => _set.GetFlag("enforce_eager"); init => _set.Put("enforce_eager", value); }

    /// <summary>Option <c>optimization_level</c>.</summary>
    public int? OptimizationLevel { get => GetInt("optimization_level"); init => _set.Put("optimization_level", (long?)value); }

    /// <summary>Option <c>performance_mode</c>.</summary>
    public string? PerformanceMode { get => _set.GetText("performance_mode"); init => _set.Put("performance_mode", value); }

    /// <summary>Option <c>compilation_config</c>.</summary>
    public JsonElement? CompilationConfig { get => _set.GetJson("compilation_config"); init => _set.Put("compilation_config", value); }

    /// <summary>Option <c>attention_config</c>.</summary>
    public JsonElement? AttentionConfig { get => _set.GetJson("attention_config"); init => _set.Put("attention_config", value); }

    /// <summary>Option <c>cudagraph_capture_sizes</c>.</summary>
    public IReadOnlyList<string>? CudagraphCaptureSizes { get => _set.GetList("cudagraph_capture_sizes"); init => _set.Put("cudagraph_capture_sizes", value); }

    /// <summary>Option <c>max_cudagraph_capture_size</c>.</summary>
    public int? MaxCudagraphCaptureSize { get => GetInt("max_cudagraph_capture_size"); init => _set.Put("max_cudagraph_capture_size", (long?)value); }

    /// <summary>Option <c>allow_control_tokens_in_messages</c>.</summary>
    public bool? AllowControlTokensInMessages { get => _set.GetFlag("allow_control_tokens_in_messages"); init => _set.Put("allow_control_tokens_in_messages", value); }

    /// <summary>Option <c>chat_template</c>.</summary>
    public string? ChatTemplate { get => _set.GetText("chat_template"); init => _set.Put("chat_template", value); }

    /// <summary>Option <c>disable_log_stats</c>.</summary>
    public bool? DisableLogStats { get => _set.GetFlag("disable_log_stats"); init => _set.Put("disable_log_stats", value); }

    /// <summary>Option <c>served_model_name</c>.</summary>
    public IReadOnlyList<string>? ServedModelName { get => _set.GetList("served_model_name"); init => _set.Put("served_model_name", value); }

    /// <summary>Option <c>override_generation_config</c>.</summary>
    public JsonElement? OverrideGenerationConfig { get => _set.GetJson("override_generation_config"); init => _set.Put("override_generation_config", value); }

    /// <summary>Option <c>speculative_config</c>.</summary>
    public JsonElement? SpeculativeConfig { get => _set.GetJson("speculative_config"); init => _set.Put("speculative_config", value); }

    /// <summary>Option <c>structured_outputs_config</c>.</summary>
    public JsonElement? StructuredOutputsConfig { get => _set.GetJson("structured_outputs_config"); init => _set.Put("structured_outputs_config", value); }

    private int? GetInt(string name) => _set.GetInteger(name) is { } value ? checked((int)value) : null;
}
