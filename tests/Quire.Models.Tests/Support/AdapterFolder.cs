using System;
using System.Collections.Generic;
using System.Globalization;
using System.Linq;
using Quire.Models.Lora;

namespace Quire.Models.Tests.Support;

/// <summary>A factor pair of an adapter: A [rank, in] and B [out, rank].</summary>
internal sealed record Factors(int Rank, int In, int Out, float[] A, float[] B)
{
    public static Factors Create(Random random, int rank, int inFeatures, int outFeatures) => new(
        rank, inFeatures, outFeatures,
        [.. Enumerable.Range(0, rank * inFeatures).Select(_ => (float)(random.NextDouble() - 0.5))],
        [.. Enumerable.Range(0, rank * outFeatures).Select(_ => (float)(random.NextDouble() - 0.5))]);
}

/// <summary>Adapter folders as PEFT writes them.</summary>
internal sealed class AdapterFolder : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public string Path => _folder.Path;

    public static string Config(int rank, double alpha, string extra = "") => string.Create(
        CultureInfo.InvariantCulture, $$"""{"peft_type": "LORA", "r": {{rank}}, "lora_alpha": {{alpha}}, "target_modules": ["q_proj"]{{extra}}}""");

    public AdapterFolder Write(string config, IReadOnlyDictionary<string, Factors> modules)
    {
        var tensors = new List<(string, int[], float[])>();
        foreach ((string module, Factors factors) in modules)
        {
            tensors.Add(($"base_model.model.{module}.lora_A.weight", [factors.Rank, factors.In], factors.A));
            tensors.Add(($"base_model.model.{module}.lora_B.weight", [factors.Out, factors.Rank], factors.B));
        }

        return Write(config, SafetensorsBytes.Floats(tensors));
    }

    public AdapterFolder Write(string config, byte[] weights)
    {
        _folder.Write(LoraConfig.FileName, config);
        _folder.Write(LoraAdapterReader.WeightsFileName, weights);
        return this;
    }

    public AdapterFolder Write(string name, string text)
    {
        _folder.Write(name, text);
        return this;
    }

    public void Dispose() => _folder.Dispose();
}
