using System;
using System.Linq;
using Quire.Models.Tests.Support;
using Quire.Tensors;

namespace Quire.Models.Tests;

/// <summary>Small random models in every published layout, against a textbook Llama of the weights that they stand for.</summary>
public class QuantizedFormatTests
{
    private const double Exact = 1e-4;

    /// <summary>
    /// Where inputs become integers of 16 bits (decision 0006): the small models here turn 1.5e-5 of an input into up to 4e-4 of a logit. That those
    /// products are the defined ones bit for bit is held by the tests of kernels, and that layouts mean the same by the backends before.
    /// </summary>
    private const double Wide = 5e-4;

    private static readonly int[] Prompt = [3, 14, 1, 5, 9, 2, 6, 5, 3, 5, 8];

    public static TheoryData<string> Formats => new(QuantizedFormats.All.Select(format => format.Name));

    [Theory]
    [MemberData(nameof(Formats))]
    public void A_layout_means_what_it_says(string name)
    {
        QuantizedFormat format = QuantizedFormats.All.Single(format => format.Name == name);
        var writer = new QuantizedWriter(20_25);
        writer.Build(format.Pack, format.IsPlain);
        using TemporaryFolder folder = Write(writer, format);
        Func<string, double[], double[]>? round = format.Round is { } rounding
            ? (module, x) => module == "lm_head" || format.IsPlain?.Invoke(module) == true ? x : rounding(x)
            : null;
        double[][] expected = new NaiveLlama(QuantizedWriter.Shape, writer.Plain, round).Logits(Prompt);
        foreach (string backendName in (string[])[Backends.Reference, Backends.CpuFloats, Backends.Cpu])
        {
            using IBackend backend = Backends.Create(backendName);
            using DecoderModel model = DecoderModel.Load(folder.Path, backend, new ModelOptions { DType = "float32", MaxBatchedTokens = 32, MaxLogitRows = 32 });
            float[][] whole = new ModelDriver(backend, model) is var driver ? driver.StepForAllRows(new Chunk(driver.NewSequence(), Prompt)) : [];
            for (int i = 0; i < Prompt.Length; i++)
            {
                Near(expected[i], whole[i], backendName == Backends.Cpu && format.Round is null ? Wide : Exact, $"{name} on {backendName}, token {i}");
            }
        }
    }

    [Theory]
    [InlineData("awq, group 24")]
    [InlineData("gptq, 4 bits, group 24, symmetric, act-order, format 1")]
    [InlineData("int-quantized, channel, symmetric, inputs dynamic")]
    [InlineData("fp8, block, inputs dynamic")]
    [InlineData("squeezellm")]
    public void Token_by_token_gives_the_same_bits_as_all_at_once(string name)
    {
        QuantizedFormat format = QuantizedFormats.All.Single(format => format.Name == name);
        var writer = new QuantizedWriter(7);
        writer.Build(format.Pack, format.IsPlain);
        using TemporaryFolder folder = Write(writer, format);
        using IBackend backend = Backends.Create(Backends.Cpu);
        using DecoderModel model = DecoderModel.Load(folder.Path, backend, new ModelOptions { DType = "float32", MaxBatchedTokens = 32, MaxLogitRows = 32 });
        var driver = new ModelDriver(backend, model, sequences: 2);
        float[][] whole = driver.StepForAllRows(new Chunk(driver.NewSequence(), Prompt));
        DrivenSequence sequence = driver.NewSequence();
        for (int i = 0; i < Prompt.Length; i++)
        {
            Assert.Equal(whole[i], driver.Step(new Chunk(sequence, [Prompt[i]]))[0]);
        }
    }

    [Theory]
    [InlineData("int8", 0.02)]
    [InlineData("int8_per_channel_weight_only", 0.03)]
    [InlineData("int4", 0.25)]
    [InlineData("fp8", 0.15)]
    [InlineData("fp8_per_tensor", 0.15)]
    [InlineData("fp8_per_channel", 0.15)]
    [InlineData("fp8_per_block", 0.15)]
    public void Plain_weights_quantised_at_load_stay_near(string method, double tolerance)
    {
        var writer = new QuantizedWriter(11);
        writer.Build((_, _, _, _) => { }, _ => true);
        using var folder = new TemporaryFolder();
        folder.Write("config.json", QuantizedWriter.Config(""));
        folder.Write("model.safetensors", writer.File());
        double[][] expected = new NaiveLlama(QuantizedWriter.Shape, writer.Plain).Logits(Prompt);
        using IBackend backend = Backends.Create(Backends.Cpu);
        using DecoderModel model = DecoderModel.Load(
            folder.Path, backend, new ModelOptions { DType = "float32", Quantization = method, MaxBatchedTokens = 32, MaxLogitRows = 32 });
        var driver = new ModelDriver(backend, model);
        float[][] logits = driver.StepForAllRows(new Chunk(driver.NewSequence(), Prompt));
        double distance = 0;
        double size = 0;
        for (int i = 0; i < Prompt.Length; i++)
        {
            distance += expected[i].Zip(logits[i], (e, a) => (e - a) * (e - a)).Sum();
            size += expected[i].Sum(e => e * e);
        }

        double relative = Math.Sqrt(distance / size);
        Assert.InRange(relative, 1e-5, tolerance);
    }

    private static TemporaryFolder Write(QuantizedWriter writer, QuantizedFormat format)
    {
        var folder = new TemporaryFolder();
        folder.Write("config.json", QuantizedWriter.Config(format.File is null ? format.Config : ""));
        if (format.File is { } file)
        {
            folder.Write(file, format.Config);
        }

        folder.Write("model.safetensors", writer.File());
        return folder;
    }

    private static void Near(double[] expected, float[] actual, double tolerance, string what)
    {
        double limit = tolerance * (1 + expected.Max(Math.Abs));
        for (int i = 0; i < expected.Length; i++)
        {
            Assert.True(Math.Abs(expected[i] - actual[i]) <= limit, $"{what}: logit {i} is {actual[i]} instead of {expected[i]}");
        }
    }
}
