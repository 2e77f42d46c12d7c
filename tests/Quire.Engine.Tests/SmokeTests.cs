using System;
using System.Threading.Tasks;
using Quire.Core.Requests;
using Quire.Engine.Intake;
using Quire.Engine.Streaming;
using Quire.Tensors.Reference;

namespace Quire.Engine.Tests;

public class SmokeTests
{
    [Fact]
    public async Task Quill_answers_on_the_reference_backend()
    {
        await using InferenceEngine engine = await InferenceEngine.StartAsync(
            new EngineOptions { MaxModelLen = 128, MaxNumBatchedTokens = 128, MaxNumSeqs = 4 }, new ReferenceBackend());
        GenerationHandle handle = engine.Submit(new GenerationRequest
        {
            Prompt = Prompt.FromTokens([1, 511, 265, 207, 346, 428, 2833, 468, 39, 2, 207, 1, 331, 616, 507, 207]),
            Sampling = new SamplingParams { Temperature = 0, MaxTokens = 20 },
        });
        RequestOutput output = await handle.CompleteAsync();
        Assert.Equal("product (noun): commodities offered for sale", output.Outputs[0].Text);
        Assert.Equal([2759, 1334, 352, 481, 368, 8181, 1762, 5557, 383, 618, 4698, 2], output.Outputs[0].TokenIds);
        Assert.Equal(FinishReason.Stop, output.Outputs[0].FinishReason);
    }
}
