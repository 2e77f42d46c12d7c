using System.Text.Json;
using System.Threading.Tasks;

namespace Quire.Cli.Tests;

/// <summary>vLLM's rules for command lines, seen through <c>explain</c>.</summary>
public class OptionRulesTests
{
    [Theory]
    [InlineData("--max-num-seqs", "64")]
    [InlineData("--max_num_seqs", "64")]
    [InlineData("--max_num-seqs=64", null)]
    public async Task Dashes_and_underscores_are_alike(string first, string? second)
    {
        (JsonElement value, string origin) = await CliRun.Explain("max_num_seqs", second is null ? [first] : [first, second]);
        Assert.Equal(64, value.GetInt32());
        Assert.Equal("command line", origin);
    }

    [Theory]
    [InlineData("--enable-prefix-caching", true)]
    [InlineData("--no-enable-prefix-caching", false)]
    [InlineData("--no_enable_prefix_caching", false)]
    [InlineData("--enable-prefix-caching=false", false)]
    public async Task Flags_come_in_pairs(string flag, bool expected)
    {
        (JsonElement value, _) = await CliRun.Explain("enable_prefix_caching", [flag]);
        Assert.Equal(expected, value.GetBoolean());
    }

    [Fact]
    public async Task A_truth_value_after_a_flag_is_its_value()
    {
        (JsonElement value, _) = await CliRun.Explain("enable_chunked_prefill", ["--enable-chunked-prefill", "True"]);
        Assert.True(value.GetBoolean());
    }

    [Theory]
    [InlineData("1k", 1000)]
    [InlineData("1K", 1024)]
    public async Task Sizes_may_be_human(string text, int expected)
    {
        (JsonElement value, _) = await CliRun.Explain("max_model_len", ["--max-model-len", text]);
        Assert.Equal(expected, value.GetInt32());
    }

    [Fact]
    public async Task A_length_of_auto_is_fitted_to_memory()
    {
        CliRun run = await CliRun.Of("explain", "max_model_len", "--max-model-len", "auto");
        Assert.Equal(0, run.Status);
        Assert.Contains("lowered to what the KV cache holds", run.Out, System.StringComparison.Ordinal);
    }

    [Fact]
    public async Task Json_and_dotted_keys_build_one_object()
    {
        (JsonElement value, _) = await CliRun.Explain("hf_overrides",
            ["--hf-overrides", "{\"a\": 1}", "--hf-overrides.b.c", "2.5", "--hf_overrides.text", "plain", "--hf-overrides.list+", "1", "--hf-overrides.list+", "two", "--hf-overrides.flag", "true"]);
        Assert.Equal("{\"a\":1,\"b\":{\"c\":2.5},\"text\":\"plain\",\"list\":[1,\"two\"],\"flag\":true}", value.GetRawText().Replace(" ", "", System.StringComparison.Ordinal));
    }

    [Fact]
    public async Task The_same_dotted_key_twice_warns_and_the_last_one_counts()
    {
        CliRun run = await CliRun.Of("explain", "hf_overrides", "--json", "--hf-overrides.a", "1", "--hf-overrides.a", "2");
        Assert.Contains("Found duplicate keys --hf-overrides.a", run.Error, System.StringComparison.Ordinal);
        Assert.Equal(2, JsonDocument.Parse(run.Out).RootElement.GetProperty("options")[0].GetProperty("value").GetProperty("a").GetInt32());
    }

    [Theory]
    [InlineData("-O2", 2)]
    [InlineData("-O=3", 3)]
    [InlineData("-O 0", 0)]
    public async Task The_optimization_level_has_three_short_forms(string form, int expected)
    {
        (JsonElement value, _) = await CliRun.Explain("optimization_level", form.Split(' '));
        Assert.Equal(expected, value.GetInt32());
    }

    [Theory]
    [InlineData("-tp", "1", "tensor_parallel_size")]
    [InlineData("-pp", "1", "pipeline_parallel_size")]
    [InlineData("-dp", "1", "data_parallel_size")]
    [InlineData("-dcp", "1", "decode_context_parallel_size")]
    [InlineData("-pcp", "1", "prefill_context_parallel_size")]
    [InlineData("-n", "1", "nnodes")]
    [InlineData("-r", "0", "node_rank")]
    public async Task Short_flags_are_vllms(string flag, string text, string option)
    {
        (JsonElement value, string origin) = await CliRun.Explain(option, [flag, text]);
        Assert.Equal(text, value.GetRawText());
        Assert.Equal("command line", origin);
    }

    [Fact]
    public async Task Lists_take_several_words()
    {
        (JsonElement value, _) = await CliRun.Explain("served_model_name", ["--served-model-name", "a", "b", "--seed", "3"]);
        Assert.Equal("a,b", value.GetString());
    }

    [Fact]
    public async Task A_negative_number_is_a_value()
    {
        (JsonElement value, _) = await CliRun.Explain("max_logprobs", ["--max-logprobs", "-1"]);
        Assert.Equal(-1, value.GetInt32());
    }

    [Fact]
    public async Task Choices_are_read_whatever_their_case()
    {
        (JsonElement value, _) = await CliRun.Explain("dtype", ["--dtype", "BFloat16"]);
        Assert.Equal("bfloat16", value.GetString());
    }

    [Theory]
    [InlineData("QRE1001", "--max-num-seq", "64", "did you mean --max-num-seqs?")]
    [InlineData("QRE1001", "--gpu-memory-utilisation", "0.9", "did you mean --gpu-memory-utilization?")]
    [InlineData("QRE1001", "-zz", "1", "unknown option -zz")]
    [InlineData("QRE1002", "--max-num-seqs", "many", "expected an integer")]
    [InlineData("QRE1002", "--max-num-seqs", "0", "max_num_seqs must be at least 1, got 0")]
    [InlineData("QRE1002", "--gpu-memory-utilization", "1.5", "gpu_memory_utilization must be in (0, 1], got 1.5")]
    [InlineData("QRE1002", "--gpu-memory-utilization", "0", "gpu_memory_utilization must be in (0, 1], got 0")]
    [InlineData("QRE1002", "--watermark", "1", "watermark must be in [0, 1), got 1")]
    [InlineData("QRE1002", "--dtype", "float8", "Unknown dtype: 'float8'")]
    [InlineData("QRE1002", "--quantization", "marlin", "Unknown quantization method: marlin. Must be one of [")]
    [InlineData("QRE1002", "--load-format", "pt", "load_format pt is not available in this version (it reads Python pickles, which can run code")]
    [InlineData("QRE1002", "--hf-overrides", "{a:1}", "hf_overrides must be JSON")]
    [InlineData("QRE1002", "--max-lora-rank", "12", "max_lora_rank must be one of 1, 8, 16")]
    [InlineData("QRE1002", "--max-model-len", "0", "max_model_len must be at least 2 (a token of prompt, one of output), or -1 (auto), got 0")]
    [InlineData("QRE1002", "--max-model-len", "1", "max_model_len must be at least 2 (a token of prompt, one of output), or -1 (auto), got 1")]
    [InlineData("QRE1002", "--max-model-len", "-2", "max_model_len must be at least -1, got -2")]
    [InlineData("QRE1002", "--max-model-len", "5000", "User-specified max_model_len (5000) is greater than the derived max_model_len (max_position_embeddings=4096 or model_max_length=None in model's config.json)")]
    [InlineData("QRE1003", "--long-prefill-token-threshold", "5000", "long_prefill_token_threshold (5000) cannot be greater than the max_model_len (4096).")]
    [InlineData("QRE1006", "--tensor-parallel-size", "2", "tensor_parallel_size 2 is not available")]
    [InlineData("QRE1006", "--speculative-config.method", "ngram", "speculative decoding is not available")]
    public async Task A_bad_option_is_one_line_and_status_2(string code, string flag, string value, string expected)
    {
        CliRun run = await CliRun.Of("explain", flag, value);
        Assert.Equal(2, run.Status);
        Assert.Empty(run.Out);
        string line = Assert.Single(run.Error.Split('\n', System.StringSplitOptions.RemoveEmptyEntries));
        Assert.StartsWith($"error {code}: ", line, System.StringComparison.Ordinal);
        Assert.Contains(expected, line, System.StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("max_num_batched_tokens (32) must be greater than or equal to max_num_seqs (64).", "--max-num-batched-tokens", "32", "--max-num-seqs", "64")]
    [InlineData("max_num_batched_tokens (1024) is smaller than max_model_len (4096).", "--max-num-batched-tokens", "1024", "--no-enable-chunked-prefill", "--max-num-seqs", "8")]
    [InlineData("Error: --enable-auto-tool-choice requires --tool-call-parser", "--enable-auto-tool-choice")]
    [InlineData("enable_log_outputs requires enable_log_requests", "--enable-log-outputs")]
    [InlineData("ssl_keyfile needs ssl_certfile as well", "--ssl-keyfile", "k.pem")]
    [InlineData("max_cpu_loras (1) must be greater than or equal to max_loras (2).", "--max-cpu-loras", "1", "--max-loras", "2")]
    [InlineData("disable_any_whitespace is only supported for xgrammar and guidance backends.", "--structured-outputs-config.disable_any_whitespace", "true")]
    public async Task Contradictions_are_named(string expected, params string[] args)
    {
        CliRun run = await CliRun.Of(["explain", .. args]);
        Assert.Equal(2, run.Status);
        Assert.Contains("error QRE1003: ", run.Error, System.StringComparison.Ordinal);
        Assert.Contains(expected, run.Error, System.StringComparison.Ordinal);
    }

    [Fact]
    public async Task Hints_are_listed_in_one_warning_and_only_when_they_differ_from_the_default()
    {
        CliRun run = await CliRun.Of("explain", "seed", "--max-cudagraph-capture-size", "64", "--trust-remote-code", "--max-loras", "1", "--optimization-level", "2");
        Assert.Equal(0, run.Status);
        string line = Assert.Single(run.Error.Split('\n', System.StringSplitOptions.RemoveEmptyEntries));
        Assert.StartsWith("WARN without effect in this version: ", line, System.StringComparison.Ordinal);
        Assert.Contains("max_cudagraph_capture_size (", line, System.StringComparison.Ordinal);
        Assert.Contains("trust_remote_code (", line, System.StringComparison.Ordinal);
        Assert.DoesNotContain("max_loras", line, System.StringComparison.Ordinal);
        Assert.DoesNotContain("optimization_level", line, System.StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("--swap-space", "8")]
    [InlineData("--num-scheduler-steps", "4")]
    [InlineData("--use-v2-block-manager", null)]
    [InlineData("--disable-log-requests", null)]
    [InlineData("--metrics-port", "8001")]
    [InlineData("--max-num-partial-prefills", "2")]
    [InlineData("--task", "generate")]
    [InlineData("--rope-theta", "10000")]
    [InlineData("--num-speculative-tokens", "0")]
    [InlineData("--max-seq-len-to-capture", "8k")]
    public async Task A_retired_name_gets_one_warning_that_says_what_replaced_it(string flag, string? value)
    {
        CliRun run = await CliRun.Of(value is null ? ["explain", flag] : ["explain", flag, value]);
        Assert.True(run.Status == 0, run.Error);
        string name = flag[2..].Replace('-', '_');
        Assert.Single(run.Error.Split('\n'), line => line.StartsWith($"WARN deprecated argument '{name}': ", System.StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_retired_name_hands_its_value_over()
    {
        (JsonElement value, _) = await CliRun.Explain("hf_overrides", ["--rope-theta", "500000"]);
        Assert.Equal(500000, value.GetProperty("rope_theta").GetDouble());
        (JsonElement runner, _) = await CliRun.Explain("structured_outputs_config", ["--guided-decoding-backend", "xgrammar:disable-any-whitespace"]);
        Assert.Equal("xgrammar", runner.GetProperty("backend").GetString());
        Assert.True(runner.GetProperty("disable_any_whitespace").GetBoolean());
    }

    [Theory]
    [InlineData("--swap-space", "-1", "swap_space must be at least 0, got -1")]
    [InlineData("--enable-prompt-adapter", null, "vLLM removed prompt adapters")]
    [InlineData("--speculative-model", "[ngram]", "speculative decoding is not available")]
    [InlineData("--task", "embed", "runner pooling is not available")]
    [InlineData("--worker-use-ray", null, "distributed_executor_backend ray is not available")]
    public async Task A_retired_name_that_would_change_results_is_refused(string flag, string? value, string expected)
    {
        CliRun run = await CliRun.Of(value is null ? ["explain", flag] : ["explain", flag, value]);
        Assert.Equal(2, run.Status);
        Assert.Contains(expected, run.Error, System.StringComparison.Ordinal);
    }
}
