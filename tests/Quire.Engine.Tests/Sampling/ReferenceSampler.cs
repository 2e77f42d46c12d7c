using System;
using System.Collections.Generic;
using System.Linq;
using Quire.Core.Requests;

namespace Quire.Engine.Tests.Sampling;

/// <summary>The slow, obvious form: whole rows, a full sort, float64 for everything that is summed.</summary>
internal static class ReferenceSampler
{
    public sealed record Input(
        float[] Logits, SamplingParams Sampling, int[] Prompt, int[] Output, int[][] BadWords, int[] EndTokenIds);

    /// <summary>The row after the steps that change single logits; in float32, in which they are defined.</summary>
    public static float[] Processed(Input input)
    {
        SamplingParams sampling = input.Sampling;
        float[] row = [.. input.Logits];
        for (int i = 0; i < row.Length; i++)
        {
            if (sampling.AllowedTokenIds is { } allowed && !allowed.Contains(i))
                row[i] = float.NegativeInfinity;
        }

        foreach (int[] word in input.BadWords)
        {
            if (input.Output.AsSpan().EndsWith(word.AsSpan(0, word.Length - 1)))
                row[word[^1]] = float.NegativeInfinity;
        }

        if (input.Output.Length < sampling.MinTokens)
        {
            foreach (int id in sampling.StopTokenIds.Concat(input.EndTokenIds))
                row[id] = float.NegativeInfinity;
        }

        foreach ((int id, float bias) in sampling.LogitBias ?? new Dictionary<int, float>())
            row[id] += bias;
        for (int i = 0; i < row.Length; i++)
        {
            int count = input.Output.Count(id => id == i);
            if ((count > 0 || input.Prompt.Contains(i)) && sampling.RepetitionPenalty != 1)
                row[i] = row[i] > 0 ? row[i] * (1f / (float)sampling.RepetitionPenalty) : row[i] * (float)sampling.RepetitionPenalty;
            if (count > 0)
                row[i] = row[i] - ((float)sampling.FrequencyPenalty * count) - (float)sampling.PresencePenalty;
        }

        return row;
    }

    public static double[] Probabilities(float[] processed, SamplingParams sampling) => Softmax(Filtered(processed, sampling));

    /// <summary>The row after temperature, min_p, top_k and top_p; at top_p's cut the lowest ids of a tie stay.</summary>
    public static double[] Filtered(float[] processed, SamplingParams sampling)
    {
        double temperature = Math.Max(sampling.Temperature, 0.01);
        double[] scaled = Array.ConvertAll(processed, value => value / temperature);
        double[] probabilities = Softmax(scaled);
        double best = probabilities.Max();
        for (int i = 0; i < scaled.Length; i++)
        {
            if (sampling.MinP > 0 && (probabilities[i] < sampling.MinP * best || probabilities[i] == 0))
                scaled[i] = double.NegativeInfinity;
        }

        // Ascending; among equal values the highest id first, so that the lowest ids are dropped last.
        int[] order = [.. Enumerable.Range(0, scaled.Length)];
        double[] keys = [.. scaled];
        Array.Sort(order, (left, right) => keys[left] != keys[right] ? keys[left].CompareTo(keys[right]) : right.CompareTo(left));
        if (sampling.TopK > 0 && sampling.TopK < scaled.Length)
        {
            double smallest = scaled[order[^sampling.TopK]];
            for (int i = 0; i < scaled.Length; i++)
                scaled[i] = scaled[i] < smallest ? double.NegativeInfinity : scaled[i];
        }

        if (sampling.TopP < 1)
        {
            probabilities = Softmax(scaled);
            double sum = 0;
            foreach (int i in order[..^1])
            {
                sum += probabilities[i];
                if (sum <= 1 - sampling.TopP)
                    scaled[i] = double.NegativeInfinity;
            }
        }

        return scaled;
    }

    public static double LogSoftmax(IReadOnlyList<float> row, int id, double scale = 1)
    {
        double maximum = row.Max() * scale;
        return (row[id] * scale) - maximum - Math.Log(row.Sum(value => Math.Exp((value * scale) - maximum)));
    }

    private static double[] Softmax(double[] values)
    {
        double maximum = values.Max();
        double[] weights = Array.ConvertAll(values, value => Math.Exp(value - maximum));
        double total = weights.Sum();
        return Array.ConvertAll(weights, weight => weight / total);
    }
}
