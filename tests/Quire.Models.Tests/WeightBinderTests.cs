using System;
using System.Collections.Generic;
using System.Linq;
using Quire.Models.Config;
using Quire.Models.Tests.Support;
using Quire.Models.Weights;
using Quire.Tensors;
using Quire.Tensors.Reference;

namespace Quire.Models.Tests;

public class WeightBinderTests
{
    [Fact]
    public void Every_missing_unused_and_misshapen_tensor_is_in_one_error()
    {
        DecoderSlots slots = Slots(Configs.TinyLlama());
        var tensors = Tensors(slots);
        tensors.Remove("model.norm.weight");
        tensors.Remove("model.layers.0.mlp.up_proj.weight");
        tensors.Remove("model.layers.1.mlp.up_proj.weight");
        tensors["model.layers.1.mlp.down_proj.weight"] = [20, 24];
        tensors["model.layers.0.self_attn.q_proj.weight"] = [768];
        tensors["model.layers.0.self_attn.q_proj.bias"] = [32];
        tensors["model.layers.2.mlp.up_proj.weight"] = [20, 24];

        string message = Refused(slots, tensors);

        Assert.Contains("missing (3): model.layers.{0-1}.mlp.up_proj.weight, model.norm.weight", message, StringComparison.Ordinal);
        Assert.Contains("model.layers.1.mlp.down_proj.weight has the shape [20, 24] instead of [24, 20]", message, StringComparison.Ordinal);
        Assert.Contains("model.layers.0.self_attn.q_proj.weight has the shape [768] instead of [32, 24]", message, StringComparison.Ordinal);
        Assert.Contains("not used by this architecture (2)", message, StringComparison.Ordinal);
        Assert.Contains("model.layers.0.self_attn.q_proj.bias", message, StringComparison.Ordinal);
        Assert.Contains("model.layers.2.mlp.up_proj.weight", message, StringComparison.Ordinal);
    }

    [Fact]
    public void Frequencies_and_the_copy_of_a_tied_head_are_ignored()
    {
        DecoderSlots slots = Slots(Configs.TinyLlama(""" "tie_word_embeddings": true, """));
        var tensors = Tensors(slots);
        Assert.DoesNotContain("lm_head.weight", tensors.Keys);
        tensors["lm_head.weight"] = [19, 24];
        tensors["model.layers.0.self_attn.rotary_emb.inv_freq"] = [4];
        using var host = new HostMemory();
        using var source = new FakeSource(tensors, "F32");
        _ = new WeightBinder(slots, source, DType.F32, host, null);
    }

    [Fact]
    public void A_prefix_that_some_checkpoints_leave_out_may_be_left_out_and_masks_are_ignored()
    {
        DecoderSlots slots = Slots("""{"architectures": ["GPT2LMHeadModel"], "vocab_size": 9, "n_embd": 8, "n_head": 2, "n_layer": 2}""");
        var tensors = Tensors(slots).ToDictionary(pair => pair.Key.Replace("transformer.", "", StringComparison.Ordinal), pair => pair.Value);
        tensors["h.0.attn.bias"] = [1, 1, 1024, 1024];
        tensors["h.1.attn.masked_bias"] = [];
        using var host = new HostMemory();
        using var source = new FakeSource(tensors, "F32");
        _ = new WeightBinder(slots, source, DType.F32, host, null);
        tensors.Remove("h.1.attn.c_attn.bias");
        Assert.Contains("missing (1): transformer.h.1.attn.c_attn.bias", Refused(slots, tensors), StringComparison.Ordinal);
    }

    [Fact]
    public void A_head_that_is_not_tied_must_be_there()
    {
        DecoderSlots slots = Slots(Configs.TinyLlama());
        var tensors = Tensors(slots);
        tensors.Remove("lm_head.weight");
        Assert.Contains("missing (1): lm_head.weight", Refused(slots, tensors), StringComparison.Ordinal);
    }

    [Fact]
    public void A_type_that_nobody_computes_with_is_named()
    {
        DecoderSlots slots = Slots(Configs.TinyLlama());
        using var host = new HostMemory();
        using var source = new FakeSource(Tensors(slots), "I16");
        var error = Assert.Throws<CheckpointException>(() => new WeightBinder(slots, source, DType.F32, host, null));
        Assert.Contains("model.norm.weight has the type I16", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Progress_ends_at_the_total()
    {
        var reports = new List<LoadProgress>();
        using var backend = new ReferenceBackend();
        var options = new ModelOptions { LoadFormat = LoadFormat.Dummy, MaxBatchedTokens = 4, MaxLogitRows = 2 };
        HfConfig config = HfConfig.Parse(Configs.TinyLlama());
        using DecoderModel model = DecoderModel.Load(config, "", backend, options, new Recorder(reports));

        Assert.Equal(reports.Count, new DecoderSlots(ArchitectureRegistry.Define(config, DType.BF16)).All().Count());
        Assert.Equal(reports[^1].BytesTotal, reports[^1].BytesDone);
        Assert.Equal(ModelMemory.From(config).WeightBytes, reports[^1].BytesTotal);
    }

    [Theory]
    [InlineData(DType.F32, DType.BF16)]
    [InlineData(DType.BF16, DType.F32)]
    [InlineData(DType.F32, DType.F16)]
    [InlineData(DType.F16, DType.F32)]
    [InlineData(DType.BF16, DType.F16)]
    [InlineData(DType.F16, DType.BF16)]
    public void Matrices_are_converted_with_rounding_to_nearest(DType from, DType to)
    {
        using var host = new HostMemory();
        Tensor source = host.Allocate(from, 3, 5);
        var random = new Random(7);
        for (int i = 0; i < 15; i++)
        {
            Elements.Store(source, i / 5, i % 5, (float)(random.NextDouble() * 4 - 2));
        }

        HostMatrix converted = HostConversion.Convert(new HostMatrix(source.Data, from, 3, 5), to, host);

        for (int i = 0; i < 15; i++)
        {
            float value = Elements.Load(source.Data, from, i);
            float expected = to switch
            {
                DType.F16 => (float)(Half)value,
                DType.BF16 => FloatConversions.BFloat16ToSingle(FloatConversions.SingleToBFloat16(value)),
                _ => value,
            };
            Assert.Equal(expected, Elements.Load(converted.Data, to, i));
        }
    }

    [Fact]
    public void Names_that_differ_in_their_layer_share_an_entry()
    {
        string text = NameGroups.Describe(["a.0.x", "a.1.x", "a.3.x", "b", "a.2.y", "c.7", "b.w"]);
        Assert.Equal("a.{0-1,3}.x, b, a.2.y, c.7, b.w", text);
    }

    private static DecoderSlots Slots(string config) => new(ArchitectureRegistry.Define(HfConfig.Parse(config), DType.F32));

    private static Dictionary<string, long[]> Tensors(DecoderSlots slots) => slots.All().ToDictionary(slot => slot.Name, slot => slot.Shape.ToArray());

    private static string Refused(DecoderSlots slots, Dictionary<string, long[]> tensors)
    {
        using var host = new HostMemory();
        using var source = new FakeSource(tensors, "F32");
        var error = Assert.Throws<CheckpointException>(() => new WeightBinder(slots, source, DType.F32, host, null));
        Assert.Equal(CheckpointProblem.WeightMismatch, error.Problem);
        return error.Message;
    }

    /// <summary>Tensors with shapes and no data.</summary>
    private sealed class FakeSource(Dictionary<string, long[]> tensors, string type) : IWeightSource
    {
        public IReadOnlyCollection<string> Names => tensors.Keys;

        public WeightTensor? Find(string name) =>
            tensors.TryGetValue(name, out long[]? shape) ? new WeightTensor(name, type, SafetensorsTypes.ToDType(type), shape, 0, 0) : null;

        public void Dispose()
        {
        }
    }

    private sealed class Recorder(List<LoadProgress> reports) : IProgress<LoadProgress>
    {
        public void Report(LoadProgress value) => reports.Add(value);
    }
}
