using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Text;
using System.Text.Json;
using System.Threading;
using System.Threading.Tasks;

namespace Quire.Cli.Tests;

/// <summary><c>generate</c> and <c>chat</c> with the model that ships.</summary>
public class GenerateTests
{
    private static readonly string[] Engine = ["--kv-cache-memory-bytes", "64M", "--max-num-seqs", "16", "--max-model-len", "1024"];

    [Fact]
    public async Task Rows_are_answered_in_order_and_bad_ones_in_place()
    {
        const string rows = """
            {"prompt":"Hello","id":"first","sampling_params":{"max_tokens":3}}
            {"prompt_token_ids":[1,5,7],"id":7,"sampling_params":{"max_tokens":2,"logprobs":2,"prompt_logprobs":1,"temperature":0}}
            not json
            {"prompt":"x","sampling_params":{"temperature":3}}
            {"prompt":"x","sampling_params":{"temprature":1}}
            {"prompt":""}
            {"prompt":"a","prompt_token_ids":[1]}
            {"prompt_token_ids":[99999]}
            {"messages":[{"role":"user","content":"Define artist."}],"sampling_params":{"temperature":0,"max_tokens":64}}
            {"prompt":"x","lora":"shout"}
            {"prompt":"a b c","sampling_params":{"n":2,"seed":1,"max_tokens":2}}
            """;
        CliRun run = await CliRun.Of(["generate", "--input", "-", "--ignore-eos", "--max-tokens", "4", .. Engine], rows);
        Assert.Equal(1, run.Status);
        JsonElement[] answers = run.Lines.Select(line => JsonDocument.Parse(line).RootElement).ToArray();
        Assert.Equal(Enumerable.Range(0, 11), answers.Select(answer => answer.GetProperty("index").GetInt32()));
        Assert.Equal([2, 3, 4, 5, 6, 7, 9], answers.Where(answer => answer.TryGetProperty("error", out _)).Select(answer => answer.GetProperty("index").GetInt32()));
        Assert.Equal("first", answers[0].GetProperty("id").GetString());
        Assert.Equal(3, answers[0].GetProperty("outputs")[0].GetProperty("token_ids").GetArrayLength());
        Assert.Equal("length", answers[0].GetProperty("outputs")[0].GetProperty("finish_reason").GetString());
        Assert.Equal(JsonValueKind.Null, answers[0].GetProperty("outputs")[0].GetProperty("logprobs").ValueKind);
        Assert.Equal(2, answers[10].GetProperty("outputs").GetArrayLength());
        Assert.Contains("temperature must be in [0, 2], got 3.0.", Message(answers[3]), StringComparison.Ordinal);
        Assert.Contains("did you mean temperature?", Message(answers[4]), StringComparison.Ordinal);
        CheckLogprobs(answers[1]);
        Assert.Equal(7, answers[1].GetProperty("id").GetInt32());
        string last = run.Error.Split('\n', StringSplitOptions.RemoveEmptyEntries)[^1];
        Assert.StartsWith("11 requests (7 failed), ", last, StringComparison.Ordinal);
        Assert.Contains("tokens/s", last, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Messages_are_rendered_by_the_chat_template()
    {
        CliRun run = await CliRun.Of(["generate", "--input", "-", "--temperature", "0", "--max-tokens", "64", .. Engine],
            "{\"messages\":[{\"role\":\"user\",\"content\":\"Define artist.\"}]}\n");
        JsonElement answer = JsonDocument.Parse(Assert.Single(run.Lines)).RootElement;
        Assert.Equal("artist (noun): a person whose creative work shows sensitivity and imagination", answer.GetProperty("outputs")[0].GetProperty("text").GetString());
        Assert.Equal("stop", answer.GetProperty("outputs")[0].GetProperty("finish_reason").GetString());
        Assert.Equal(0, run.Status);
    }

    [Fact]
    public async Task One_prompt_prints_its_text_and_with_json_its_row()
    {
        CliRun text = await CliRun.Of(["generate", "--prompt", "1 2 3", "--max-tokens", "3", "--temperature", "0", "--ignore-eos", .. Engine]);
        CliRun row = await CliRun.Of(["generate", "--prompt", "1 2 3", "--max-tokens", "3", "--temperature", "0", "--ignore-eos", "--json", .. Engine]);
        Assert.Equal(text.Out.TrimEnd('\n'), JsonDocument.Parse(row.Out).RootElement.GetProperty("outputs")[0].GetProperty("text").GetString());
    }

    [Fact]
    public async Task A_seed_makes_a_run_repeat()
    {
        string[] args = ["generate", "--prompt", "Once", "--max-tokens", "12", "--temperature", "1.5", "--seed", "11", "--ignore-eos", .. Engine];
        Assert.Equal((await CliRun.Of(args)).Out, (await CliRun.Of(args)).Out);
    }

    [Fact]
    public async Task Many_rows_are_read_and_written_as_a_stream()
    {
        var rows = new StringBuilder();
        for (int i = 0; i < 200; i++)
            rows.Append("{\"prompt_token_ids\":[").Append(10 + i).Append("],\"id\":").Append(i).Append("}\n");
        string output = Path.Combine(Path.GetTempPath(), $"quire-{Guid.NewGuid():N}.jsonl");
        try
        {
            CliRun run = await CliRun.Of(["generate", "--input", "-", "--output", output, "--max-tokens", "1", "--temperature", "0", .. Engine], rows.ToString());
            Assert.True(run.Status == 0, run.Error);
            Assert.Empty(run.Out);
            Assert.Equal(Enumerable.Range(0, 200), File.ReadLines(output).Select(line => JsonDocument.Parse(line).RootElement.GetProperty("id").GetInt32()));
        }
        finally
        {
            File.Delete(output);
        }
    }

    [Fact]
    public async Task Cancelling_ends_with_the_status_of_an_interrupt()
    {
        using var cancel = new CancellationTokenSource();
        await cancel.CancelAsync();
        CliRun run = await CliRun.Of(["generate", "--prompt", "a", .. Engine], cancellationToken: cancel.Token);
        Assert.Equal(130, run.Status);
        Assert.DoesNotContain("   at ", run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Chat_answers_one_question_and_a_conversation()
    {
        CliRun one = await CliRun.Of(["chat", "Define artist.", .. Engine]);
        Assert.Equal("artist (noun): a person whose creative work shows sensitivity and imagination\n", one.Out);
        CliRun talk = await CliRun.Of(["chat", .. Engine], "/help\nDefine artist.\n/stats\n/reset\n/nonsense\n/exit\n");
        Assert.Equal(one.Out, talk.Out);
        Assert.Contains("/reset forgets", talk.Error, StringComparison.Ordinal);
        Assert.Contains("1 answers; the last: ", talk.Error, StringComparison.Ordinal);
        Assert.Contains("there is no command /nonsense", talk.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_missing_model_is_one_line()
    {
        CliRun run = await CliRun.Of("generate", "--model", "nowhere", "--prompt", "a");
        Assert.Equal(2, run.Status);
        Assert.StartsWith("error QRE2001: ", run.Error, StringComparison.Ordinal);
        Assert.Single(run.Error.Split('\n', StringSplitOptions.RemoveEmptyEntries));
    }

    [Fact]
    public async Task The_benchmarks_run_with_random_weights()
    {
        string[] small = ["--load-format", "dummy", "--json", "--repeat", "3", .. Engine];
        CliRun latency = await CliRun.Of(["bench", "latency", "--input-len", "4", "--output-len", "2", "--batch-size", "2", "--num-iters", "2", "--num-iters-warmup", "1", .. small]);
        Assert.True(latency.Status == 0, latency.Error);
        JsonElement result = JsonDocument.Parse(latency.Out).RootElement;
        Assert.Equal(2, result.GetProperty("latencies").GetArrayLength());
        Assert.Equal(["10", "25", "50", "75", "90", "99"], result.GetProperty("percentiles").EnumerateObject().Select(entry => entry.Name));
        Assert.Equal(3, result.GetProperty("repeat").GetProperty("count").GetInt32());
        Assert.NotEmpty(result.GetProperty("machine").GetProperty("processor").GetString()!);
        CliRun throughput = await CliRun.Of(["bench", "throughput", "--num-prompts", "4", "--input-len", "8", "--output-len", "3", .. small]);
        JsonElement rate = JsonDocument.Parse(throughput.Out).RootElement;
        Assert.Equal(4 * 11, rate.GetProperty("total_num_tokens").GetInt32());
        Assert.Equal(4, rate.GetProperty("num_requests").GetInt32());
    }

    [Fact]
    public async Task A_config_alone_is_enough_for_random_weights()
    {
        string folder = Directory.CreateTempSubdirectory("quire-").FullName;
        try
        {
            File.Copy(Path.Combine(CliRun.Quill, "config.json"), Path.Combine(folder, "config.json"));
            foreach (string model in (string[])[folder, Path.Combine(folder, "config.json")])
            {
                CliRun run = await CliRun.Of(["bench", "latency", "--model", model, "--load-format", "dummy", "--input-len", "4", "--output-len", "2", "--batch-size", "1",
                    "--num-iters", "1", "--num-iters-warmup", "0", "--json", .. Engine]);
                Assert.True(run.Status == 0, run.Error);
                Assert.True(JsonDocument.Parse(run.Out).RootElement.GetProperty("avg_latency").GetDouble() > 0);
            }
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Fact]
    public async Task An_exam_counts_exact_answers_by_task()
    {
        string exam = Path.Combine(Path.GetTempPath(), $"quire-{Guid.NewGuid():N}.json");
        try
        {
            await File.WriteAllTextAsync(exam, """
                [{"task":"define","tools":null,"question":"Define artist.","answer":"artist (noun): a person whose creative work shows sensitivity and imagination"},
                 {"task":"define","tools":null,"question":"Define artist.","answer":"something else"},
                 {"task":"copy","tools":null,"question":"Define artist.","answer":"nothing"}]
                """);
            CliRun run = await CliRun.Of(["bench", "accuracy", "--input", exam, "--json", .. Engine]);
            JsonElement result = JsonDocument.Parse(run.Out).RootElement;
            Assert.Equal(1.0 / 3, result.GetProperty("accuracy").GetDouble(), 9);
            Assert.Equal(0.5, result.GetProperty("tasks").GetProperty("define").GetProperty("accuracy").GetDouble());
        }
        finally
        {
            File.Delete(exam);
        }
    }

    private static void CheckLogprobs(JsonElement answer)
    {
        JsonElement output = answer.GetProperty("outputs")[0];
        JsonElement logprobs = output.GetProperty("logprobs");
        int[] tokens = output.GetProperty("token_ids").EnumerateArray().Select(id => id.GetInt32()).ToArray();
        Assert.Equal(tokens, logprobs.EnumerateArray().Select(position => position[0].GetProperty("token_id").GetInt32()));
        double sum = logprobs.EnumerateArray().Sum(position => position[0].GetProperty("logprob").GetDouble());
        Assert.Equal(output.GetProperty("cumulative_logprob").GetDouble(), sum, 4);
        var prompt = new List<JsonElement>(answer.GetProperty("prompt_logprobs").EnumerateArray());
        Assert.Equal(3, prompt.Count);
        Assert.Equal(JsonValueKind.Null, prompt[0].ValueKind);
        Assert.Equal(5, prompt[1][0].GetProperty("token_id").GetInt32());
    }

    private static string Message(JsonElement answer) => answer.GetProperty("error").GetProperty("message").GetString()!;
}
