using System;
using System.Linq;
using Quire.Models.Config;
using Quire.Models.Tests.Support;
using Quire.Models.Weights;
using Quire.Tensors;
using Quire.Tensors.Reference;

namespace Quire.Models.Tests;

public class DummyWeightsTests
{
    private const string Config = """
        {"architectures": ["LlamaForCausalLM"], "vocab_size": 300, "hidden_size": 128, "intermediate_size": 256, "num_hidden_layers": 12,
         "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 64, "mlp_bias": true}
        """;

    [Theory]
    [InlineData(DType.BF16)]
    [InlineData(DType.F16)]
    [InlineData(DType.F32)]
    public void Matrices_are_uniform_around_zero_with_a_deviation_of_one_over_the_root_of_their_columns(DType type)
    {
        DecoderSlots slots = Slots();
        using var weights = new DummyWeights(slots, type, 1, 42);
        foreach (TensorSlot slot in slots.All())
        {
            float[] values = Values(weights, slot);
            switch (slot.Role)
            {
                case WeightRole.NormWeight:
                    Assert.All(values, value => Assert.Equal(1, value));
                    break;
                case WeightRole.Bias:
                    Assert.All(values, value => Assert.Equal(0, value));
                    break;
                default:
                    // Five standard errors of the mean and of the variance of a uniform variable.
                    double expected = 1.0 / slot.Columns;
                    double mean = values.Average(value => (double)value);
                    double variance = values.Average(value => (double)value * value);
                    Assert.True(Math.Abs(mean) < 5 * Math.Sqrt(expected / values.Length) + 0.01 * Math.Sqrt(expected), $"{slot.Name}: mean {mean}");
                    Assert.True(Math.Abs(variance / expected - 1) < 5 * Math.Sqrt(0.8 / values.Length) + 0.02, $"{slot.Name}: variance {variance}");
                    Assert.True(values.Max(Math.Abs) <= Math.Sqrt(3 * expected) * 1.01);
                    break;
            }
        }
    }

    [Fact]
    public void The_same_seed_gives_the_same_weights_and_another_seed_others()
    {
        DecoderSlots slots = Slots();
        using var first = new DummyWeights(slots, DType.BF16, 1, 1);
        using var again = new DummyWeights(slots, DType.BF16, 1, 1);
        using var other = new DummyWeights(slots, DType.BF16, 1, 2);
        LinearSlot qkv = slots.Layers[0].Qkv;
        Assert.Equal(Values(first, qkv.Parts[0]), Values(again, qkv.Parts[0]));
        Assert.NotEqual(Values(first, qkv.Parts[0]), Values(other, qkv.Parts[0]));
        Assert.NotEqual(Values(first, qkv.Parts[1]), Values(first, qkv.Parts[2]));
    }

    [Fact]
    public void Activations_stay_sane_through_many_layers()
    {
        using var backend = new ReferenceBackend();
        var options = new ModelOptions { LoadFormat = LoadFormat.Dummy, MaxBatchedTokens = 32, MaxLogitRows = 32, Seed = 3 };
        using DecoderModel model = DecoderModel.Load(HfConfig.Parse(Config), "", backend, options);
        var driver = new ModelDriver(backend, model);
        float[][] logits = driver.StepForAllRows(new Chunk(driver.NewSequence(), [.. Enumerable.Range(0, 32).Select(i => i * 9 % 300)]));
        foreach (float[] row in logits)
        {
            double deviation = Math.Sqrt(row.Average(value => (double)value * value));
            Assert.InRange(deviation, 0.3, 3);
        }

        // Not all positions may predict the same token, or benchmarks would measure a degenerate model.
        Assert.True(logits.Select(Logits.ArgMax).Distinct().Count() > 8);
    }

    private static DecoderSlots Slots() => new(ArchitectureRegistry.Define(HfConfig.Parse(Config), DType.BF16));

    private static float[] Values(DummyWeights weights, TensorSlot slot)
    {
        WeightTensor tensor = weights.Find(slot.Name)!;
        var values = new float[slot.ElementCount];
        for (int i = 0; i < values.Length; i++)
        {
            values[i] = Elements.Load(tensor.Data, tensor.Type!.Value, i);
        }

        return values;
    }
}
