using System;
using System.Linq;
using System.Threading.Tasks;
using Quire.Core.Requests;
using Quire.Engine.Intake;
using Quire.Engine.Options;
using Quire.Engine.Streaming;

namespace Quire.Engine.Tests;

/// <summary>
/// With a backend that chooses tokens itself the engine launches a step before the tokens of the one before it are known. What comes out
/// is the same as when each step is waited for.
/// </summary>
public class StepOverlapTests
{
    [Theory]
    [InlineData("defaults")]
    [InlineData("a tiny cache")]
    [InlineData("eager")]
    [InlineData("one step after the other")]
    [InlineData("16 tokens a step")]
    public async Task Mixed_requests_give_the_same_tokens_as_without_overlap(string configuration)
    {
        GenerationRequest[] requests = Enumerable.Range(0, 40).Select(Request).ToArray();
        int[][] expected = await TokensAsync(new Cpu.CpuBackend(new Cpu.CpuOptions()), configuration, requests);
        var backend = new DeviceSamplingBackend();
        int[][] actual = await TokensAsync(backend, configuration, requests);
        for (int i = 0; i < expected.Length; i++)
        {
            Assert.Equal(expected[i], actual[i]);
        }

        Assert.True(backend.ClockedSteps > 0);
        Assert.False(backend.IsInStep);
        bool overlaps = configuration != "one step after the other";
        Assert.Equal(overlaps, backend.ResolvedTokens > 0);
        Assert.Equal(overlaps ? 2 : 1, backend.MostOpenReads);
        if (configuration == "eager")
        {
            Assert.Equal(0, backend.Recordings);
        }
        else if (configuration is "defaults" or "a tiny cache")
        {
            Assert.True(backend.Recordings > 0);
        }
    }

    [Fact]
    public async Task Requests_that_are_given_up_leave_the_others_alone()
    {
        await using InferenceEngine engine = await StartAsync(new DeviceSamplingBackend(), "defaults");
        GenerationRequest request = Request(1);
        int[] expected = (await engine.Submit(request).CompleteAsync()).Outputs[0].TokenIds.ToArray();
        var random = new Random(3);
        await Task.WhenAll(Enumerable.Range(0, 60).Select(async i =>
        {
            GenerationHandle handle = engine.Submit(request);
            if (i % 3 == 0)
            {
                await Task.Delay(random.Next(30));
                handle.Abort();
                return;
            }

            Assert.Equal(expected, (await handle.CompleteAsync()).Outputs[0].TokenIds);
        }));
    }

    /// <summary>Greedy, drawn, with penalties and with log-probabilities: the latter two are chosen on the host.</summary>
    private static GenerationRequest Request(int i)
    {
        var sampling = new SamplingParams { Temperature = 0, MaxTokens = 5 + i, IgnoreEos = i % 2 == 0 };
        sampling = (i % 5) switch
        {
            1 => sampling with { Temperature = 0.8, Seed = i },
            2 when i > 20 => sampling with { RepetitionPenalty = 1.2 },
            3 when i > 20 => sampling with { Logprobs = 2 },
            _ => sampling,
        };
        return new GenerationRequest
        {
            Prompt = Prompt.FromText($"<|im_start|>user\nCount from {i} to {i + 9}.<|im_end|>\n<|im_start|>assistant\n"),
            Sampling = sampling,
        };
    }

    private static async Task<int[][]> TokensAsync(Tensors.IBackend backend, string configuration, GenerationRequest[] requests)
    {
        await using InferenceEngine engine = await StartAsync(backend, configuration);
        RequestOutput[] outputs = await Task.WhenAll(requests.Select(request => engine.Submit(request).CompleteAsync()));
        if (configuration == "a tiny cache")
        {
            Assert.True(engine.Metrics.Preemptions.Value > 0, "the cache was not small enough to force a preemption");
        }

        return outputs.Select(output => output.Outputs[0].TokenIds.ToArray()).ToArray();
    }

    private static Task<InferenceEngine> StartAsync(Tensors.IBackend backend, string configuration)
    {
        var options = new EngineOptions { Model = TestModels.Quill, KvCacheMemoryBytes = 64 << 20, MaxModelLen = 512, MaxNumSeqs = 13, DisableLogStats = true };
        options = configuration switch
        {
            "a tiny cache" => options with { KvCacheMemoryBytes = null, NumGpuBlocksOverride = 34 },
            "eager" => options with { EnforceEager = true },
            "one step after the other" => options with { AsyncScheduling = false },
            "16 tokens a step" => options with { MaxNumBatchedTokens = 16 },
            _ => options,
        };
        return InferenceEngine.StartAsync(options, backend, UsageContext.OfflineBatch);
    }
}
