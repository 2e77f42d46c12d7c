using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Text.Json;
using System.Threading.Tasks;
using Quire.Core.Requests;
using Quire.Engine.Intake;
using Quire.Engine.Streaming;

namespace Quire.Engine.Tests;

/// <summary>
/// Two adapters and the model as it is in one engine, against what transformers answers with each adapter merged into the weights. As in
/// <see cref="QuillGoldenTests"/>, where the best two tokens are nearer than 0.05 either one is right and the rest is compared from there.
/// </summary>
public class LoraGoldenTests
{
    private const double NearTie = 0.05;

    private static readonly Golden[] Goldens = [.. Load("shout"), .. Load("boxed"), .. Load(null)];

    private static readonly Dictionary<string, Func<EngineOptions, EngineOptions>> Settings = new()
    {
        ["both adapters in a batch"] = options => options with { MaxLoras = 2 },
        ["both adapters, no prefix caching"] = options => options with { MaxLoras = 2, EnablePrefixCaching = false },
        ["one slot for two adapters"] = options => options with { MaxLoras = 1 },
        ["one slot, chunks of 16 tokens"] = options => options with { MaxLoras = 1, MaxNumBatchedTokens = 16, MaxNumSeqs = 8 },
        ["more slots than adapters, a larger rank"] = options => options with { MaxLoras = 5, MaxLoraRank = 64 },
        ["requests give way"] = options => Tiny(options) with { MaxLoras = 2 },
        ["requests give way, no prefix caching, one slot"] = options => Tiny(options) with { MaxLoras = 1, EnablePrefixCaching = false },
    };

    public static TheoryData<string> Configurations => new(Settings.Keys);

    [Theory]
    [MemberData(nameof(Configurations))]
    public async Task Adapters_and_the_model_itself_answer_as_if_each_were_alone(string configuration)
    {
        await using InferenceEngine engine = await StartAsync(Settings[configuration]);

        // Twice, so that the second round finds prefixes of the first; the order mixes the adapters.
        for (int round = engine.Options.EnablePrefixCaching ? 0 : 1; round < 2; round++)
        {
            Golden[] mixed = [.. Goldens.OrderBy(golden => golden.Prompt.Length)];
            RequestOutput[] outputs = await Task.WhenAll(mixed.Select(golden => Generate(engine, golden, golden.Prompt, golden.Tokens.Length)));
            for (int i = 0; i < outputs.Length; i++)
            {
                await Compare(engine, mixed[i], outputs[i].Outputs[0].TokenIds, 0);
            }
        }

        if (configuration.StartsWith("requests give way", StringComparison.Ordinal))
        {
            Assert.True(engine.Metrics.Preemptions.Value > 0, "the cache was not small enough to force a preemption");
        }

        Assert.Empty(engine.Loras!.Active(running: true));
        Assert.Empty(engine.Loras.Active(running: false));
    }

    [Fact]
    public async Task Adapters_give_other_answers_than_the_model()
    {
        await using InferenceEngine engine = await StartAsync(options => options with { MaxLoras = 2 });
        Golden golden = Goldens[1];
        string plain = (await Generate(engine, golden with { Lora = null }, golden.Prompt, 20)).Outputs[0].Text;
        string shout = (await Generate(engine, golden with { Lora = "shout" }, golden.Prompt, 20)).Outputs[0].Text;
        string boxed = (await Generate(engine, golden with { Lora = "boxed" }, golden.Prompt, 20)).Outputs[0].Text;
        Assert.Equal(shout.ToUpperInvariant(), shout);
        Assert.NotEqual(plain, shout);
        Assert.StartsWith("{\"answer\":", boxed.Replace(" ", "", StringComparison.Ordinal), StringComparison.Ordinal);
    }

    private static Task<InferenceEngine> StartAsync(Func<EngineOptions, EngineOptions> configure) => TestModels.StartQuillAsync(options => configure(options with
    {
        EnableLora = true,
        LoraModules = [$"shout={TestModels.Adapter("shout")}", $"{{\"name\": \"boxed\", \"path\": {JsonSerializer.Serialize(TestModels.Adapter("boxed"))}}}"],
    }));

    private static async Task Compare(InferenceEngine engine, Golden golden, IReadOnlyList<int> tokens, int from)
    {
        for (int i = 0; i < tokens.Count; i++)
        {
            int at = from + i;
            if (tokens[i] == golden.Tokens[at])
            {
                continue;
            }

            Assert.True(golden.Gaps[at] < NearTie, $"{golden.Lora} '{golden.Text}': token {at} is {tokens[i]}, reference {golden.Tokens[at]} with a gap of {golden.Gaps[at]}");
            if (at + 1 < golden.Tokens.Length)
            {
                RequestOutput rest = await Generate(engine, golden, [.. golden.Prompt, .. golden.Tokens[..(at + 1)]], golden.Tokens.Length - at - 1);
                await Compare(engine, golden, rest.Outputs[0].TokenIds, at + 1);
            }

            return;
        }

        Assert.Equal(golden.Tokens.Length, from + tokens.Count);
    }

    private static Task<RequestOutput> Generate(InferenceEngine engine, Golden golden, int[] prompt, int maxTokens) => engine.Submit(new GenerationRequest
    {
        Prompt = Prompt.FromTokens(prompt),
        Sampling = new SamplingParams { Temperature = 0, MaxTokens = maxTokens },
        Lora = golden.Lora,
    }).CompleteAsync();

    private static EngineOptions Tiny(EngineOptions options) =>
        options with { KvCacheMemoryBytes = null, NumGpuBlocksOverride = 20, MaxModelLen = 256, MaxNumBatchedTokens = 128, MaxNumSeqs = 16 };

    /// <summary>The goldens of an adapter, or some short ones of the model alone.</summary>
    private static IEnumerable<Golden> Load(string? lora)
    {
        string path = lora is null ? TestModels.Data("quill.json") : Path.Combine(TestModels.Adapter(lora), "golden.json");
        using JsonDocument document = JsonDocument.Parse(File.ReadAllBytes(path));
        Golden[] all = [.. document.RootElement.EnumerateArray().Select(row => new Golden(
            lora,
            row.GetProperty("text").GetString()!,
            [.. row.GetProperty("prompt_token_ids").EnumerateArray().Select(id => id.GetInt32())],
            [.. row.GetProperty("greedy_token_ids").EnumerateArray().Select(id => id.GetInt32())],
            [.. row.GetProperty("greedy_top2_logit_gaps").EnumerateArray().Select(gap => gap.GetDouble())]))];
        return lora is null ? all.OrderBy(golden => golden.Prompt.Length).Take(6) : all;
    }

    private sealed record Golden(string? Lora, string Text, int[] Prompt, int[] Tokens, double[] Gaps);
}
