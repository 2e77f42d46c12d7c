using System;
using System.Collections.Generic;
using System.Linq;
using Quire.Models.Config;
using Quire.Models.Lora;
using Quire.Models.Tests.Support;
using Quire.Models.Weights;
using Quire.Tensors;

namespace Quire.Models.Tests;

/// <summary>Adapters beside each other in one step, against a textbook model into whose weights they were merged.</summary>
public class LoraModelTests
{
    private const string Config = """
        {
          "architectures": ["LlamaForCausalLM"], "model_type": "llama", "dtype": "float32", "vocab_size": 19, "hidden_size": 24,
          "intermediate_size": 20, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8,
          "max_position_embeddings": 64, "rms_norm_eps": 1e-5, "tie_word_embeddings": true
        }
        """;

    private static readonly NaiveShape Shape = new(24, 20, 2, 4, 2, 8, 8, 10_000, 1e-5, true);

    [Theory]
    [InlineData(Backends.Reference, "float32", 1e-4)]
    [InlineData(Backends.Cpu, "float32", 1e-4)]
    [InlineData(Backends.Cpu, "bfloat16", 0.05)]
    [InlineData(Backends.Cpu, "float16", 0.005)]
    public void Adapters_in_one_step_give_what_merged_weights_give(string backendName, string loraType, double tolerance)
    {
        var random = new Random(11);
        Dictionary<string, (int[] Shape, float[] Values)> weights = RandomWeights(random);
        using var folder = new TemporaryFolder();
        using IBackend backend = Backends.Create(backendName);
        using DecoderModel model = Load(folder, weights, backend, new LoraOptions(2, 8, loraType));
        Dictionary<string, Factors>[] adapters = [Some(random, 4, _ => true), Some(random, 3, name => name.Contains("v_proj") || name.Contains("up_proj"))];
        double[] alphas = [8, 3];
        using var first = new AdapterFolder();
        using var second = new AdapterFolder();
        LoraAdapter[] loaded =
        [
            Read(model, first.Write(AdapterFolder.Config(4, alphas[0]), adapters[0])),
            Read(model, second.Write(AdapterFolder.Config(3, alphas[1]), adapters[1])),
        ];

        // The other way round in the second pass: a slot forgets what it held.
        foreach (int[] slotOf in new int[][] { [0, 1], [1, 0] })
        {
            model.Lora!.Write(slotOf[0], loaded[0]);
            model.Lora.Write(slotOf[1], loaded[1]);
            int[] prompt = [.. Enumerable.Range(0, 12).Select(i => (i * 5 + slotOf[0]) % 19)];
            var driver = new ModelDriver(backend, model, sequences: 3);
            DrivenSequence[] sequences = [driver.NewSequence(), driver.NewSequence(), driver.NewSequence()];
            float[][] logits = driver.StepForAllRows(
                new Chunk(sequences[0], prompt, slotOf[0]), new Chunk(sequences[1], prompt), new Chunk(sequences[2], prompt, slotOf[1]));
            Compare(Merge(weights, adapters[0], alphas[0] / 4), prompt, logits[..12], tolerance);
            Compare(weights, prompt, logits[12..24], tolerance);
            Compare(Merge(weights, adapters[1], alphas[1] / 3), prompt, logits[24..], tolerance);
        }
    }

    [Fact]
    public void A_step_with_adapters_allocates_nothing()
    {
        using var folder = new TemporaryFolder();
        using IBackend backend = Backends.Create(Backends.Cpu);
        var random = new Random(3);
        using DecoderModel model = Load(folder, RandomWeights(random), backend, new LoraOptions(1, 8));
        using var adapter = new AdapterFolder();
        model.Lora!.Write(0, Read(model, adapter.Write(AdapterFolder.Config(4, 8), Some(random, 4, _ => true))));
        var driver = new ModelDriver(backend, model);
        driver.Step(new Chunk(driver.NewSequence(), [1, 2, 3], 0), new Chunk(driver.NewSequence(), [4]));
        driver.Repeat();
        driver.Repeat();
        long before = GC.GetAllocatedBytesForCurrentThread();
        driver.Repeat();
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    [Fact]
    public void The_memory_plan_counts_the_slots_exactly()
    {
        using var backend = new NullBackend();
        using var folder = new TemporaryFolder();
        folder.Write(HfConfig.FileName, Config);
        var options = new ModelOptions { LoadFormat = LoadFormat.Dummy, MaxBatchedTokens = 4, MaxLogitRows = 1 };
        HfConfig config = HfConfig.Load(folder.Path);
        using DecoderModel plain = DecoderModel.Load(config, folder.Path, backend, options);
        long without = backend.AllocatedBytes;
        var lora = new LoraOptions(3, 16);
        using DecoderModel model = DecoderModel.Load(config, folder.Path, backend, options with { Lora = lora });
        Assert.Equal(ModelMemory.From(config).LoraBytes(lora, backend.ActivationType), backend.AllocatedBytes - 2 * without);
    }

    private static LoraAdapter Read(DecoderModel model, AdapterFolder folder) =>
        LoraAdapterReader.Load(folder.Path, model.Lora!.Targets, model.Lora.MaxRank, model.Lora.Type);

    private static DecoderModel Load(TemporaryFolder folder, Dictionary<string, (int[] Shape, float[] Values)> weights, IBackend backend, LoraOptions lora)
    {
        folder.Write(HfConfig.FileName, Config);
        folder.Write(CheckpointFiles.SingleFileName, SafetensorsBytes.Floats(weights.Select(pair => (pair.Key, pair.Value.Shape, pair.Value.Values))));
        return DecoderModel.Load(folder.Path, backend, new ModelOptions { DType = "float32", MaxBatchedTokens = 40, MaxLogitRows = 7, Lora = lora });
    }

    private static void Compare(Dictionary<string, (int[] Shape, float[] Values)> weights, int[] prompt, float[][] actual, double tolerance)
    {
        double[][] expected = new NaiveLlama(Shape, weights).Logits(prompt);
        for (int i = 0; i < prompt.Length; i++)
        {
            double worst = expected[i].Zip(actual[i], (a, b) => Math.Abs(a - b)).Max();
            Assert.True(worst < tolerance, $"position {i} is off by {worst}");
        }
    }

    private static Dictionary<string, Factors> Some(Random random, int rank, Func<string, bool> choose)
    {
        var factors = new Dictionary<string, Factors>();
        foreach (TensorSlot slot in Slots().All().Where(slot => slot.Role == WeightRole.Linear))
        {
            string module = slot.Name[..^".weight".Length];
            if (choose(module))
            {
                factors.Add(module, Factors.Create(random, rank, slot.Columns, slot.Rows));
            }
        }

        return factors;
    }

    private static Dictionary<string, (int[] Shape, float[] Values)> Merge(
        Dictionary<string, (int[] Shape, float[] Values)> weights, Dictionary<string, Factors> adapter, double scale)
    {
        var merged = new Dictionary<string, (int[] Shape, float[] Values)>(weights);
        foreach ((string module, Factors f) in adapter)
        {
            float[] values = [.. weights[module + ".weight"].Values];
            for (int row = 0; row < f.Out; row++)
            {
                for (int column = 0; column < f.In; column++)
                {
                    double sum = Enumerable.Range(0, f.Rank).Sum(r => (double)f.B[row * f.Rank + r] * f.A[r * f.In + column]);
                    values[row * f.In + column] += (float)(scale * sum);
                }
            }

            merged[module + ".weight"] = (weights[module + ".weight"].Shape, values);
        }

        return merged;
    }

    private static Dictionary<string, (int[] Shape, float[] Values)> RandomWeights(Random random) => Slots().All().ToDictionary(
        slot => slot.Name,
        slot => (slot.Shape.Select(size => (int)size).ToArray(),
            Enumerable.Range(0, (int)slot.ElementCount).Select(_ => (float)((random.NextDouble() - 0.5) * (slot.IsVector ? 2 : 0.6))).ToArray()));

    private static DecoderSlots Slots() => new(ArchitectureRegistry.Define(HfConfig.Parse(Config), DType.F32));
}
