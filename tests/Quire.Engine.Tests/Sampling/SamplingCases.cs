using System;
using System.Collections.Generic;
using System.IO;
using System.IO.Compression;
using System.Linq;
using System.Reflection;
using System.Text.Json;
using Quire.Engine.Sampling;

namespace Quire.Engine.Tests.Sampling;

/// <summary>The recorded cases of vLLM's sampler: each a row with what vLLM made of it.</summary>
internal static class SamplingCases
{
    public static string RepositoryRoot { get; } = typeof(SamplingCases).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>()
        .Single(attribute => attribute.Key == "RepositoryRoot").Value!;

    public static IReadOnlyList<Case> All { get; } = Read();

    private static List<Case> Read()
    {
        string path = Path.Combine(RepositoryRoot, "tests", "Quire.Engine.Tests", "Data", "sampling-distributions.json.gz");
        using var stream = new GZipStream(File.OpenRead(path), CompressionMode.Decompress);
        using JsonDocument document = JsonDocument.Parse(stream);
        return document.RootElement.EnumerateArray()
            .Select(element => new Case(
                element.Deserialize(SampleRowJson.Default.SampleRow)!, element.GetRawText(), element.GetProperty("out").Clone()))
            .ToList();
    }

    public sealed record Case(SampleRow Row, string Json, JsonElement Expected)
    {
        public string Name => Row.Name!;

        public SamplerSettings Settings(LogprobsMode mode = LogprobsMode.RawLogprobs) => SamplerSettings.Create(
            Row.Params.ToSamplingParams(),
            Row.Logits!.Length,
            Row.Params.EosTokenId is { } end ? [end] : [],
            Row.Params.BadWordsTokenIds,
            mode);

        public SamplerState State(ulong key = 0, LogprobsMode mode = LogprobsMode.RawLogprobs)
        {
            var state = new SamplerState(Settings(mode), Row.PromptTokenIds, key);
            foreach (int token in Row.OutputTokenIds)
                state.Accept(token);
            return state;
        }

        public float[] Logits() => Array.ConvertAll(Row.Logits!, value => value ?? float.NegativeInfinity);
    }
}
