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
    /// <summary>
    /// Of the distance between the greatest and the fifth logit, plus 1. Where inputs are rounded, the last bit of a sum decides whether
    /// an input falls to one side or the other, and a whole step of rounding follows: two right backends that add in another order are
    /// 0.2 apart in the logits of these models (about as much as the rounding itself changes them), so the limit says little there, and the
    /// kernels are compared with the reference operation on equal inputs instead.
    /// </summary>
    private const double Exact = 2e-3;
    private const double Rounded = 5e-2;

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
        foreach (JsonElement golden in document.RootElement.GetProperty("cases").EnumerateArray())
        {
            int[] prompt = Golden.Integers(golden.GetProperty("prompt_token_ids"));
            (int Token, double Logit)[] top = [.. golden.GetProperty("top5_logits").EnumerateArray().Select(pair => (pair[0].GetInt32(), pair[1].GetDouble()))];
            var driver = new ModelDriver(backend, model);
            float[] logits = driver.Step(new Chunk(driver.NewSequence(), prompt))[0];
            double limit = tolerance * (top[0].Logit - top[^1].Logit + 1);
            foreach ((int token, double logit) in top)
            {
                Assert.True(Math.Abs(logits[token] - logit) <= limit, $"{folder}: the logit of {token} is {logits[token]} instead of {logit}, more than {limit} apart");
            }

            Assert.Equal(top[0].Token, Logits.ArgMax(logits));
        }

        // The plan counts norms too, and may not know the type of scales.
        ModelMemory memory = ModelMemory.From(model.Config);
        Assert.InRange(memory.WeightBytes, model.WeightBytes, model.WeightBytes * 1.01);
        Assert.True(model.WeightBytes < 31_500_000 * 0.62, $"{model.WeightBytes} bytes are not packed");
    }
}
