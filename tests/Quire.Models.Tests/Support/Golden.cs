using System;
using System.Collections.Generic;
using System.IO;
using System.Text.Json;

namespace Quire.Models.Tests.Support;

/// <summary>What transformers computed for one prompt of a reference model.</summary>
internal sealed record GoldenCase(
    int[] PromptTokenIds, double?[] PromptLogprobs, double[] LastLogits, int[] GreedyTokenIds, double[] GreedyGaps);

internal static class Golden
{
    public static IReadOnlyList<GoldenCase> Read(string folder)
    {
        using JsonDocument document = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(folder, "golden.json")));
        var cases = new List<GoldenCase>();
        foreach (JsonElement item in document.RootElement.GetProperty("cases").EnumerateArray())
        {
            cases.Add(new GoldenCase(
                Integers(item.GetProperty("prompt_token_ids")),
                Array.ConvertAll([.. item.GetProperty("prompt_logprobs").EnumerateArray()], OptionalNumber),
                Numbers(item.GetProperty("last_logits")),
                Integers(item.GetProperty("greedy_token_ids")),
                Numbers(item.GetProperty("greedy_top2_logit_gaps"))));
        }

        return cases;
    }

    public static int[] Integers(JsonElement list) => Array.ConvertAll<JsonElement, int>([.. list.EnumerateArray()], x => x.GetInt32());

    public static double[] Numbers(JsonElement list) => Array.ConvertAll<JsonElement, double>([.. list.EnumerateArray()], x => x.GetDouble());

    private static double? OptionalNumber(JsonElement value) => value.ValueKind == JsonValueKind.Null ? null : value.GetDouble();
}

internal static class Logits
{
    /// <summary>The natural logarithm of the softmax at <paramref name="id"/>.</summary>
    public static double LogProbability(float[] logits, int id)
    {
        double largest = double.NegativeInfinity;
        foreach (float logit in logits)
        {
            largest = Math.Max(largest, logit);
        }

        double sum = 0;
        foreach (float logit in logits)
        {
            sum += Math.Exp(logit - largest);
        }

        return logits[id] - largest - Math.Log(sum);
    }

    public static int ArgMax(float[] logits)
    {
        int best = 0;
        for (int i = 1; i < logits.Length; i++)
        {
            best = logits[i] > logits[best] ? i : best;
        }

        return best;
    }
}
