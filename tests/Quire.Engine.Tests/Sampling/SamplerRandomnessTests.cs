using System;
using System.Collections.Generic;
using System.Linq;
using Quire.Core.Requests;
using Quire.Engine.Sampling;

namespace Quire.Engine.Tests.Sampling;

public class SamplerRandomnessTests
{
    [Theory]
    [InlineData("no parameters, normal")]
    [InlineData("logprobs 0, normal")]
    [InlineData("top_k, top_p, min_p")]
    [InlineData("allowed_token_ids, V-1, soft")]
    [InlineData("min_p, top_p (2)")]
    [InlineData("temperature and top_p, tie at its boundary")]
    public void Twenty_thousand_draws_fit_the_recorded_probabilities(string name)
    {
        SamplingCases.Case test = SamplingCases.All.First(test => test.Name == name);
        const int Draws = 20_000;
        var sampler = new Sampler(4096);
        SamplerSettings settings = test.Settings();
        Assert.Equal(SamplingFault.None, sampler.Describe(test.Logits(), test.State(), null, out TokenDistribution? distribution));
        var counts = new int[settings.VocabularySize];
        float[] template = test.Logits();
        var row = new float[template.Length];
        for (int i = 0; i < Draws; i++)
        {
            SamplerState state = test.State((ulong)i);
            template.CopyTo(row, 0);
            sampler.Sample(row, state, out int token, out _);
            counts[token]++;
        }

        AssertFits(distribution!, counts, Draws, test.Name);
    }

    [Fact]
    public void Outputs_of_one_request_count_the_prompt_once_and_their_own_tokens_each()
    {
        var sampling = new SamplingParams { Temperature = 1, RepetitionPenalty = 1.5, FrequencyPenalty = 1, Seed = 4, MaxTokens = 100_000, N = 3 };
        var settings = SamplerSettings.Create(sampling, 50);
        int[] prompt = [1, 2, 3, 2];
        var first = new SamplerState(settings, prompt, requestKey: 9);
        SamplerState[] outputs = [first, first.ForOutput(1), first.ForOutput(2)];
        var sampler = new Sampler(50);
        for (int index = 0; index < outputs.Length; index++)
        {
            var alone = new SamplerState(settings, prompt, requestKey: 9, index);
            for (int position = 0; position < 40; position++)
            {
                Assert.Equal(Next(sampler, alone), Next(sampler, outputs[index]));
            }
        }
    }

    [Fact]
    public void Outputs_that_wait_take_no_memory_for_penalties()
    {
        var settings = SamplerSettings.Create(new SamplingParams { PresencePenalty = 1, MaxTokens = 100_000, N = 2000 }, 150_000);
        var first = new SamplerState(settings, [1, 2, 3], requestKey: 9);
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int index = 1; index < 2000; index++)
        {
            GC.KeepAlive(first.ForOutput(index));
        }

        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 2000 * 256);
    }

    private static int Next(Sampler sampler, SamplerState state)
    {
        float[] row = [.. Enumerable.Range(0, 50).Select(i => i % 7 * 0.3f)];
        Assert.Equal(SamplingFault.None, sampler.Sample(row, state, out int token, out _));
        state.Accept(token);
        return token;
    }

    [Fact]
    public void Successive_positions_of_one_sequence_are_independent_draws()
    {
        const int Draws = 20_000;
        float[] template = [0f, 1f, 2f, -1f, 0.5f, 3f, 2.5f, -2f];
        var settings = SamplerSettings.Create(new SamplingParams { Seed = 11 }, template.Length);
        var sampler = new Sampler(template.Length);
        sampler.Describe([.. template], new SamplerState(settings, [], 0), null, out TokenDistribution? distribution);
        var state = new SamplerState(settings, [], 0);
        var counts = new int[template.Length];
        var pairs = new int[template.Length * template.Length];
        int previous = 0;
        for (int i = 0; i < Draws; i++)
        {
            sampler.Sample([.. template], state, out int token, out _);
            state.Accept(token);
            counts[token]++;
            pairs[(previous * template.Length) + token]++;
            previous = token;
        }

        AssertFits(distribution!, counts, Draws, "single");
        double[] p = distribution!.Probabilities;
        var joint = new TokenDistribution(
            [.. Enumerable.Range(0, pairs.Length)], [.. p.SelectMany(first => p.Select(second => first * second))], pairs.Length, 0, null);
        AssertFits(joint, pairs, Draws, "pairs");
    }

    [Fact]
    public void The_same_seed_gives_the_same_tokens_whatever_else_is_in_the_batch()
    {
        SamplingParams[] kinds =
        [
            new() { Seed = 5, Temperature = 0.9, TopP = 0.9 },
            new() { Seed = 5, TopK = 7 },
            new() { Seed = 77, MinP = 0.05, RepetitionPenalty = 1.2 },
            new() { Temperature = 1.3 },
        ];
        List<int[]> alone = [.. kinds.Select((sampling, i) => Generate([sampling], [i], new Sampler(500))[0])];
        List<int[]> together = Generate(kinds, [0, 1, 2, 3], new Sampler(500));
        List<int[]> reversed = Generate([.. kinds.Reverse()], [3, 2, 1, 0], new Sampler(800));
        for (int i = 0; i < kinds.Length; i++)
        {
            Assert.Equal(alone[i], together[i]);
            Assert.Equal(alone[i], reversed[kinds.Length - 1 - i]);
        }
    }

    [Fact]
    public void Output_i_of_a_seeded_request_draws_as_seed_plus_i_does()
    {
        var settings = SamplerSettings.Create(new SamplingParams { Seed = 100, N = 3 }, 300);
        var shifted = SamplerSettings.Create(new SamplingParams { Seed = 102 }, 300);
        Assert.Equal(Generate(new SamplerState(shifted, [], 1)), Generate(new SamplerState(settings, [], 2, outputIndex: 2)));
        Assert.NotEqual(Generate(new SamplerState(settings, [], 2, 1)), Generate(new SamplerState(settings, [], 2, 2)));
    }

    [Fact]
    public void Without_a_seed_requests_and_their_outputs_draw_differently()
    {
        var settings = SamplerSettings.Create(new SamplingParams { N = 2, Seed = -1 }, 300);
        int[][] outputs =
        [
            Generate(new SamplerState(settings, [], 1, 0)),
            Generate(new SamplerState(settings, [], 1, 1)),
            Generate(new SamplerState(settings, [], 2, 0)),
        ];
        Assert.Equal(3, outputs.Select(output => string.Join(",", output)).Distinct().Count());
        Assert.Equal(outputs[0], Generate(new SamplerState(settings, [], 1, 0)));
    }

    [Fact]
    public void Sampling_a_row_twice_before_accepting_gives_the_same_token()
    {
        var state = new SamplerState(SamplerSettings.Create(new SamplingParams { Seed = 3, FrequencyPenalty = 1 }, 300), [], 0);
        var sampler = new Sampler(300);
        for (int i = 0; i < 50; i++)
        {
            sampler.Sample(Row(i, 300), state, out int first, out _);
            sampler.Sample(Row(i, 300), state, out int second, out _);
            Assert.Equal(first, second);
            state.Accept(first);
        }
    }

    private static int[] Generate(SamplerState state)
    {
        var sampler = new Sampler(state.Settings.VocabularySize);
        var tokens = new int[40];
        for (int i = 0; i < tokens.Length; i++)
        {
            sampler.Sample(Row(i, state.Settings.VocabularySize), state, out tokens[i], out _);
            state.Accept(tokens[i]);
        }

        return tokens;
    }

    /// <summary>Each sequence takes part in the steps in turn; its logits depend on its name and its own tokens only.</summary>
    private static List<int[]> Generate(SamplingParams[] kinds, int[] names, Sampler sampler)
    {
        SamplerState[] states = [.. kinds.Select((sampling, i) =>
            new SamplerState(SamplerSettings.Create(sampling, 500), [1, 2, 3], requestKey: (ulong)names[i] + 9))];
        List<int>[] outputs = [.. kinds.Select(_ => new List<int>())];
        for (int step = 0; step < 60; step++)
        {
            for (int i = 0; i < states.Length; i++)
            {
                int previous = outputs[i].Count == 0 ? 0 : outputs[i][^1];
                Assert.Equal(SamplingFault.None, sampler.Sample(Row((names[i] * 1000) + previous, 500), states[i], out int token, out _));
                states[i].Accept(token);
                outputs[i].Add(token);
            }
        }

        return [.. outputs.Select(output => output.ToArray())];
    }

    private static float[] Row(int seed, int length)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, length).Select(_ => (float)(random.NextDouble() * 8))];
    }

    /// <summary>Pearson's chi-square over the tokens expected at least five times, the rest together, at about p = 1e-5.</summary>
    private static void AssertFits(TokenDistribution distribution, int[] counts, int draws, string name)
    {
        double statistic = 0;
        double restExpected = 0;
        int restCount = draws;
        int cells = 0;
        for (int i = 0; i < distribution.TokenIds.Length; i++)
        {
            double expected = distribution.Probabilities[i] * draws;
            if (expected < 5)
            {
                restExpected += expected;
                continue;
            }

            int count = counts[distribution.TokenIds[i]];
            restCount -= count;
            statistic += (count - expected) * (count - expected) / expected;
            cells++;
        }

        Assert.Equal(draws, distribution.TokenIds.Sum(id => counts[id]));
        if (restExpected >= 5)
        {
            statistic += (restCount - restExpected) * (restCount - restExpected) / restExpected;
            cells++;
        }

        // Wilson and Hilferty: the cube root of chi-square / degrees is nearly normal.
        int degrees = Math.Max(1, cells - 1);
        double normal = (Math.Cbrt(statistic / degrees) - (1 - (2.0 / (9 * degrees)))) / Math.Sqrt(2.0 / (9 * degrees));
        Assert.True(normal < 4.3, $"{name}: chi-square {statistic} with {degrees} degrees of freedom");
        Assert.True(cells > 1, $"{name}: nothing to compare");
    }
}
