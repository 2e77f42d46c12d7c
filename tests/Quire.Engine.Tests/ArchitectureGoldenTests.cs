using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Text.Json;
using System.Threading.Tasks;
using Quire.Core.Requests;
using Quire.Cpu;
using Quire.Engine.Intake;
using Quire.Engine.Options;
using Quire.Engine.Streaming;

namespace Quire.Engine.Tests;

/// <summary>
/// Tiny models of every family against the greedy tokens of Hugging Face transformers, through the whole engine: one by one and in a
/// batch, with and without prefix caching, in chunks, and with blocks that fall out of sliding windows.
/// </summary>
public class ArchitectureGoldenTests
{
    private const double NearTie = 0.05;

    public static TheoryData<string> Models =>
    [
        "llama", "llama-rope3", "mistral-window", "mixtral", "qwen2", "qwen3", "qwen3-moe", "phi3", "gemma2", "gemma3", "granite", "olmo2", "opt", "gpt2",
    ];

    [Theory]
    [MemberData(nameof(Models))]
    public async Task However_requests_are_batched_and_cached_they_give_the_reference_tokens(string model)
    {
        string folder = Path.Combine(TestModels.Root, "..", "shared", "goldens", "architectures", model);
        Assert.SkipUnless(Directory.Exists(folder), $"{folder} is not here");
        Golden[] goldens = Load(folder);
        foreach (bool caching in new[] { true, false })
        {
            foreach (int budget in new[] { 8, 256 })
            {
                var options = new EngineOptions
                {
                    Model = folder,
                    SkipTokenizerInit = true,
                    DType = model == "gpt2" ? "float32" : "auto",
                    EnablePrefixCaching = caching,
                    MaxNumBatchedTokens = budget,
                    MaxNumSeqs = 8,
                    KvCacheMemoryBytes = 16 << 20,
                    DisableLogStats = true,
                };
                await using InferenceEngine engine = await InferenceEngine.StartAsync(
                    options, new CpuBackend(new CpuOptions { Threads = 2 }), UsageContext.OfflineBatch);
                var alone = new List<IReadOnlyList<int>>();
                foreach (Golden golden in goldens)
                {
                    alone.Add(await Generate(engine, golden));
                    Compare(golden, alone[^1], $"{model}, {budget} tokens a step, prefix caching {caching}");
                }

                // Each prompt twice, so that with prefix caching some of them start from the blocks of others.
                IReadOnlyList<int>[] together = await Task.WhenAll(goldens.Concat(goldens).Select(golden => Generate(engine, golden)));
                for (int i = 0; i < together.Length; i++)
                {
                    Assert.Equal(alone[i % goldens.Length], together[i]);
                }
            }
        }
    }

    private static async Task<IReadOnlyList<int>> Generate(InferenceEngine engine, Golden golden)
    {
        RequestOutput output = await engine.Submit(new GenerationRequest
        {
            Prompt = Prompt.FromTokens(golden.Prompt),
            Sampling = new SamplingParams { Temperature = 0, MaxTokens = golden.Tokens.Length, IgnoreEos = true, Detokenize = false },
        }).CompleteAsync();
        return output.Outputs[0].TokenIds;
    }

    /// <summary>Equal up to a near tie, after which the two may go on differently.</summary>
    private static void Compare(Golden golden, IReadOnlyList<int> tokens, string where)
    {
        Assert.Equal(golden.Tokens.Length, tokens.Count);
        for (int i = 0; i < tokens.Count; i++)
        {
            if (tokens[i] != golden.Tokens[i])
            {
                Assert.True(golden.Gaps[i] < NearTie, $"{where}: token {i} is {tokens[i]}, reference {golden.Tokens[i]} with a gap of {golden.Gaps[i]}");
                return;
            }
        }
    }

    private static Golden[] Load(string folder)
    {
        using JsonDocument document = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(folder, "golden.json")));
        return [.. document.RootElement.GetProperty("cases").EnumerateArray().Select(row => new Golden(
            [.. row.GetProperty("prompt_token_ids").EnumerateArray().Select(id => id.GetInt32())],
            [.. row.GetProperty("greedy_token_ids").EnumerateArray().Select(id => id.GetInt32())],
            [.. row.GetProperty("greedy_top2_logit_gaps").EnumerateArray().Select(gap => gap.GetDouble())]))];
    }

    private sealed record Golden(int[] Prompt, int[] Tokens, double[] Gaps);
}
