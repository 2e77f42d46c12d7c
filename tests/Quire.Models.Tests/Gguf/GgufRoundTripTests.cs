using System;
using System.IO;
using System.Linq;
using Quire.Models.Tests.Support;
using Quire.Tensors;

namespace Quire.Models.Tests.Gguf;

/// <summary>Models that went through a GGUF file compute what the folder that they came from computes.</summary>
public class GgufRoundTripTests
{
    [Theory]
    [InlineData("llama")]
    [InlineData("llama-rope3")]
    public void A_converted_model_computes_what_transformers_computes(string model) => Matches(TestFolders.Data(model), "bf16", "auto");

    [Theory]
    [InlineData("mistral-window", "f16")]
    [InlineData("qwen2", "bf16")]
    [InlineData("qwen3", "bf16")]
    [InlineData("phi3", "bf16")]
    [InlineData("gemma2", "bf16")]
    [InlineData("gemma3", "bf16")]
    [InlineData("granite", "f16")]
    [InlineData("olmo2", "bf16")]
    [InlineData("mixtral", "bf16")]
    [InlineData("qwen3-moe", "bf16")]
    [InlineData("gpt2", "f32", "float32")]
    public void A_shared_converted_model_computes_what_transformers_computes(string model, string type, string dtype = "auto") =>
        Matches(TestFolders.Shared("goldens", "architectures", model), type, dtype);

    [Fact]
    public void The_converted_bfloat16_model_gives_the_same_bits()
    {
        using var folder = new TemporaryFolder();
        string file = GgufFiles.Convert(TestFolders.Quill, "bf16", folder);
        using IBackend backend = Backends.Create(Backends.Cpu);
        using DecoderModel original = GoldenChecks.Load(TestFolders.Quill, backend);
        using DecoderModel converted = GoldenChecks.Load(file, backend);
        int[] prompt = [.. Enumerable.Range(0, 40).Select(i => i * 97 % 8192)];
        float[][] expected = AllRows(backend, original, prompt);
        float[][] actual = AllRows(backend, converted, prompt);
        for (int i = 0; i < prompt.Length; i++)
        {
            Assert.Equal(expected[i], actual[i]);
        }
    }

    [Theory]
    [InlineData("q8_0", 0.05)]
    [InlineData("q4_0", 0.5)]
    public void The_quantised_model_stays_close(string type, double most)
    {
        using var folder = new TemporaryFolder();
        string file = GgufFiles.Convert(TestFolders.Quill, type, folder);
        using IBackend backend = Backends.Create(Backends.Cpu);
        using DecoderModel original = GoldenChecks.Load(TestFolders.Quill, backend);
        using DecoderModel converted = GoldenChecks.Load(file, backend);
        int[] prompt = [.. Enumerable.Range(0, 40).Select(i => 300 + i * 97 % 7000)];
        float[][] expected = AllRows(backend, original, prompt);
        float[][] actual = AllRows(backend, converted, prompt);
        double error = expected.Zip(actual, (e, a) => e.Zip(a, (x, y) => Math.Pow(x - y, 2)).Average()).Average();
        double power = expected.Select(row => row.Select(x => Math.Pow(x - row.Average(), 2)).Average()).Average();
        Assert.True(error > 0 && Math.Sqrt(error / power) < most, $"the logits are off by {Math.Sqrt(error / power)} of their deviation");
    }

    [Fact]
    public void Converting_twice_gives_the_same_bytes()
    {
        using var folder = new TemporaryFolder();
        byte[] first = File.ReadAllBytes(GgufFiles.Convert(TestFolders.Quill, "q4_0", folder));
        Assert.True(first.AsSpan().SequenceEqual(File.ReadAllBytes(GgufFiles.Convert(TestFolders.Quill, "q4_0", folder))));
    }

    [Fact]
    public void A_model_that_GGUF_has_no_form_for_is_refused()
    {
        using var folder = new TemporaryFolder();
        string opt = TestFolders.Shared("goldens", "architectures", "opt");
        var error = Assert.Throws<CheckpointException>(() => GgufFiles.Convert(opt, "f16", folder));
        Assert.Contains("OPTForCausalLM has no form in GGUF", error.Message, StringComparison.Ordinal);
    }

    private static void Matches(string source, string type, string dtype)
    {
        using var folder = new TemporaryFolder();
        string file = GgufFiles.Convert(source, type, folder);
        using IBackend backend = Backends.Create(Backends.Cpu);
        GoldenChecks.Matches(file, backend, dtype, source);
    }

    private static float[][] AllRows(IBackend backend, DecoderModel model, int[] prompt)
    {
        var driver = new ModelDriver(backend, model);
        return driver.StepForAllRows(new Chunk(driver.NewSequence(), prompt));
    }
}
