using System;
using System.Collections.Generic;
using System.Linq;
using Quire.Tensors;

namespace Quire.Models.Tests.Support;

/// <summary>Compares a model with its reference outputs.</summary>
internal static class GoldenChecks
{
    /// <summary>Gap between the best two logits under which another order of summation may choose the other token.</summary>
    private const double NearTie = 0.05;

    public static DecoderModel Load(string folder, IBackend backend, string dtype = "auto") =>
        DecoderModel.Load(folder, backend, new ModelOptions { DType = dtype, MaxBatchedTokens = 128, MaxLogitRows = 5, MaxModelLength = 512 });

    /// <summary>Prompt log-probabilities, last logits and greedy tokens of every case.</summary>
    public static void Matches(string folder, IBackend backend, string dtype = "auto", string? goldenFolder = null)
    {
        using DecoderModel model = Load(folder, backend, dtype);
        foreach (GoldenCase golden in Golden.Read(goldenFolder ?? folder))
        {
            var driver = new ModelDriver(backend, model);
            DrivenSequence sequence = driver.NewSequence();
            float[][] prompt = driver.StepForAllRows(new Chunk(sequence, golden.PromptTokenIds));
            PromptMatches(golden, prompt);
            LastLogitsMatch(golden, prompt[^1]);
            GreedyMatches(golden, prompt[^1], token => driver.Step(new Chunk(sequence, [token]))[0]);
        }
    }

    public static void LastLogitsMatch(GoldenCase golden, float[] logits)
    {
        double range = golden.LastLogits.Max() - golden.LastLogits.Min();
        double worst = golden.LastLogits.Zip(logits, (expected, actual) => Math.Abs(expected - actual)).Max();
        Assert.True(worst <= 2e-3 * range, $"the last logits are off by {worst}, their range is {range}");
    }

    private static void PromptMatches(GoldenCase golden, float[][] logits)
    {
        for (int i = 1; i < golden.PromptTokenIds.Length; i++)
        {
            double actual = Logits.LogProbability(logits[i - 1], golden.PromptTokenIds[i]);
            double expected = golden.PromptLogprobs[i]!.Value;
            Assert.True(Math.Abs(actual - expected) <= 1e-2, $"the log-probability of prompt token {i} is {actual} instead of {expected}");
        }
    }

    /// <summary>Greedy tokens must be equal; after a near tie that went the other way, the reference's token is fed on.</summary>
    private static void GreedyMatches(GoldenCase golden, float[] logits, Func<int, float[]> step)
    {
        for (int i = 0; i < golden.GreedyTokenIds.Length; i++)
        {
            int expected = golden.GreedyTokenIds[i];
            int actual = Logits.ArgMax(logits);
            Assert.True(
                actual == expected || golden.GreedyGaps[i] < NearTie,
                $"greedy token {i} is {actual} instead of {expected}, although the reference's gap is {golden.GreedyGaps[i]}");
            if (i + 1 < golden.GreedyTokenIds.Length)
            {
                logits = step(expected);
            }
        }
    }

    /// <summary>Splits a list into pieces of at most <paramref name="size"/>.</summary>
    public static IEnumerable<int[]> Pieces(int[] tokens, int size) => tokens.Chunk(size);
}
