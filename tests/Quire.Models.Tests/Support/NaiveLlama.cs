using System;
using System.Collections.Generic;
using System.Linq;

namespace Quire.Models.Tests.Support;

/// <summary>The shape of a <see cref="NaiveLlama"/>.</summary>
internal sealed record NaiveShape(int Hidden, int Inner, int Layers, int Heads, int KvHeads, int HeadDim, int RotaryDim, double Theta, double Epsilon, bool Tied);

/// <summary>
/// Llama as a textbook writes it: one sequence, whole matrices of doubles, no cache, no fusion. Shares no code with the product.
/// </summary>
/// <param name="shape">Its shape.</param>
/// <param name="weights">Its weights.</param>
/// <param name="rounded">What a linear layer makes of its inputs before it multiplies them, by the layer's name; null for nothing.</param>
internal sealed class NaiveLlama(
    NaiveShape shape, IReadOnlyDictionary<string, (int[] Shape, float[] Values)> weights, Func<string, double[], double[]>? rounded = null)
{
    /// <summary>Logits of every position.</summary>
    public double[][] Logits(int[] tokens)
    {
        double[][] h = [.. tokens.Select(token => Row("model.embed_tokens.weight", token))];
        for (int layer = 0; layer < shape.Layers; layer++)
        {
            string prefix = $"model.layers.{layer}.";
            double[][] attended = Attend(prefix + "self_attn.", [.. h.Select(x => Norm(x, prefix + "input_layernorm.weight"))]);
            h = Sum(h, attended);
            double[][] fed = [.. h.Select(x => FeedForward(prefix + "mlp.", Norm(x, prefix + "post_attention_layernorm.weight")))];
            h = Sum(h, fed);
        }

        string head = shape.Tied ? "model.embed_tokens" : "lm_head";
        return [.. h.Select(x => Linear(head, Norm(x, "model.norm.weight")))];
    }

    private double[] FeedForward(string prefix, double[] x)
    {
        double[] gate = Linear(prefix + "gate_proj", x);
        double[] up = Linear(prefix + "up_proj", x);
        return Linear(prefix + "down_proj", [.. gate.Zip(up, (g, u) => g / (1 + Math.Exp(-g)) * u)]);
    }

    private double[][] Attend(string prefix, double[][] x)
    {
        var queries = x.Select((row, position) => Heads(Linear(prefix + "q_proj", row), position)).ToArray();
        var keys = x.Select((row, position) => Heads(Linear(prefix + "k_proj", row), position)).ToArray();
        var values = x.Select(row => Heads(Linear(prefix + "v_proj", row), null)).ToArray();
        return [.. x.Select((_, i) => Linear(prefix + "o_proj", [.. Enumerable.Range(0, shape.Heads).SelectMany(head => AttendHead(queries, keys, values, i, head))]))];
    }

    private double[] AttendHead(double[][][] queries, double[][][] keys, double[][][] values, int i, int head)
    {
        int kv = head * shape.KvHeads / shape.Heads;
        double[] scores = [.. Enumerable.Range(0, i + 1).Select(j => queries[i][head].Zip(keys[j][kv], (a, b) => a * b).Sum() / Math.Sqrt(shape.HeadDim))];
        double[] weights = [.. scores.Select(score => Math.Exp(score - scores.Max()))];
        return [.. Enumerable.Range(0, shape.HeadDim).Select(d => Enumerable.Range(0, i + 1).Sum(j => weights[j] * values[j][kv][d]) / weights.Sum())];
    }

    /// <summary>Cuts a row into heads, each rotated as a complex number for a position.</summary>
    private double[][] Heads(double[] row, int? position)
    {
        double[][] heads = [.. row.Chunk(shape.HeadDim)];
        if (position is { } p)
        {
            int half = shape.RotaryDim / 2;
            foreach (double[] head in heads)
            {
                for (int j = 0; j < half; j++)
                {
                    var turned = new System.Numerics.Complex(head[j], head[j + half])
                        * System.Numerics.Complex.FromPolarCoordinates(1, p / Math.Pow(shape.Theta, (double)j / half));
                    (head[j], head[j + half]) = (turned.Real, turned.Imaginary);
                }
            }
        }

        return heads;
    }

    private double[] Norm(double[] x, string weight)
    {
        double scale = 1 / Math.Sqrt(x.Average(value => value * value) + shape.Epsilon);
        return [.. x.Zip(weights[weight].Values, (value, w) => value * scale * w)];
    }

    private double[] Linear(string module, double[] x)
    {
        (int[] size, float[] values) = weights[module + ".weight"];
        x = rounded?.Invoke(module, x) ?? x;
        float[]? bias = weights.TryGetValue(module + ".bias", out var stored) ? stored.Values : null;
        return [.. Enumerable.Range(0, size[0]).Select(row => (bias?[row] ?? 0) + x.Select((value, column) => value * values[row * size[1] + column]).Sum())];
    }

    private double[] Row(string name, int row)
    {
        (int[] size, float[] values) = weights[name];
        return [.. values.Skip(row * size[1]).Take(size[1]).Select(value => (double)value)];
    }

    private static double[][] Sum(double[][] a, double[][] b) => [.. a.Zip(b, (x, y) => x.Zip(y, (p, q) => p + q).ToArray())];
}
