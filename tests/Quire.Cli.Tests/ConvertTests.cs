using System;
using System.IO;
using System.Text.Json;
using System.Threading.Tasks;

namespace Quire.Cli.Tests;

/// <summary><c>convert</c>, and commands on the file that it wrote.</summary>
public sealed class ConvertTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("quire-convert-");

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public async Task A_converted_model_answers_tokenises_and_renders_as_the_folder_does()
    {
        string file = Path.Combine(_folder.FullName, "quill.gguf");
        CliRun convert = await CliRun.Of("convert", "--outtype", "bf16", "--output", file);
        Assert.True(convert.Status == 0, convert.Error);
        Assert.Contains("bf16", convert.Error, StringComparison.Ordinal);
        string[] options = ["--kv-cache-memory-bytes", "64M", "--max-num-seqs", "4", "--max-model-len", "512"];

        // A folder that holds nothing but the file stands for it.
        foreach (string model in (string[])[file, _folder.FullName])
        {
            const string row = """{"messages":[{"role":"user","content":"Define kitten."}],"sampling_params":{"temperature":0,"max_tokens":32}}""";
            Assert.Equal(Tokens(await CliRun.Of(["generate", "--input", "-", .. options], row)), Tokens(await CliRun.Of(["generate", "--model", model, "--input", "-", .. options], row)));
        }

        const string text = """{"text":"Hello, <|im_end|> wörld 12"}""";
        Assert.Equal((await CliRun.Of(["tokenize", "--input", "-"], text)).Out, (await CliRun.Of(["tokenize", "--model", file, "--input", "-"], text)).Out);
        const string chat = """{"messages":[{"role":"user","content":"Hi"}],"add_generation_prompt":true}""";
        Assert.Equal((await CliRun.Of(["render", "--input", "-"], chat)).Out, (await CliRun.Of(["render", "--model", file, "--input", "-"], chat)).Out);
    }

    [Fact]
    public async Task Adapters_apply_to_a_converted_model_as_to_the_folder()
    {
        string adapter = Path.Combine(CliRun.RepositoryRoot, "..", "shared", "models", "quill-lora-shout");
        Assert.SkipUnless(Directory.Exists(adapter), $"{adapter} is not here");
        string file = Path.Combine(_folder.FullName, "quill.gguf");
        Assert.Equal(0, (await CliRun.Of("convert", "--outtype", "bf16", "--output", file)).Status);
        string[] options =
        [
            "--input", "-", "--kv-cache-memory-bytes", "64M", "--max-num-seqs", "4", "--max-model-len", "512",
            "--enable-lora", "--lora-modules", "shout=" + adapter, "--max-lora-rank", "64",
        ];
        const string row = """{"messages":[{"role":"user","content":"Define kitten."}],"lora":"shout","sampling_params":{"temperature":0,"max_tokens":32}}""";
        Assert.Equal(Tokens(await CliRun.Of(["generate", .. options], row)), Tokens(await CliRun.Of(["generate", "--model", file, .. options], row)));
    }

    [Fact]
    public async Task A_plan_counts_the_bytes_of_quantised_weights()
    {
        string file = Path.Combine(_folder.FullName, "quill.gguf");
        Assert.Equal(0, (await CliRun.Of("convert", "--outtype", "q4_0", "--output", file)).Status);
        CliRun plan = await CliRun.Of("plan", "--model", file, "--json");
        Assert.True(plan.Status == 0, plan.Error);
        long bytes = JsonDocument.Parse(plan.Out).RootElement.GetProperty("weight_bytes").GetInt64();
        Assert.InRange(bytes, 8_000_000, new FileInfo(file).Length);
    }

    [Fact]
    public async Task What_cannot_be_written_is_refused()
    {
        CliRun name = await CliRun.Of("convert", "--output", "model.bin");
        Assert.Equal(2, name.Status);
        Assert.Contains("must end with .gguf", name.Error, StringComparison.Ordinal);
        Assert.Equal(2, (await CliRun.Of("convert", "--outtype", "q3", "--output", "x.gguf")).Status);
        CliRun place = await CliRun.Of("convert", "--output", Path.Combine(_folder.FullName, "absent", "x.gguf"));
        Assert.Equal(2, place.Status);
        Assert.Contains("cannot be written", place.Error, StringComparison.Ordinal);
        Assert.Empty(_folder.GetFiles());
    }

    private static string Tokens(CliRun run)
    {
        Assert.True(run.Status == 0, run.Error + run.Out);
        return JsonDocument.Parse(run.Lines[0]).RootElement.GetProperty("outputs")[0].GetProperty("token_ids").GetRawText();
    }
}
