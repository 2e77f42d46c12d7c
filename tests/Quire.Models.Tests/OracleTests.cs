using System;
using System.Linq;
using System.Text.Json.Nodes;
using Quire.Models.Config;
using Quire.Models.Tests.Support;
using Quire.Models.Weights;
using Quire.Tensors;

namespace Quire.Models.Tests;

/// <summary>Random models of every family against an independent decoder in plain loops: other shapes and keys than the recorded ones.</summary>
public class OracleTests
{
    private const int PromptLength = 21;
    private const int Seeds = 8;

    public static TheoryData<string> Families => new(RandomConfigs.Classes.Keys);

    [Theory]
    [MemberData(nameof(Families))]
    public void Random_models_of_a_family_compute_what_its_definition_says(string family)
    {
        for (int seed = 0; seed < Seeds; seed++)
        {
            JsonObject config = new RandomConfigs(family, seed).Make();
            config["architectures"] = new JsonArray(RandomConfigs.Classes[family]);
            Compare(family, config, seed, prefix: "");
        }
    }

    [Theory]
    [InlineData("language_model.")]
    [InlineData("model.language_")]
    public void The_language_model_of_a_multimodal_wrapper_is_found(string prefix)
    {
        JsonObject text = new RandomConfigs("gemma3", 1).Make();
        text["model_type"] = "gemma3_text";
        var config = new JsonObject
        {
            ["architectures"] = new JsonArray("Gemma3ForConditionalGeneration"),
            ["model_type"] = "gemma3",
            ["text_config"] = text,
            ["vision_config"] = new JsonObject { ["hidden_size"] = 8 },
        };
        Compare("gemma3", config, 1, prefix);
    }

    private static void Compare(string family, JsonObject config, int seed, string prefix)
    {
        // As it will be read: parsed numbers are whatever number they are asked for.
        config = JsonNode.Parse(config.ToJsonString())!.AsObject();
        int maxModelLength = seed % 2 == 0 ? 64 : 24;
        JsonObject text = config["text_config"] as JsonObject ?? config;
        var oracle = new OracleDecoder(family, text, seed, maxModelLength) { Prefix = prefix };
        int vocabulary = text["vocab_size"]!.GetValue<int>();
        int[] prompt = [.. Enumerable.Range(0, PromptLength).Select(i => (i * 7 + seed) % vocabulary)];
        double[][] expected = oracle.Logits(prompt);
        string where = $"{family}, seed {seed}: {config.ToJsonString()}";
        try
        {
            float[][] actual = Run(config.ToJsonString(), oracle, prompt, maxModelLength, pictures: prefix.Length > 0);
            double range = expected.Max(row => row.Max()) - expected.Min(row => row.Min());
            for (int i = 0; i < prompt.Length; i++)
            {
                double worst = expected[i].Zip(actual[i], (a, b) => Math.Abs(a - b)).Max();
                Assert.True(worst < 2e-5 * range, $"{where}: position {i} is off by {worst}, the range is {range}");
            }
        }
        catch (CheckpointException exception)
        {
            Assert.Fail($"{where}: {exception.Message}");
        }
    }

    private static float[][] Run(string json, OracleDecoder oracle, int[] prompt, int maxModelLength, bool pictures)
    {
        using var folder = new TemporaryFolder();
        folder.Write(HfConfig.FileName, json);
        var tensors = oracle.Tensors.Select(pair => (pair.Key, pair.Value.Shape, pair.Value.Values)).ToList();
        if (pictures)
        {
            tensors.Add(("vision_tower.patch.weight", [2], [1, 2]));
        }

        folder.Write(CheckpointFiles.SingleFileName, SafetensorsBytes.Floats(tensors));
        using IBackend backend = Backends.Create(Backends.Cpu);
        using DecoderModel model = DecoderModel.Load(
            folder.Path, backend, new ModelOptions { DType = "float32", MaxBatchedTokens = 16, MaxLogitRows = 7, MaxModelLength = maxModelLength });
        var driver = new ModelDriver(backend, model);
        DrivenSequence sequence = driver.NewSequence();

        // In two chunks, the second of which reads what the first stored.
        return [.. driver.StepForAllRows(new Chunk(sequence, prompt[..13])), .. driver.StepForAllRows(new Chunk(sequence, prompt[13..]))];
    }
}
