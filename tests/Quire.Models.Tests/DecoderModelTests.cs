using System;
using System.Collections.Generic;
using System.Linq;
using Quire.Models.Config;
using Quire.Models.Tests.Support;
using Quire.Models.Weights;
using Quire.Tensors;

namespace Quire.Models.Tests;

public class DecoderModelTests
{
    private const int PromptLength = 40;

    [Theory]
    [InlineData(4, 4, 6, false, false, false, 1.0, Backends.Reference)]
    [InlineData(4, 4, 6, false, false, false, 1.0, Backends.Cpu)]
    [InlineData(4, 2, 8, false, false, false, 1.0, Backends.Reference)]
    [InlineData(4, 2, 8, false, false, false, 1.0, Backends.Cpu)]
    [InlineData(4, 1, 8, true, false, false, 1.0, Backends.Reference)]
    [InlineData(4, 1, 8, true, false, false, 1.0, Backends.Cpu)]
    [InlineData(3, 3, 8, true, true, true, 1.0, Backends.Reference)]
    [InlineData(3, 3, 8, true, true, true, 1.0, Backends.Cpu)]
    [InlineData(6, 2, 4, false, true, true, 0.5, Backends.Reference)]
    [InlineData(6, 2, 4, false, true, true, 0.5, Backends.Cpu)]
    public void Multi_head_grouped_and_multi_query_attention_with_and_without_biases_match_the_textbook(
        int heads, int kvHeads, int headDim, bool attentionBias, bool mlpBias, bool tied, double partial, string backendName)
    {
        string keys = FormattableString.Invariant(
            $"\"attention_bias\": {Lower(attentionBias)}, \"mlp_bias\": {Lower(mlpBias)}, \"tie_word_embeddings\": {Lower(tied)}, \"partial_rotary_factor\": {partial},");
        string json = Configs.TinyLlama(keys, heads, kvHeads, headDim);
        var weights = RandomWeights(json, seed: heads * 100 + kvHeads);
        using var folder = new TemporaryFolder();
        folder.Write(HfConfig.FileName, json);
        folder.Write(CheckpointFiles.SingleFileName, SafetensorsBytes.Floats(weights.Select(pair => (pair.Key, pair.Value.Shape, pair.Value.Values))));
        using IBackend backend = Backends.Create(backendName);
        using DecoderModel model = DecoderModel.Load(
            folder.Path, backend, new ModelOptions { DType = "float32", MaxBatchedTokens = PromptLength, MaxLogitRows = 7 });
        int[] prompt = [.. Enumerable.Range(0, PromptLength).Select(i => (i * 7 + 3) % 19)];
        var naive = new NaiveLlama(new NaiveShape(24, 20, 2, heads, kvHeads, headDim, (int)(headDim * partial), 10_000, 1e-5, tied), weights);

        var driver = new ModelDriver(backend, model);
        float[][] actual = driver.StepForAllRows(new Chunk(driver.NewSequence(), prompt));

        double[][] expected = naive.Logits(prompt);
        for (int i = 0; i < prompt.Length; i++)
        {
            double worst = expected[i].Zip(actual[i], (a, b) => Math.Abs(a - b)).Max();
            Assert.True(worst < 1e-5, $"position {i} is off by {worst}");
        }
    }

    [Theory]
    [InlineData(1, Backends.Reference)]
    [InlineData(29, Backends.Reference)]
    [InlineData(1, Backends.Cpu)]
    [InlineData(3, Backends.Cpu)]
    [InlineData(16, Backends.Cpu)]
    [InlineData(29, Backends.Cpu)]
    public void A_prompt_gives_the_same_logits_in_chunks_of_any_size(int size, string backendName)
    {
        using IBackend backend = Backends.Create(backendName);
        using DecoderModel model = GoldenChecks.Load(TestFolders.Data("llama"), backend);
        int[] prompt = Prompt(PromptLength, 1);
        var driver = new ModelDriver(backend, model);
        float[] whole = driver.Step(new Chunk(driver.NewSequence(), prompt))[0];
        DrivenSequence sequence = driver.NewSequence();
        float[] last = [];
        foreach (int[] piece in prompt.Chunk(size))
        {
            last = driver.Step(new Chunk(sequence, piece))[0];
        }

        Assert.Equal(whole, last);
    }

    [Theory]
    [InlineData(Backends.Reference)]
    [InlineData(Backends.Cpu)]
    public void Sequences_in_one_step_do_not_see_each_other(string backendName)
    {
        using IBackend backend = Backends.Create(backendName);
        using DecoderModel model = GoldenChecks.Load(TestFolders.Data("llama-rope3"), backend);
        int[] first = Prompt(33, 2);
        int[] second = Prompt(21, 3);
        var driver = new ModelDriver(backend, model, sequences: 4);
        float[] firstAlone = driver.Step(new Chunk(driver.NewSequence(), first))[0];
        float[] secondAlone = driver.Step(new Chunk(driver.NewSequence(), second))[0];

        DrivenSequence a = driver.NewSequence();
        DrivenSequence b = driver.NewSequence();
        driver.Step(new Chunk(a, first[..17]));
        driver.Step(new Chunk(b, second[..20]), new Chunk(a, first[17..32]));
        float[][] together = driver.Step(new Chunk(a, first[32..]), new Chunk(b, second[20..]));

        Assert.Equal(firstAlone, together[0]);
        Assert.Equal(secondAlone, together[1]);
    }

    [Theory]
    [InlineData(null)]
    [InlineData(Backends.Cpu)]
    public void A_step_allocates_no_managed_memory(string? backendName)
    {
        using IBackend backend = backendName is null ? new NullBackend() : Backends.Create(backendName);
        using DecoderModel model = DecoderModel.Load(TestFolders.Data("llama"), backend, new ModelOptions { MaxBatchedTokens = 64, MaxLogitRows = 4 });
        var driver = new ModelDriver(backend, model);
        driver.Step(new Chunk(driver.NewSequence(), Prompt(20, 4)));
        driver.Repeat();
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 100; i++)
        {
            driver.Repeat();
        }

        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    [Theory]
    [InlineData("int8")]
    [InlineData("int4")]
    public void A_backend_that_expands_quantised_weights_needs_the_room_of_the_whole_ones(string quantization)
    {
        HfConfig config = HfConfig.Load(TestFolders.Quill);
        long whole = ModelMemory.From(config).WeightBytes;
        Assert.True(ModelMemory.From(config, quantization: quantization).WeightBytes < whole);
        Assert.Equal(whole, ModelMemory.From(config, quantization: quantization, expands: true).WeightBytes);
    }

    [Fact]
    public void The_memory_plan_counts_what_the_model_allocates()
    {
        HfConfig config = HfConfig.Load(TestFolders.Quill);
        var memory = ModelMemory.From(config);
        using var backend = new NullBackend();
        using DecoderModel model = DecoderModel.Load(TestFolders.Quill, backend, new ModelOptions { MaxBatchedTokens = 100, MaxLogitRows = 9 });
        Assert.Equal(backend.AllocatedBytes, memory.ActivationBytes(DType.BF16, 100, 9));

        using CheckpointFiles files = CheckpointFiles.Open(TestFolders.Quill);
        Assert.Equal(files.Names.Sum(name => files.Find(name)!.SizeInBytes), memory.WeightBytes);
        Assert.Equal(15_735_168, memory.ParameterCount);
        Assert.Equal(15_735_168 - 17 * 384, memory.MatrixParameterCount);
        Assert.Equal(model.KvCacheShape(16, 10, DType.BF16).SizeInBytes, memory.KvBytesPerToken(DType.BF16) * 160);
        Assert.Equal(4096 * 64 * 4, memory.RopeTableBytes(4096));
        Assert.Equal("LlamaForCausalLM, 15.7 M parameters in bfloat16, 8 layers of 384, 6 heads (2 KV) of 64, vocabulary 8192", memory.Summary);
    }

    [Fact]
    public void Float32_converts_the_weights_without_changing_what_is_computed()
    {
        int[] prompt = Prompt(12, 5);
        float[][] logits = new float[2][];
        for (int i = 0; i < 2; i++)
        {
            using IBackend backend = Backends.Create(Backends.Reference);
            using DecoderModel model = GoldenChecks.Load(TestFolders.Data("llama"), backend, i == 0 ? "auto" : "float32");
            Assert.Equal(i == 0 ? DType.BF16 : DType.F32, model.WeightType);
            var driver = new ModelDriver(backend, model);
            logits[i] = driver.Step(new Chunk(driver.NewSequence(), prompt))[0];
        }

        Assert.Equal(logits[0], logits[1]);
    }

    private static int[] Prompt(int length, int seed)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, length).Select(_ => random.Next(1000))];
    }

    private static string Lower(bool value) => value ? "true" : "false";

    private static Dictionary<string, (int[] Shape, float[] Values)> RandomWeights(string json, int seed)
    {
        var random = new Random(seed);
        var weights = new Dictionary<string, (int[] Shape, float[] Values)>();
        foreach (TensorSlot slot in new DecoderSlots(ArchitectureRegistry.Define(HfConfig.Parse(json), DType.F32)).All())
        {
            var values = new float[slot.ElementCount];
            for (int i = 0; i < values.Length; i++)
            {
                values[i] = (float)(random.NextDouble() - 0.5) + (slot.Role == WeightRole.NormWeight ? 1 : 0);
            }

            weights[slot.Name] = ([.. slot.Shape.Select(dimension => (int)dimension)], values);
        }

        return weights;
    }
}
