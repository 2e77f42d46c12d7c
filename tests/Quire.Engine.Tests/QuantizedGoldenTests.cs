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
/// Greedy answers of the quantised checkpoints of the shipped model, one by one and all at once, with and without prefix caching. Where
/// the reference's best two tokens are nearer than 0.05, another order of summation may take the other one.
/// </summary>
public class QuantizedGoldenTests
{
    private const double NearTie = 0.05;

    public static TheoryData<string, bool> Cases
    {
        get
        {
            var cases = new TheoryData<string, bool>();
            foreach (string folder in (string[])["quill-awq-int4", "quill-gptq-int4-actorder", "quill-compressed-w4a16", "quill-compressed-w8a8-int8", "quill-fp8-block"])
            {
                cases.Add(folder, true);
                cases.Add(folder, false);
            }

            return cases;
        }
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public async Task A_quantised_checkpoint_gives_the_reference_tokens(string folder, bool prefixCaching)
    {
        string path = Path.Combine(TestModels.Root, "..", "shared", "models", folder);
        Assert.SkipUnless(Directory.Exists(path), $"{path} is not here");
        Golden[] goldens = Load(Path.Combine(path, "golden.json"));
        await using InferenceEngine engine = await TestModels.StartQuillAsync(options => options with { Model = path, EnablePrefixCaching = prefixCaching });
        RequestOutput[] together = await Task.WhenAll(goldens.Select(golden => Generate(engine, golden.Prompt, golden.Tokens.Length)));
        for (int i = 0; i < goldens.Length; i++)
        {
            RequestOutput alone = await Generate(engine, goldens[i].Prompt, goldens[i].Tokens.Length);
            Assert.Equal(alone.Outputs[0].TokenIds, together[i].Outputs[0].TokenIds);
            await Compare(engine, goldens[i], alone.Outputs[0].TokenIds, 0);
        }
    }

    [Theory]
    [InlineData("int8")]
    [InlineData("int4")]
    [InlineData("fp8")]
    public async Task The_shipped_model_quantised_at_load_still_answers(string method)
    {
        await using InferenceEngine engine = await TestModels.StartQuillAsync(options => options with { Quantization = method });
        string path = Path.Combine(TestModels.Root, "tests", "Quire.Engine.Tests", "Data", "quill.json");
        using JsonDocument document = JsonDocument.Parse(File.ReadAllBytes(path));
        int same = 0;
        int all = 0;
        foreach (JsonElement row in document.RootElement.EnumerateArray().Take(12))
        {
            int[] expected = Integers(row.GetProperty("greedy_token_ids"));
            RequestOutput output = await Generate(engine, Integers(row.GetProperty("prompt_token_ids")), expected.Length);
            same += output.Outputs[0].TokenIds.Zip(expected).TakeWhile(pair => pair.First == pair.Second).Count();
            all += expected.Length;
        }

        Assert.True(same > 0.6 * all, $"{same} of {all} tokens are those of the unquantised model");
    }

    private static async Task Compare(InferenceEngine engine, Golden golden, IReadOnlyList<int> tokens, int from)
    {
        for (int i = 0; i < tokens.Count; i++)
        {
            int at = from + i;
            if (tokens[i] == golden.Tokens[at])
            {
                continue;
            }

            Assert.True(golden.Gaps[at] < NearTie, $"token {at} is {tokens[i]}, reference {golden.Tokens[at]} with a gap of {golden.Gaps[at]}");
            if (at + 1 < golden.Tokens.Length)
            {
                RequestOutput rest = await Generate(engine, [.. golden.Prompt, .. golden.Tokens[..(at + 1)]], golden.Tokens.Length - at - 1);
                await Compare(engine, golden, rest.Outputs[0].TokenIds, at + 1);
            }

            return;
        }

        Assert.Equal(golden.Tokens.Length, from + tokens.Count);
    }

    private static Task<RequestOutput> Generate(InferenceEngine engine, int[] prompt, int maxTokens) => engine.Submit(new GenerationRequest
    {
        Prompt = Prompt.FromTokens(prompt),
        Sampling = new SamplingParams { Temperature = 0, MaxTokens = maxTokens },
    }).CompleteAsync();

    private static Golden[] Load(string path)
    {
        using JsonDocument document = JsonDocument.Parse(File.ReadAllBytes(path));
        return [.. document.RootElement.GetProperty("cases").EnumerateArray().Select(row => new Golden(
            Integers(row.GetProperty("prompt_token_ids")),
            Integers(row.GetProperty("greedy_token_ids")),
            [.. row.GetProperty("greedy_top2_logit_gaps").EnumerateArray().Select(gap => gap.GetDouble())]))];
    }

    private static int[] Integers(JsonElement list) => [.. list.EnumerateArray().Select(id => id.GetInt32())];

    private sealed record Golden(int[] Prompt, int[] Tokens, double[] Gaps);
}
