using System;
using System.Collections.Generic;
using System.Linq;
using Quire.Models.Config;
using Quire.Models.Tests.Support;
using Quire.Models.Weights;
using Quire.Tensors;

namespace Quire.Models.Tests;

public class KvScaleTests
{
    [Fact]
    public void Scales_of_the_checkpoint_reach_the_layers_of_an_FP8_cache()
    {
        using IBackend backend = Backends.Create(Backends.Cpu);
        using DecoderModel model = Load(backend, ("model.layers.0.self_attn.k_scale", [], 0.5f), ("model.layers.0.self_attn.v_scale", [1], 2f),
            ("model.layers.1.self_attn.k_proj.k_scale", [], 3f), ("model.layers.1.self_attn.q_scale", [], 7f));
        Assert.Equal([new KvScales(0.5f, 2), new KvScales(3, 1)], model.KvScales);
        KvCache cache = backend.CreateKvCache(model.KvCacheShape(16, 4, DType.F8E4M3));
        KvCache scaled = cache.WithScales(model.KvScales);
        Assert.Equal((0.5f, 2f), (scaled.Layers[0].KeyScale, scaled.Layers[0].ValueScale));
        Assert.Equal((3f, 1f), (scaled.Layers[1].KeyScale, scaled.Layers[1].ValueScale));
        Assert.Equal(cache.Layers[1].Keys, scaled.Layers[1].Keys);
        KvCache other = backend.CreateKvCache(model.KvCacheShape(16, 4, DType.I8));
        Assert.Equal(1, other.WithScales(model.KvScales).Layers[0].KeyScale);
    }

    [Fact]
    public void Minus_one_stands_for_no_scale()
    {
        using IBackend backend = Backends.Create(Backends.Cpu);
        using DecoderModel model = Load(backend, ("model.layers.1.self_attn.kv_scale", [], -1f));
        Assert.Equal([new KvScales(1, 1), new KvScales(1, 1)], model.KvScales);
    }

    [Theory]
    [InlineData(0f)]
    [InlineData(-2f)]
    [InlineData(float.NaN)]
    [InlineData(float.PositiveInfinity)]
    public void A_scale_that_is_none_is_refused(float scale)
    {
        using IBackend backend = Backends.Create(Backends.Cpu);
        var error = Assert.Throws<CheckpointException>(() => Load(backend, ("model.layers.0.self_attn.k_scale", [], scale)));
        Assert.Contains("model.layers.0.self_attn.k_scale is", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_scale_of_several_numbers_is_refused()
    {
        using IBackend backend = Backends.Create(Backends.Cpu);
        var error = Assert.Throws<CheckpointException>(() => Load(backend, ("model.layers.0.self_attn.k_scale", [2], 1f)));
        Assert.Contains("[2], but must be one number", error.Message, StringComparison.Ordinal);
    }

    private static DecoderModel Load(IBackend backend, params (string Name, int[] Shape, float Value)[] scales)
    {
        string json = Configs.TinyLlama();
        var tensors = new List<(string Name, int[] Shape, float[] Values)>();
        foreach (TensorSlot slot in new DecoderSlots(ArchitectureRegistry.Define(HfConfig.Parse(json), DType.F32)).All())
        {
            tensors.Add((slot.Name, [.. slot.Shape.Select(dimension => (int)dimension)], new float[slot.ElementCount]));
        }

        foreach ((string name, int[] shape, float value) in scales)
        {
            tensors.Add((name, shape, [.. Enumerable.Repeat(value, shape.Aggregate(1, (a, b) => a * b))]));
        }

        using var folder = new TemporaryFolder();
        folder.Write(HfConfig.FileName, json);
        folder.Write(CheckpointFiles.SingleFileName, SafetensorsBytes.Floats(tensors));
        return DecoderModel.Load(folder.Path, backend, new ModelOptions { DType = "float32", MaxBatchedTokens = 8, MaxLogitRows = 2 });
    }
}
