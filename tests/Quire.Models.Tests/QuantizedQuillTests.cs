using System;
using System.IO;
using System.Linq;
using System.Text.Json;
using Quire.Models.Tests.Support;
using Quire.Tensors;

namespace Quire.Models.Tests;

/// <summary>Quantised checkpoints of the shipped model, in their published layouts, against logits from the dequantised weights in float32.</summary>
public class QuantizedQuillTests
{
    /// <summary>Of the distance between the greatest and the fifth logit, plus 1.</summary>
    private const double Exact = 2e-3;

    /// <summary>
    /// The same where inputs are rounded. There the last bit of a sum decides whether an input falls to one side or the other, and a whole step
    /// of rounding follows. The same rule computed in another order of summation is 0.1 (W8A8) and 0.2 (FP8) apart in the mean of squares, single
    /// logits up to 0.5, so no limit on a single logit can be tight; <see cref="RoundedMean"/> is what a grossly other rule (one scale for the matrix) breaks, and
    /// kernels are compared with the reference operation on equal inputs.
    /// </summary>
    private const double Rounded = 5e-2;

    /// <summary>Root of the mean square of all differences of a checkpoint, of the range of the logits (44 to 50): one scale a tensor gives 0.02.</summary>
    private const double RoundedMean = 6e-3;

    [Theory]
    [InlineData("quill-awq-int4", "awq", Exact)]
    [InlineData("quill-gptq-int4-actorder", "gptq", Exact)]
    [InlineData("quill-compressed-w4a16", "compressed-tensors", Exact)]
    [InlineData("quill-compressed-w8a8-int8", "compressed-tensors", Rounded)]
    [InlineData("quill-fp8-block", "fp8", Rounded)]
    public void Prompts_get_the_logits_of_the_dequantised_weights(string folder, string method, double tolerance)
    {
        string path = TestFolders.Shared("models", folder);
        using JsonDocument document = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(path, "golden.json")));
        using IBackend backend = Backends.Create(Backends.Cpu);
        using DecoderModel model = DecoderModel.Load(path, backend, new ModelOptions { MaxBatchedTokens = 1024, MaxLogitRows = 64, MaxModelLength = 1024 });
        Assert.Equal(method, model.Quantization!.Method);
        double squares = 0;
        int compared = 0;
        double range = 0;
        foreach (JsonElement golden in document.RootElement.GetProperty("cases").EnumerateArray())
        {
            int[] prompt = Golden.Integers(golden.GetProperty("prompt_token_ids"));
            (int Token, double Logit)[] top = [.. golden.GetProperty("top5_logits").EnumerateArray().Select(pair => (pair[0].GetInt32(), pair[1].GetDouble()))];
            var driver = new ModelDriver(backend, model);
            float[] logits = driver.Step(new Chunk(driver.NewSequence(), prompt))[0];
            double limit = tolerance * (top[0].Logit - top[^1].Logit + 1);
            foreach ((int token, double logit) in top)
            {
                squares += (logits[token] - logit) * (logits[token] - logit);
                compared++;
                Assert.True(Math.Abs(logits[token] - logit) <= limit, $"{folder}: the logit of {token} is {logits[token]} instead of {logit}, more than {limit} apart");
            }

            range = Math.Max(range, logits.Max() - logits.Min());
            Assert.Equal(top[0].Token, Logits.ArgMax(logits));
        }

        double mean = Math.Sqrt(squares / compared);
        Assert.True(mean <= (tolerance == Exact ? Exact : RoundedMean) * range, $"{folder}: the logits are {mean} apart in the mean of squares, of a range of {range}");

        // The plan counts norms too, and may not know the type of scales.
        ModelMemory memory = ModelMemory.From(model.Config);
        Assert.InRange(memory.WeightBytes, model.WeightBytes, model.WeightBytes * 1.01);
        Assert.True(model.WeightBytes < 31_500_000 * 0.62, $"{model.WeightBytes} bytes are not packed");
    }
}
