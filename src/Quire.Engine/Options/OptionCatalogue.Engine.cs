using System.Collections.Generic;
using Quire.Models.Quantization;

namespace Quire.Engine.Options;

public static partial class OptionCatalogue
{
    private const string TextOnly = "only text models are run";

    private static OptionDescriptor[] Model =>
    [
        Text(OptionGroup.Model, "model", "quill",
            "Folder in Hugging Face layout, a .gguf file, or the name (org/name) of a model in the Hugging Face cache. Without it the model that ships with Quire is used."),
        List(OptionGroup.Model, "served_model_name", "the model argument",
            "Names that requests may use for the model; the first stands in responses and metrics."),
        Text(OptionGroup.Model, "tokenizer", "the model", "Folder with the tokenizer files, when they are not beside the model."),
        Choice(OptionGroup.Model, "tokenizer_mode", "auto", ["auto", "hf"], "How tokenizer files are read; auto and hf read tokenizer.json.",
            ["slow", "mistral", "deepseek_v32", "deepseek_v4", "inkling", "kimi_k3", "cohere"]),
        Flag(OptionGroup.Model, "skip_tokenizer_init", "false", "Load no tokenizer: prompts must be token ids and outputs hold no text."),
        Size(OptionGroup.Model, "max_model_len", "from the model", -1,
                "Longest sequence, prompt and output together. -1 or auto takes the longest that fits into the KV cache.")
            with { Keywords = new Dictionary<string, long> { ["auto"] = -1 } },
        Choice(OptionGroup.Model, "dtype", "auto", ["auto", "half", "float16", "bfloat16", "float", "float32"],
            "Type that weights are kept in. auto takes the checkpoint's. On the CPU activations are float32 in every case."),
        Integer(OptionGroup.Model, "seed", "0", null, "Seed of requests that bring none, and of random weights.") with { IsWide = true },
        Choice(OptionGroup.Model, "device", "auto", ["auto", "cpu", "cuda", "cuda:0", "cuda:1", "cuda:2", "cuda:3", "cuda:4", "cuda:5", "cuda:6", "cuda:7"], "What computes. auto takes the best that the machine has."),
        Integer(OptionGroup.Model, "threads", "0", 0, "Worker threads of the CPU backend; 0 takes one per core. (Quire's own.)"),
        Text(OptionGroup.Model, "cuda_library_folders", "none", "Folders that hold libcuda, NVRTC or cuBLASLt, or a Python that has NVIDIA's packages, beside the usual places; separated as in PATH. (Quire's own.)"),
        Text(OptionGroup.Model, "cuda_cache_folder", "the user's cache folder", "Where compiled kernels and the timings of matrix products are kept between starts. (Quire's own.)"),
        Json(OptionGroup.Model, "hf_overrides", "{}", "Merged into config.json, nested objects key by key."),
        Text(OptionGroup.Model, "hf_config_path", "the model", "Folder that config.json is read from instead.").Refuse("put config.json beside the weights"),
        Choice(OptionGroup.Model, "config_format", "auto", ["auto", "hf"], "Format of the model's configuration.", ["mistral"]),
        Text(OptionGroup.Model, "generation_config", "auto", "auto reads the model's generation_config.json, vllm ignores it, a folder reads it from there."),
        Json(OptionGroup.Model, "override_generation_config", "{}",
            "Laid over generation_config.json; sets the defaults of temperature, top_p, top_k, min_p, repetition_penalty and max_new_tokens."),
        Integer(OptionGroup.Model, "max_logprobs", "20", -1, "Most log-probabilities that a request may ask for; -1 is the whole vocabulary."),
        Choice(OptionGroup.Model, "logprobs_mode", "raw_logprobs", ["raw_logprobs", "processed_logprobs", "raw_logits", "processed_logits"],
            "What is returned as log-probabilities: before or after penalties, temperature and filters; or the logits."),
        Choice(OptionGroup.Model, "runner", "auto", ["auto", "generate"], "What the model is used for.", ["pooling", "draft"]),
        Choice(OptionGroup.Model, "convert", "auto", ["auto", "none"], "Adapter over a generative model.", ["embed", "classify"]),
        Flag(OptionGroup.Model, "disable_sliding_window", "false", "Cap max_model_len to the model's attention window.")
            .Refuse("set max_model_len to the window's size instead"),
        Flag(OptionGroup.Model, "trust_remote_code", "false", "Run Python code that comes with a model.").Hint("no Python and no code of a model is ever run"),
        Text(OptionGroup.Model, "revision", "main", "Branch, tag or commit of a model that is found in the Hugging Face cache."),
        Text(OptionGroup.Model, "code_revision", "none", "Revision of the model's code.").Hint("no code of a model is ever run"),
        Text(OptionGroup.Model, "tokenizer_revision", "main", "The same for a tokenizer that is named by itself."),
        Text(OptionGroup.Model, "hf_token", "none", "Access token of the model hub.").Hint("nothing is downloaded"),
        Flag(OptionGroup.Model, "enable_prompt_embeds", "false", "Take embeddings as prompts.").Refuse("send text or token ids"),
        Text(OptionGroup.Model, "allowed_local_media_path", "none", "Folder that requests may read media from.") with
            { Effect = OptionEffect.Hint, Note = TextOnly, Neutral = [""] },
        List(OptionGroup.Model, "allowed_media_domains", "none", "Domains that media may be fetched from.").Hint(TextOnly),
        List(OptionGroup.Model, "logits_processors", "none", "Plug-ins that change logits.").Refuse("use logit_bias, allowed_token_ids or bad_words"),
        Choice(OptionGroup.Model, "model_impl", "auto", ["auto", "vllm"], "Implementation of the model.", ["transformers", "terratorch"]),
        Flag(OptionGroup.Model, "enable_sleep_mode", "false", "Let the server give back its memory between uses.").Refuse("stop and start the server instead"),
        Flag(OptionGroup.Model, "disable_cascade_attn", "true", "Leave out cascade attention.").Hint("there is no cascade attention to turn on or off"),
        Flag(OptionGroup.Model, "use_fp64_gumbel", "false", "Draw sampling noise in double precision.").Hint("sampling noise has a fixed precision"),
    ];

    private static OptionDescriptor[] Memory =>
    [
        Number(OptionGroup.Memory, "gpu_memory_utilization", "0.92", 0,
                "Share of the device's memory for weights, activations and KV cache together. Higher means more KV cache.")
            with { MinimumIsExclusive = true, Maximum = 1 },
        Size(OptionGroup.Memory, "kv_cache_memory_bytes", "from gpu_memory_utilization", 1, "Bytes of KV cache; gpu_memory_utilization then does not size it.") with { IsWide = true },
        Size(OptionGroup.Memory, "num_gpu_blocks_override", "from memory", 1, "Number of KV blocks, whatever memory says."),
        Size(OptionGroup.Memory, "block_size", "16", 1, "Tokens of one KV block. Prefixes are shared in whole blocks.") with { Maximum = 1024 },
        Choice(OptionGroup.Memory, "kv_cache_dtype", "auto",
                ["auto", "float16", "bfloat16", "float32", "fp8", "fp8_e4m3", "fp8_e5m2", "int8", "int8_per_token_head"],
            "Type of keys and values in the cache. auto takes that of activations. fp8 and int8 halve 16 bits; int8 keeps a scale for every token and head.",
            ["fp8_inc", "fp8_ds_mla", "int4_per_token_head", "fp8_per_token_head", "nvfp4"]),
        Flag(OptionGroup.Memory, "enable_prefix_caching", "true", "Reuse the KV blocks of equal prompt beginnings."),
        Choice(OptionGroup.Memory, "prefix_caching_hash_algo", "sha256", ["sha256", "sha256_cbor", "xxhash", "xxhash_cbor"],
            "Hash of a KV block's content.").Hint("blocks are always found by a keyed cryptographic hash"),
        Number(OptionGroup.Memory, "watermark", "0", 0, "Share of KV blocks kept free when a request is admitted while others run.")
            with { Maximum = 1, MaximumIsExclusive = true, Neutral = ["0.0"] },
        Flag(OptionGroup.Memory, "calculate_kv_scales", "false", "Measure the scales of an FP8 KV cache.").Refuse("the scales of an FP8 KV cache come from the checkpoint; kv_cache_dtype int8 measures its own for every token"),
        Number(OptionGroup.Memory, "cpu_offload_gb", "0", 0, "GiB of weights kept in host memory.").Refuse("on the CPU weights are in host memory anyway"),
        Number(OptionGroup.Memory, "kv_offloading_size", "none", 0, "GiB of host memory for evicted KV blocks.") with
            { Effect = OptionEffect.Refused, Note = "give the memory to the KV cache with kv_cache_memory_bytes", Neutral = ["0"] },
        Choice(OptionGroup.Memory, "kv_offloading_backend", "native", ["native", "lmcache"], "Where evicted KV blocks go.").Hint("there is no KV offloading"),
        Json(OptionGroup.Memory, "kv_transfer_config", "none", "Connector for disaggregated prefill.").Refuse("run prefill and decode in one engine"),
        Flag(OptionGroup.Memory, "kv_sharing_fast_prefill", "false", "Skip layers that share the KV of others.").Hint("no such model is run"),
        Choice(OptionGroup.Memory, "mamba_cache_dtype", "auto", ["auto", "float32", "float16"], "Type of state-space caches.").Hint("no state-space model is run"),
        Choice(OptionGroup.Memory, "mamba_ssm_cache_dtype", "auto", ["auto", "float32", "float16"], "Type of state-space states.").Hint("no state-space model is run"),
        Integer(OptionGroup.Memory, "mamba_block_size", "none", 1, "Block size of state-space caches.").Hint("no state-space model is run"),
        Choice(OptionGroup.Memory, "mamba_cache_mode", "none", ["none", "all", "align"], "Prefix caching of state-space models.").Hint("no state-space model is run"),
    ];

    private static OptionDescriptor[] Scheduler =>
    [
        Size(OptionGroup.Scheduler, "max_num_seqs", "by device and use", 1, "Most sequences in one step."),
        Size(OptionGroup.Scheduler, "max_num_batched_tokens", "by device and use", 1, "Most tokens in one step, prompts and outputs together; at least max_num_seqs."),
        Size(OptionGroup.Scheduler, "max_num_scheduled_tokens", "max_num_batched_tokens", 1, "Tokens that the scheduler hands out per step."),
        Flag(OptionGroup.Scheduler, "enable_chunked_prefill", "true", "Split long prompts over several steps, between the steps of other requests."),
        Size(OptionGroup.Scheduler, "long_prefill_token_threshold", "0", 0, "Most tokens that one request gets per step; 0 sets no limit."),
        Choice(OptionGroup.Scheduler, "scheduling_policy", "fcfs", ["fcfs", "priority"], "Order of waiting requests: as they came, or by their priority field."),
        Flag(OptionGroup.Scheduler, "scheduler_reserve_full_isl", "true", "Admit a request only when KV blocks for its whole prompt are free, not only for its first chunk."),
        Flag(OptionGroup.Scheduler, "async_scheduling", "true", "Plan the next step while the device computes this one."),
        Integer(OptionGroup.Scheduler, "stream_interval", "1", 1, "Tokens per streamed chunk; the first and the last are always sent."),
        Flag(OptionGroup.Scheduler, "disable_chunked_mm_input", "false", "Do not split images over steps.").Hint(TextOnly),
        Flag(OptionGroup.Scheduler, "disable_hybrid_kv_cache_manager", "false", "One block table for all layers, also where only some have a sliding window: their blocks then stay until a request ends."),
        Text(OptionGroup.Scheduler, "scheduler_cls", "none", "A Python class instead of the scheduler.").Refuse("there is one scheduler; its options are in this group"),
        Integer(OptionGroup.Scheduler, "prefill_schedule_interval", "1", 1, "Steps between prefills, to balance data-parallel ranks.").Hint("there is one rank"),
    ];

    private static OptionDescriptor[] Loading =>
    [
        Choice(OptionGroup.Loading, "load_format", "auto", ["auto", "safetensors", "gguf", "dummy"],
            "Where weights come from. dummy fills the shapes of config.json with seeded random numbers, for benchmarks.",
            ["pt", "npcache", "instanttensor", "tensorizer", "runai_streamer", "runai_streamer_sharded", "sharded_state", "mistral", "modelexpress"]),
        Text(OptionGroup.Loading, "download_dir", "~/.cache/huggingface/hub",
            "The Hugging Face cache that models are looked for in by name; HF_HUB_CACHE and HF_HOME set it too. Nothing is downloaded."),
        List(OptionGroup.Loading, "ignore_patterns", "original/**/*", "Files of a model that are not read.").Hint("the index file picks the weight files"),
        Choice(OptionGroup.Loading, "safetensors_load_strategy", "none", ["none", "lazy", "eager", "prefetch", "torchao"], "How weight files are read.")
            .Hint("files are mapped into memory"),
        Json(OptionGroup.Loading, "model_loader_extra_config", "{}", "Further settings of a loader.").Refuse("the loaders take no settings"),
        Flag(OptionGroup.Loading, "use_tqdm_on_load", "true", "Show progress while loading."),
        Text(OptionGroup.Loading, "pt_load_map_location", "cpu", "Device that .pt files are read to.").Hint("weights come from safetensors only"),
        Choice(OptionGroup.Loading, "quantization", "from the checkpoint", [.. QuantizationMethods.Names],
                "Quantization method of the weights. A quantised checkpoint names its own, with which this must agree; int8, int4 and the fp8 kinds quantise a plain one while it is loaded.",
                ["fbgemm_fp8", "fp_quant", "modelopt", "quark", "moe_wna16", "experts_int8", "torchao", "inc", "humming", "mxfp4", "gpt_oss_mxfp4",
                 "deepseek_v4_fp8", "online", "nvfp4_per_token", "mxfp8"])
            with { Aliases = ["-q"] },
        Flag(OptionGroup.Loading, "allow_deprecated_quantization", "false", "Allow quantization methods that are on their way out.").Hint("none of them is available"),
    ];

    private const string OneDevice = "one engine runs on one device in this version; start several engines behind a router instead";

    private static OptionDescriptor[] Parallel =>
    [
        Integer(OptionGroup.Parallel, "tensor_parallel_size", "1", 1, "Devices that share every layer.").Refuse(OneDevice) with { Aliases = ["-tp"] },
        Integer(OptionGroup.Parallel, "pipeline_parallel_size", "1", 1, "Devices that share the layers in turn.").Refuse(OneDevice) with { Aliases = ["-pp"] },
        Integer(OptionGroup.Parallel, "data_parallel_size", "1", 1, "Copies of the model in one server.").Refuse(OneDevice) with { Aliases = ["-dp"] },
        Integer(OptionGroup.Parallel, "data_parallel_rank", "none", 0, "Rank of this copy.") with { Effect = OptionEffect.Refused, Note = OneDevice, Neutral = ["0"], Aliases = ["-dpn"] },
        Integer(OptionGroup.Parallel, "data_parallel_start_rank", "none", 0, "First rank on this node.") with { Effect = OptionEffect.Refused, Note = OneDevice, Neutral = ["0"], Aliases = ["-dpr"] },
        Integer(OptionGroup.Parallel, "data_parallel_size_local", "none", 0, "Copies on this node.") with { Effect = OptionEffect.Refused, Note = OneDevice, Neutral = ["1"], Aliases = ["-dpl"] },
        Text(OptionGroup.Parallel, "data_parallel_address", "none", "Address of the first copy.").Hint(OneDevice) with { Aliases = ["-dpa"] },
        Integer(OptionGroup.Parallel, "data_parallel_rpc_port", "29550", 1, "Port between copies.").Hint(OneDevice) with { Maximum = 65535, Aliases = ["-dpp"] },
        Choice(OptionGroup.Parallel, "data_parallel_backend", "mp", ["mp", "ray"], "What starts the copies.").Hint(OneDevice) with { Aliases = ["-dpb"] },
        Flag(OptionGroup.Parallel, "data_parallel_hybrid_lb", "false", "Balance load inside a node only.").Refuse(OneDevice) with { Aliases = ["-dph"] },
        Flag(OptionGroup.Parallel, "data_parallel_external_lb", "false", "Leave balancing to the outside.").Refuse(OneDevice) with { Aliases = ["-dpe"] },
        Flag(OptionGroup.Parallel, "enable_expert_parallel", "false", "Spread experts over devices.").Refuse(OneDevice) with { Aliases = ["-ep"] },
        Integer(OptionGroup.Parallel, "decode_context_parallel_size", "1", 1, "Devices that share the KV cache of a decode.").Refuse(OneDevice) with { Aliases = ["-dcp"] },
        Integer(OptionGroup.Parallel, "prefill_context_parallel_size", "1", 1, "Devices that share a prefill.").Refuse(OneDevice) with { Aliases = ["-pcp"] },
        Choice(OptionGroup.Parallel, "distributed_executor_backend", "none", ["none", "uni"], "What runs the ranks.", ["mp", "ray", "external_launcher"]),
        Text(OptionGroup.Parallel, "worker_cls", "auto", "A Python class instead of the worker.").Refuse("there is one kind of worker"),
        Integer(OptionGroup.Parallel, "nnodes", "1", 1, "Machines.").Refuse(OneDevice) with { Aliases = ["-n"] },
        Integer(OptionGroup.Parallel, "node_rank", "0", 0, "Rank of this machine.").Refuse(OneDevice) with { Aliases = ["-r"] },
        Text(OptionGroup.Parallel, "master_addr", "127.0.0.1", "Address of the first machine.").Hint(OneDevice),
        Integer(OptionGroup.Parallel, "master_port", "29501", 1, "Port of the first machine.").Hint(OneDevice) with { Maximum = 65535 },
        Flag(OptionGroup.Parallel, "disable_custom_all_reduce", "false", "Use the library's all-reduce.").Hint(OneDevice),
    ];

    private static OptionDescriptor[] Lora =>
    [
        Flag(OptionGroup.Lora, "enable_lora", "false", "Serve LoRA adapters beside the model."),
        List(OptionGroup.Lora, "lora_modules", "none", "Adapters to load: name=path, or JSON with name, path and base_model_name. Requests name them as model (HTTP) or lora (generate)."),
        Integer(OptionGroup.Lora, "max_loras", "1", 1, "Adapters in one step. Requests for further ones wait.") with { Maximum = 4096 },
        Integer(OptionGroup.Lora, "max_lora_rank", "16", 1, "Largest rank of an adapter. Room for max_loras adapters of it is taken from the KV cache's memory.") with
            { Choices = ["1", "8", "16", "32", "64", "128", "256", "320", "512"] },
        Integer(OptionGroup.Lora, "max_cpu_loras", "max_loras", 1, "Adapters kept in host memory; at least max_loras. The one used longest ago is read from disk again when it is needed."),
        Choice(OptionGroup.Lora, "lora_dtype", "auto", ["auto", "float16", "bfloat16", "float32"], "Type of adapter weights. auto takes that of activations."),
        Flag(OptionGroup.Lora, "fully_sharded_loras", "false", "Shard adapters fully.").Hint("there is one device, and every adapter is on it whole"),
        List(OptionGroup.Lora, "lora_target_modules", "all linear layers", "Layers that adapters may change, by their last name, such as q_proj. An adapter that changes others is refused."),
        Json(OptionGroup.Lora, "default_mm_loras", "none", "Adapters by kind of media.").Refuse(TextOnly),
    ];

    private const string NoSpeculation = "speculative decoding is not available in this version; leave it out, results are the same";

    private static OptionDescriptor[] Speculation =>
    [
        Json(OptionGroup.Speculation, "speculative_config", "none",
            "Drafting: method, model, num_speculative_tokens, prompt_lookup_max, prompt_lookup_min, draft_tensor_parallel_size, …")
            .Refuse(NoSpeculation) with { Aliases = ["-sc"] },
        Text(OptionGroup.Speculation, "spec_method", "none", "Short for speculative_config.method.").Refuse(NoSpeculation),
        Text(OptionGroup.Speculation, "spec_model", "none", "Short for speculative_config.model.").Refuse(NoSpeculation),
        Integer(OptionGroup.Speculation, "spec_tokens", "none", 1, "Short for speculative_config.num_speculative_tokens.").Refuse(NoSpeculation),
    ];

    private const string NoGraphs = "the CPU backend captures nothing, and on a GPU a decode step is captured when its size comes for the second time";

    private static OptionDescriptor[] Compilation =>
    [
        Flag(OptionGroup.Compilation, "enforce_eager", "false", "No captured graphs: every step is called kernel by kernel. On the CPU that is always so."),
        Integer(OptionGroup.Compilation, "optimization_level", "2", 0, "How much is compiled and captured, 0 to 3.").Hint(NoGraphs) with { Maximum = 3, Aliases = ["-O"] },
        Choice(OptionGroup.Compilation, "performance_mode", "balanced", ["balanced", "interactivity", "throughput"],
            "throughput doubles the defaults of max_num_seqs and max_num_batched_tokens."),
        Json(OptionGroup.Compilation, "compilation_config", "{}", "Compilation and graph capture.").Hint(NoGraphs) with { Aliases = ["-cc"] },
        Json(OptionGroup.Compilation, "attention_config", "{}", "Choice and settings of the attention kernels.").Hint("there is one attention kernel per processor") with { Aliases = ["-ac"] },
        List(OptionGroup.Compilation, "cudagraph_capture_sizes", "by max_num_seqs", "Batch sizes of captured graphs.").Hint(NoGraphs),
        Size(OptionGroup.Compilation, "max_cudagraph_capture_size", "by max_num_seqs", 0, "Largest batch size of a captured graph.").Hint(NoGraphs),
    ];

    private static OptionDescriptor[] Structured =>
    [
        Json(OptionGroup.StructuredOutputs, "structured_outputs_config", "{}",
            "backend (auto, xgrammar, guidance, outlines, lm-format-enforcer), disable_any_whitespace, disable_additional_properties, reasoning_parser, enable_in_reasoning."),
    ];
}
