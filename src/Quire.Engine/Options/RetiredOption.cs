using System;
using System.Collections.Generic;

namespace Quire.Engine.Options;

/// <summary>A name that vLLM once had: it is accepted with one warning that says what took its place.</summary>
public sealed record RetiredOption
{
    public required string Name { get; init; }

    public required OptionKind Kind { get; init; }

    /// <summary>What replaced it, as the warning says it.</summary>
    public required string Note { get; init; }

    public double? Minimum { get; init; }

    /// <summary>The option, or dotted key of an option, that takes over the value; null when it is dropped.</summary>
    public string? MapsTo { get; init; }

    /// <summary>Values that ask for nothing.</summary>
    public IReadOnlyList<string> Neutral { get; init; } = [];

    /// <summary>True when any other value is an error, since dropping it would change results.</summary>
    public bool MustBeNeutral { get; init; }

    /// <summary>Every retired name.</summary>
    public static IReadOnlyList<RetiredOption> All { get; } =
    [
        Dropped("swap_space", OptionKind.Number, "vLLM removed it; a preempted request is computed again, and its prefix may still be cached. Give memory to the KV cache instead (kv_cache_memory_bytes)", 0),
        Dropped("num_scheduler_steps", OptionKind.Integer, "vLLM removed multi-step scheduling; async_scheduling took its place", 1),
        Dropped("multi_step_stream_outputs", OptionKind.Flag, "vLLM removed multi-step scheduling; stream_interval bundles streamed tokens"),
        Moved("speculative_model", OptionKind.Text, "speculative_config.model"),
        Moved("num_speculative_tokens", OptionKind.Integer, "speculative_config.num_speculative_tokens") with { Neutral = ["0"], Minimum = 0 },
        Moved("speculative_draft_tensor_parallel_size", OptionKind.Integer, "speculative_config.draft_tensor_parallel_size") with { Minimum = 1 },
        Moved("speculative_max_model_len", OptionKind.Size, "speculative_config.max_model_len") with { Minimum = 1 },
        Moved("speculative_model_quantization", OptionKind.Text, "speculative_config.quantization"),
        Moved("ngram_prompt_lookup_max", OptionKind.Integer, "speculative_config.prompt_lookup_max") with { Minimum = 1 },
        Moved("ngram_prompt_lookup_min", OptionKind.Integer, "speculative_config.prompt_lookup_min") with { Minimum = 1 },
        Dropped("speculative_disable_by_batch_size", OptionKind.Integer, "vLLM removed it; nothing replaces it"),
        Dropped("spec_decoding_acceptance_method", OptionKind.Text, "vLLM removed it; speculative_config.rejection_sample_method is the nearest"),
        Dropped("typical_acceptance_sampler_posterior_threshold", OptionKind.Number, "vLLM removed typical acceptance"),
        Dropped("typical_acceptance_sampler_posterior_alpha", OptionKind.Number, "vLLM removed typical acceptance"),
        Dropped("speculative_disable_mqa_scorer", OptionKind.Flag, "vLLM removed it; nothing replaces it"),
        Dropped("disable_logprobs_during_spec_decoding", OptionKind.Flag, "vLLM removed it; log-probabilities are always those asked for"),
        Moved("max_seq_len_to_capture", OptionKind.Size, "max_cudagraph_capture_size"),
        Moved("max_context_len_to_capture", OptionKind.Size, "max_cudagraph_capture_size"),
        Dropped("use_v2_block_manager", OptionKind.Flag, "there is one block manager"),
        Dropped("preemption_mode", OptionKind.Text, "preempted requests are always computed again"),
        Dropped("scheduler_delay_factor", OptionKind.Number, "vLLM removed it; nothing replaces it", 0),
        Dropped("num_lookahead_slots", OptionKind.Integer, "vLLM removed it; slots follow from speculative_config", 0),
        Dropped("block_manager_version", OptionKind.Text, "there is one block manager"),
        Moved("guided_decoding_backend", OptionKind.Text, "structured_outputs_config.backend"),
        Moved("guided_decoding_disable_any_whitespace", OptionKind.Flag, "structured_outputs_config.disable_any_whitespace"),
        Moved("guided_decoding_disable_additional_properties", OptionKind.Flag, "structured_outputs_config.disable_additional_properties"),
        Dropped("guided_decoding_disable_fallback", OptionKind.Flag, "vLLM removed it; name a backend in structured_outputs_config"),
        Moved("rope_scaling", OptionKind.Json, "hf_overrides.rope_scaling"),
        Moved("rope_theta", OptionKind.Number, "hf_overrides.rope_theta"),
        Moved("task", OptionKind.Text, "runner") with { Note = "runner and convert took its place", Neutral = ["auto"] },
        Dropped("tokenizer_pool_size", OptionKind.Integer, "vLLM removed tokenizer pools", 0),
        Dropped("tokenizer_pool_type", OptionKind.Text, "vLLM removed tokenizer pools"),
        Dropped("tokenizer_pool_extra_config", OptionKind.Json, "vLLM removed tokenizer pools"),
        Dropped("enable_profiling", OptionKind.Flag, "it never was an option of vLLM; quire bench measures, dotnet-trace profiles"),
        Moved("worker_use_ray", OptionKind.Flag, "distributed_executor_backend") with { Neutral = ["false"] },
        Dropped("engine_use_ray", OptionKind.Flag, "vLLM removed it; the engine runs in this process"),
        Dropped("disable_async_output_proc", OptionKind.Flag, "vLLM removed it; async_scheduling decides"),
        Dropped("disable_frontend_multiprocessing", OptionKind.Flag, "front end and engine share one process"),
        Dropped("enable_reasoning", OptionKind.Flag, "reasoning_parser turns it on"),
        Neutralised("lora_extra_vocab_size", OptionKind.Integer, "vLLM removed additional vocabulary of adapters", "0", "256"),
        Neutralised("long_lora_scaling_factors", OptionKind.Text, "vLLM removed long LoRA", ""),
        Neutralised("enable_prompt_adapter", OptionKind.Flag, "vLLM removed prompt adapters", "false"),
        Neutralised("max_prompt_adapters", OptionKind.Integer, "vLLM removed prompt adapters", "0", "1"),
        Neutralised("max_prompt_adapter_token", OptionKind.Integer, "vLLM removed prompt adapters", "0"),
        Neutralised("prompt_adapters", OptionKind.Text, "vLLM removed prompt adapters", ""),
        Neutralised("logits_processor_pattern", OptionKind.Text, "vLLM removed logits processors of requests; use logit_bias, allowed_token_ids or bad_words", ""),
        Dropped("disable_log_requests", OptionKind.Flag, "requests are not logged unless enable_log_requests asks for it"),
        Dropped("max_num_partial_prefills", OptionKind.Integer, "vLLM removed it; long_prefill_token_threshold keeps long prompts from crowding out short ones", 1),
        Dropped("max_long_partial_prefills", OptionKind.Integer, "vLLM removed it; long_prefill_token_threshold keeps long prompts from crowding out short ones", 1),
        Dropped("metrics_port", OptionKind.Integer, "there never was one in present vLLM; /metrics is on the port of the API", 0),
    ];

    private static readonly Dictionary<string, RetiredOption> ByName = Index();

    /// <summary>The retired option of this snake_case name; null when there is none.</summary>
    public static RetiredOption? Find(string name) => ByName.GetValueOrDefault(name);

    /// <summary>The options to set instead; a null text passes on what was given.</summary>
    internal IEnumerable<(string Name, string? Text)> Targets(string value)
    {
        switch (Name)
        {
            case "speculative_model" when value.Trim('[', ']') == "ngram":
                yield return ("speculative_config.method", "ngram");
                break;
            case "worker_use_ray":
                yield return (MapsTo!, "ray");
                break;
            case "guided_decoding_backend":
                string[] parts = value.Split(':', 2);
                yield return (MapsTo!, parts[0]);
                if (parts.Length == 2)
                {
                    foreach (string option in parts[1].Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
                        yield return ("structured_outputs_config." + option.Replace('-', '_'), "true");
                }

                break;
            case "task":
                yield return ("runner", value is "embed" or "embedding" or "classify" or "score" or "reward" ? "pooling" : value);
                if (value is "embed" or "embedding")
                    yield return ("convert", "embed");
                else if (value is "classify" or "score")
                    yield return ("convert", "classify");
                break;
            default:
                if (MapsTo is not null)
                    yield return (MapsTo, null);
                break;
        }
    }

    private static RetiredOption Dropped(string name, OptionKind kind, string note, double? minimum = null) =>
        new() { Name = name, Kind = kind, Note = note, Minimum = minimum };

    private static RetiredOption Moved(string name, OptionKind kind, string target) =>
        new() { Name = name, Kind = kind, Note = $"{target} took its place", MapsTo = target };

    private static RetiredOption Neutralised(string name, OptionKind kind, string note, params string[] neutral) =>
        new() { Name = name, Kind = kind, Note = note, Neutral = neutral, MustBeNeutral = true };

    private static Dictionary<string, RetiredOption> Index()
    {
        var index = new Dictionary<string, RetiredOption>(All.Count, StringComparer.Ordinal);
        foreach (RetiredOption option in All)
            index.Add(option.Name, option);
        return index;
    }
}
