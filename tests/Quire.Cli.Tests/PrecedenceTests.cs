using System;
using System.Collections.Generic;
using System.IO;
using System.Text.Json;
using System.Threading.Tasks;

namespace Quire.Cli.Tests;

public sealed class PrecedenceTests : IDisposable
{
    private readonly string _file = Path.Combine(Path.GetTempPath(), $"quire-{Guid.NewGuid():N}.yaml");

    public void Dispose() => File.Delete(_file);

    [Fact]
    public async Task The_command_line_wins_over_the_environment_and_that_over_the_file()
    {
        await File.WriteAllTextAsync(_file, "max_num_seqs: 1\nmax-num-batched-tokens: 2k\nseed: 3\n");
        var environment = new Dictionary<string, string> { ["QUIRE_MAX_NUM_SEQS"] = "5", ["QUIRE_SEED"] = "6" };
        string[] args = ["--config", _file, "--seed", "7"];
        Assert.Equal((2000, "config file"), Read(await CliRun.Explain("max_num_batched_tokens", args, environment)));
        Assert.Equal((5, "environment"), Read(await CliRun.Explain("max_num_seqs", args, environment)));
        Assert.Equal((7, "command line"), Read(await CliRun.Explain("seed", args, environment)));
    }

    [Fact]
    public async Task Values_that_nobody_set_say_where_they_come_from()
    {
        Assert.Equal((4096, "model"), Read(await CliRun.Explain("max_model_len", [])));
        Assert.Equal((128, "device"), Read(await CliRun.Explain("max_num_seqs", [])));
        Assert.Equal((256, "device"), Read(await CliRun.Explain("max_num_seqs", ["--use", "generate"])));
        Assert.Equal((1024, "device"), Read(await CliRun.Explain("max_num_seqs", ["--gpu", "h100-80gb"])));
        Assert.Equal((8192, "device"), Read(await CliRun.Explain("max_num_batched_tokens", ["--gpu", "h100-80gb"])));
        Assert.Equal((16384, "device"), Read(await CliRun.Explain("max_num_batched_tokens", ["--gpu", "h100-80gb", "--use", "generate"])));
        Assert.Equal((256, "device"), Read(await CliRun.Explain("max_num_seqs", ["--gpu", "a100-80gb"])));
        Assert.Equal((16, "default"), Read(await CliRun.Explain("block_size", [])));
    }

    [Fact]
    public async Task A_file_holds_lists_mappings_and_flags()
    {
        await File.WriteAllTextAsync(_file, "served_model_name: [one, two]\nhf_overrides:\n  rope_theta: 1e5\n  name: \"7\"\nenable_prefix_caching: false\nno_async_scheduling: true\nport: 9000\n");
        string[] args = ["--config", _file];
        Assert.Equal("one,two", (await CliRun.Explain("served_model_name", args)).Value.GetString());
        JsonElement overrides = (await CliRun.Explain("hf_overrides", args)).Value;
        Assert.Equal(1e5, overrides.GetProperty("rope_theta").GetDouble());
        Assert.Equal(JsonValueKind.String, overrides.GetProperty("name").ValueKind);
        Assert.False((await CliRun.Explain("enable_prefix_caching", args)).Value.GetBoolean());
        Assert.False((await CliRun.Explain("async_scheduling", args)).Value.GetBoolean());
        Assert.Equal(9000, (await CliRun.Explain("port", args)).Value.GetInt32());
    }

    [Fact]
    public async Task Dotted_keys_of_the_command_line_are_laid_over_the_object_of_the_file()
    {
        await File.WriteAllTextAsync(_file, "hf_overrides: {a: 1, b: 2}\n");
        JsonElement overrides = (await CliRun.Explain("hf_overrides", ["--config", _file, "--hf-overrides.b", "3"])).Value;
        Assert.Equal((1, 3), (overrides.GetProperty("a").GetInt32(), overrides.GetProperty("b").GetInt32()));
    }

    [Fact]
    public async Task A_servers_option_in_the_file_does_not_disturb_another_command()
    {
        await File.WriteAllTextAsync(_file, "port: 9000\nmax_num_seqs: 4\n");
        CliRun run = await CliRun.Of(["tokenize", "--config", _file, "--input", "-"], "{\"text\":\"a\"}\n");
        Assert.True(run.Status == 0, run.Error);
        Assert.Empty(run.Error);
        CliRun flag = await CliRun.Of(["tokenize", "--port", "9", "--input", "-"], "");
        Assert.Equal(2, flag.Status);
        Assert.Contains("--port is an option of quire serve", flag.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("max_num_sequences: 4", "QRE1001", "did you mean max_num_seqs?")]
    [InlineData("max_num_seqs: [", "QRE1004", "line ")]
    [InlineData("- a\n- b", "QRE1004", "must hold names and values")]
    [InlineData("max_num_seqs: few", "QRE1002", "max_num_seqs")]
    public async Task A_bad_file_is_an_error_that_names_the_place(string text, string code, string expected)
    {
        await File.WriteAllTextAsync(_file, text);
        CliRun run = await CliRun.Of("explain", "--config", _file);
        Assert.Equal(2, run.Status);
        Assert.StartsWith($"error {code}: ", run.Error, StringComparison.Ordinal);
        Assert.Contains(expected, run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_missing_file_is_an_error()
    {
        CliRun run = await CliRun.Of("explain", "--config", _file);
        Assert.Equal(2, run.Status);
        Assert.Contains("it does not exist", run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_mistyped_variable_is_an_error_and_a_foreign_one_a_warning()
    {
        CliRun typo = await CliRun.Of(["explain", "seed"], environment: new() { ["QUIRE_MAX_NUM_SEQ"] = "4" });
        Assert.Equal(2, typo.Status);
        Assert.Contains("did you mean QUIRE_MAX_NUM_SEQS?", typo.Error, StringComparison.Ordinal);
        CliRun foreign = await CliRun.Of(["explain", "seed"], environment: new() { ["QUIRE_SOMETHING_ELSE_ENTIRELY"] = "4" });
        Assert.Equal(0, foreign.Status);
        Assert.Contains("WARN the environment variable QUIRE_SOMETHING_ELSE_ENTIRELY", foreign.Error, StringComparison.Ordinal);
    }

    private static (int Value, string Origin) Read((JsonElement Value, string Origin) entry) => (entry.Value.GetInt32(), entry.Origin);
}
