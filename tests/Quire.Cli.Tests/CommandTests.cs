using System;
using System.IO;
using System.Linq;
using System.Text.Json;
using System.Threading.Tasks;

namespace Quire.Cli.Tests;

/// <summary>Commands on small inputs, from arguments to output.</summary>
public class CommandTests
{
    [Fact]
    public async Task Tokenize_goes_both_ways_and_answers_bad_rows_in_place()
    {
        CliRun run = await CliRun.Of(["tokenize", "--input", "-"], "{\"text\":\"Hello <|im_end|>\"}\n\n{\"token_ids\":[1691,229,2]}\n{\"token_ids\":[99999]}\n[1]\n");
        Assert.Equal(1, run.Status);
        Assert.Equal("{\"token_ids\":[1691,229,2]}", run.Lines[0]);
        Assert.Equal("{\"text\":\"Hello <|im_end|>\",\"text_skip_special\":\"Hello \"}", run.Lines[1]);
        Assert.Contains("\"code\":\"QRE3001\"", run.Lines[2], StringComparison.Ordinal);
        Assert.Contains("token_ids holds 99999", run.Lines[2], StringComparison.Ordinal);
        Assert.Contains("must hold a JSON object", run.Lines[3], StringComparison.Ordinal);
        Assert.Equal(4, run.Lines.Count);
    }

    [Fact]
    public async Task Render_writes_the_prompt_of_a_conversation()
    {
        CliRun run = await CliRun.Of(["render", "--input", "-"],
            "{\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}],\"add_generation_prompt\":true}\n{\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]}\n{\"messages\":7}\n");
        Assert.Equal(1, run.Status);
        Assert.Equal("<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n", JsonDocument.Parse(run.Lines[0]).RootElement.GetProperty("text").GetString());
        Assert.Equal("<|im_start|>user\nHi<|im_end|>\n", JsonDocument.Parse(run.Lines[1]).RootElement.GetProperty("text").GetString());
        Assert.Equal("QRE3001", JsonDocument.Parse(run.Lines[2]).RootElement.GetProperty("error").GetProperty("code").GetString());
    }

    [Fact]
    public async Task Sample_prints_the_distribution()
    {
        CliRun run = await CliRun.Of(["sample", "--input", "-", "--json"],
            "{\"vocab\":3,\"logits\":[0,0,null],\"prompt_token_ids\":[],\"output_token_ids\":[],\"params\":{}}\n{\"logits\":[1,2],\"params\":{\"temperature\":0}}\n{\"logits\":[]}\n");
        Assert.Equal(1, run.Status);
        JsonElement even = JsonDocument.Parse(run.Lines[0]).RootElement;
        Assert.Equal([0.5, 0.5], even.GetProperty("probs").EnumerateArray().Select(pair => pair[1].GetDouble()));
        Assert.Equal(2, even.GetProperty("kept").GetInt32());
        Assert.Equal(1, JsonDocument.Parse(run.Lines[1]).RootElement.GetProperty("greedy").GetInt32());
        Assert.Contains("\"error\"", run.Lines[2], StringComparison.Ordinal);
    }

    [Fact]
    public async Task Simulate_prints_the_steps_of_each_case()
    {
        const string cases = """
            [{"name":"one","config":{"max_num_batched_tokens":4,"max_num_seqs":2,"max_model_len":64,"block_size":4,"num_blocks":16},
              "requests":[{"id":"a","arrival_step":0,"prompt_token_ids":[1,2,3,4,5,6],"max_tokens":2,"output_token_ids":[7,8]}]}]
            """;
        CliRun run = await CliRun.Of(["simulate", "--decisions", "-", "--json"], cases);
        Assert.True(run.Status == 0, run.Error);
        JsonElement steps = JsonDocument.Parse(run.Out).RootElement[0].GetProperty("steps");
        Assert.Equal([4, 2, 1], steps.EnumerateArray().Take(3).Select(step => step.GetProperty("scheduled").GetProperty("a").GetInt32()));
        CliRun bad = await CliRun.Of(["simulate", "--decisions", "-"], "{\"name\":");
        Assert.Equal(2, bad.Status);
        Assert.StartsWith("error QRE1004: ", bad.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_recorded_decisions_of_vllm_are_reproduced()
    {
        string path = Path.GetFullPath(Path.Combine(CliRun.RepositoryRoot, "..", "shared", "goldens", "scheduler", "decisions.json"));
        if (!File.Exists(path))
            Assert.Skip($"{path} is not here");
        CliRun run = await CliRun.Of("simulate", "--decisions", path, "--json");
        using var expected = JsonDocument.Parse(await File.ReadAllBytesAsync(path));
        using var actual = JsonDocument.Parse(run.Out);
        Assert.True(JsonElement.DeepEquals(expected.RootElement, actual.RootElement));
    }

    [Fact]
    public async Task Plan_adds_up_on_this_machine_and_for_a_card()
    {
        JsonElement here = JsonDocument.Parse((await CliRun.Of("plan", "--json", "--kv-cache-memory-bytes", "64M")).Out).RootElement;
        Assert.Equal(8192, here.GetProperty("kv_bytes_per_token").GetInt64());
        Assert.Equal((64 << 20) / (8192 * 16), here.GetProperty("num_gpu_blocks").GetInt32());
        JsonElement card = JsonDocument.Parse((await CliRun.Of("plan", CliRun.Quill, "--gpu", "rtx4090-24gb", "--json")).Out).RootElement;
        Assert.Equal(25_250_627_584, card.GetProperty("total_bytes").GetInt64());
        Assert.Equal(2 * 8 * 2 * 64 * 2, card.GetProperty("kv_bytes_per_token").GetInt64());
        long sum = card.GetProperty("weight_bytes").GetInt64() + card.GetProperty("activation_bytes").GetInt64() + card.GetProperty("other_bytes").GetInt64() + card.GetProperty("available_kv_cache_bytes").GetInt64();
        Assert.Equal(card.GetProperty("requested_bytes").GetInt64(), sum);
    }

    [Fact]
    public async Task Plan_needs_no_more_than_a_config_and_says_what_does_not_fit()
    {
        string config = Path.Combine(Path.GetTempPath(), $"quire-{Guid.NewGuid():N}.json");
        try
        {
            await File.WriteAllTextAsync(config, """
                {"architectures":["LlamaForCausalLM"],"model_type":"llama","hidden_size":4096,"intermediate_size":14336,"num_hidden_layers":32,
                 "num_attention_heads":32,"num_key_value_heads":8,"vocab_size":128256,"max_position_embeddings":131072,"rms_norm_eps":1e-5,"dtype":"bfloat16",
                 "hidden_act":"silu","tie_word_embeddings":false,"rope_theta":500000.0}
                """);
            CliRun fits = await CliRun.Of("plan", config, "--gpu", "h100", "--json");
            Assert.True(fits.Status == 0, fits.Error);
            JsonElement plan = JsonDocument.Parse(fits.Out).RootElement;
            Assert.Equal(131_072, plan.GetProperty("kv_bytes_per_token").GetInt64());
            Assert.Equal(8_030_261_248, plan.GetProperty("parameters").GetInt64());
            CliRun tooLarge = await CliRun.Of("plan", config, "--gpu", "t4");
            Assert.Equal(2, tooLarge.Status);
            Assert.StartsWith("error QRE1007: ", tooLarge.Error, StringComparison.Ordinal);
            CliRun two = await CliRun.Of("plan", config, "--gpu", "h100", "-tp", "2", "--json");
            Assert.Equal(65_536, JsonDocument.Parse(two.Out).RootElement.GetProperty("kv_bytes_per_token").GetInt64());
        }
        finally
        {
            File.Delete(config);
        }
    }

    [Fact]
    public async Task Explain_lists_every_option_and_hides_keys()
    {
        CliRun run = await CliRun.Of("explain", "--json", "--api-key", "secret");
        JsonElement options = JsonDocument.Parse(run.Out).RootElement.GetProperty("options");
        Assert.Equal(Engine.Options.OptionCatalogue.All.Count, options.GetArrayLength());
        Assert.DoesNotContain("secret", run.Out, StringComparison.Ordinal);
        Assert.DoesNotContain("secret", (await CliRun.Of("explain", "--api-key", "secret")).Out, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(2, "QRE1001", "generat")]
    [InlineData(2, "QRE1001", "bench")]
    [InlineData(2, "QRE1001", "bench", "latencies")]
    [InlineData(2, "QRE1002", "tokenize")]
    [InlineData(2, "QRE1002", "generate")]
    [InlineData(2, "QRE1002", "generate", "--prompt")]
    [InlineData(2, "QRE1002", "generate", "--prompt", "a", "--input", "-")]
    [InlineData(2, "QRE1002", "generate", "--prompt", "a", "--temperature", "hot")]
    [InlineData(2, "QRE1001", "generate", "--prompt", "a", "--temprature", "1")]
    [InlineData(2, "QRE1002", "plan", "one", "two")]
    [InlineData(2, "QRE1002", "plan", "--gpu", "h1000")]
    [InlineData(2, "QRE1004", "tokenize", "--input", "there-is-no-such-file.jsonl")]
    [InlineData(2, "QRE2001", "tokenize", "--model", "there-is-no-such-model", "--input", "-")]
    [InlineData(2, "QRE1001", "sample", "--input", "-", "--max-num-seqs", "3")]
    [InlineData(2, "QRE1002", "bench", "latency", "--repeat", "0")]
    [InlineData(2, "QRE1002", "bench", "serve", "--request-rate", "-1")]
    [InlineData(2, "QRE1002", "bench", "serve", "--goodput", "itl:5")]
    public async Task Wrong_usage_is_one_line_and_status_2(int status, string code, params string[] args)
    {
        CliRun run = await CliRun.Of(args);
        Assert.Equal(status, run.Status);
        Assert.Empty(run.Out);
        Assert.StartsWith($"error {code}: ", run.Error.Split('\n', StringSplitOptions.RemoveEmptyEntries)[^1], StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Verbose_adds_the_place_of_an_error()
    {
        CliRun run = await CliRun.Of("generate", "--verbose");
        Assert.Equal(2, run.Status);
        Assert.Contains("   at ", run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Help_and_version_are_results()
    {
        CliRun version = await CliRun.Of("--version");
        Assert.Equal(0, version.Status);
        Assert.StartsWith("quire ", version.Out, StringComparison.Ordinal);
        Assert.Contains("bench serve", (await CliRun.Of("--help")).Out, StringComparison.Ordinal);
        Assert.Contains("--max-num-seqs", (await CliRun.Of("generate", "--help=scheduler")).Out, StringComparison.Ordinal);
        Assert.Contains("--top-p", (await CliRun.Of("generate", "--help=all")).Out, StringComparison.Ordinal);
        Assert.Contains("retired", (await CliRun.Of("explain", "--help=swap-space")).Out, StringComparison.Ordinal);
        Assert.Equal(2, (await CliRun.Of("generate", "--help=nonsense")).Status);
        Assert.Equal(2, (await CliRun.Of()).Status);
    }
}
