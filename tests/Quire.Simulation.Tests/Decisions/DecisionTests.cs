using System;
using System.Collections.Generic;
using System.Linq;
using System.Text;
using System.Text.Json;
using Quire.Simulation.Decisions;

namespace Quire.Simulation.Tests.Decisions;

public class DecisionTests
{
    private static readonly Lazy<IReadOnlyList<DecisionCase>> Recorded = new(RecordedDecisions.Read);

    public static TheoryData<string> Names() => [.. Recorded.Value.Select(item => item.Name)];

    [Fact]
    public void There_are_23_recorded_workloads() => Assert.Equal(23, Recorded.Value.Count);

    [Theory]
    [MemberData(nameof(Names))]
    public void Every_step_is_decided_as_vllm_decides_it(string name)
    {
        DecisionCase recorded = Recorded.Value.Single(item => item.Name == name);
        DecisionCase ours = DecisionRunner.Run(recorded with { Steps = null }, audit: true);
        for (int i = 0; i < Math.Min(recorded.Steps!.Count, ours.Steps!.Count); i++)
            Assert.Equal(DecisionJson.Text(recorded.Steps[i]), DecisionJson.Text(ours.Steps[i]));
        Assert.Equal(recorded.Steps.Count, ours.Steps!.Count);
    }

    [Fact]
    public void The_text_of_all_decisions_is_the_recorded_one()
    {
        byte[] text = DecisionJson.Write([.. Recorded.Value.Select(item => DecisionRunner.Run(item with { Steps = null }))]);
        using JsonDocument expected = JsonDocument.Parse(RecordedDecisions.Utf8());
        using JsonDocument actual = JsonDocument.Parse(text);
        Assert.Equal(JsonSerializer.Serialize(expected.RootElement), JsonSerializer.Serialize(actual.RootElement));
    }

    [Fact]
    public void Running_a_case_twice_gives_the_same_fingerprints()
    {
        foreach (DecisionCase item in Recorded.Value)
        {
            IReadOnlyList<ulong> first = DecisionRunner.Fingerprints(item);
            Assert.NotEmpty(first);
            Assert.Equal(first, DecisionRunner.Fingerprints(item));
        }
    }

    [Fact]
    public void Different_cases_have_different_fingerprints()
    {
        var last = new HashSet<ulong>();
        foreach (DecisionCase item in Recorded.Value)
            Assert.True(last.Add(DecisionRunner.Fingerprints(item)[^1]), item.Name);
    }

    [Theory]
    [InlineData("\"max_num_seq\":1,", "max_num_seq")]
    [InlineData("\"swap_space\":4,", "swap_space")]
    public void An_unknown_option_is_an_error_that_names_it(string extra, string name)
    {
        string text = Tiny.Replace("\"config\":{", "\"config\":{" + extra, StringComparison.Ordinal);
        JsonException error = Assert.Throws<JsonException>(() => DecisionJson.Read(Encoding.UTF8.GetBytes(text)));
        Assert.Contains(name, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_missing_option_is_an_error_that_names_it()
    {
        string text = Tiny.Replace("\"max_num_seqs\":2,", "", StringComparison.Ordinal);
        JsonException error = Assert.Throws<JsonException>(() => DecisionJson.Read(Encoding.UTF8.GetBytes(text)));
        Assert.Contains("max_num_seqs", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_prompt_that_cannot_fit_is_refused_with_the_name_of_the_request()
    {
        string text = Tiny.Replace("\"max_model_len\":64", "\"max_model_len\":5", StringComparison.Ordinal);
        DecisionCase item = Assert.Single(DecisionJson.Read(Encoding.UTF8.GetBytes(text)));
        ArgumentException error = Assert.Throws<ArgumentException>(() => DecisionRunner.Run(item));
        Assert.Contains("\"a\"", error.Message, StringComparison.Ordinal);
        Assert.Contains("max_model_len", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_single_case_reads_like_a_list_of_one()
    {
        DecisionCase item = Assert.Single(DecisionJson.Read(Encoding.UTF8.GetBytes(Tiny)));
        DecisionCase run = DecisionRunner.Run(item, audit: true);
        Assert.Equal(
            """{"step":0,"scheduled":{"a":5,"b":3},"new":{"a":0,"b":0},"running":["a","b"],"waiting":[],"free_blocks":5}""",
            DecisionJson.Text(run.Steps![0]));
        Assert.Equal(
            """{"step":1,"scheduled":{"a":1,"b":1},"finished":["a","b"],"running":[],"waiting":[],"free_blocks":7}""",
            DecisionJson.Text(run.Steps[^1]));
    }

    [Fact]
    public void A_case_runs_to_the_last_arrival_even_when_nothing_is_left_before_it()
    {
        string text = Tiny.Replace("\"id\":\"b\",\"arrival_step\":0", "\"id\":\"b\",\"arrival_step\":4", StringComparison.Ordinal);
        DecisionCase run = DecisionRunner.Run(DecisionJson.Read(Encoding.UTF8.GetBytes(text))[0]);
        Assert.Equal(6, run.Steps!.Count);
        Assert.Equal("""{"step":3,"scheduled":{},"running":[],"waiting":[],"free_blocks":7}""", DecisionJson.Text(run.Steps[3]));
    }

    private const string Tiny =
        """
        {"name":"tiny","config":{"max_num_batched_tokens":8,"max_num_seqs":2,"max_model_len":64,"block_size":8,"num_blocks":8},
        "requests":[{"id":"a","arrival_step":0,"prompt_token_ids":[1,2,3,4,5],"max_tokens":2,"output_token_ids":[6,7]},
        {"id":"b","arrival_step":0,"prompt_token_ids":[1,2,3],"max_tokens":2,"output_token_ids":[8,9]}]}
        """;
}
