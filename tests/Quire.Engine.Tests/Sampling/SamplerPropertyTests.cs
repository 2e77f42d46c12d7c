using System;
using System.Linq;
using Quire.Core.Requests;
using Quire.Engine.Sampling;

namespace Quire.Engine.Tests.Sampling;

/// <summary>The sampler against a sort of the whole row in float64, on random rows and parameters.</summary>
public class SamplerPropertyTests
{
    private static readonly int[] SmallVocabularies = [32, 33, 63, 64, 65, 100, 300, 1000];
    private static readonly int[] MiddleVocabularies = [1025, 1100, 2048, 3001];
    private static readonly int[] LargeVocabularies = [4096, 32_000, 32_001, 130_000];

    [Fact]
    public void Any_parameters_give_the_distribution_of_the_sorted_form()
    {
        int fragile = 0;
        for (int seed = 0; seed < 1000; seed++)
            fragile += Check(seed, SmallVocabularies, allProcessors: true) ? 0 : 1;
        Assert.True(fragile < 100, $"{fragile} of 1000 cases hang on rounding.");
    }

    [Fact]
    public void Rows_of_which_many_tokens_stay_give_the_distribution_of_the_sorted_form()
    {
        int fragile = 0;
        for (int seed = 0; seed < 300; seed++)
            fragile += Check(seed, MiddleVocabularies, allProcessors: false) ? 0 : 1;
        Assert.True(fragile < 60, $"{fragile} of 300 cases hang on rounding.");
    }

    [Fact]
    public void Large_vocabularies_give_the_distribution_of_the_sorted_form()
    {
        int fragile = 0;
        for (int seed = 0; seed < 20; seed++)
            fragile += Check(seed, LargeVocabularies, allProcessors: false) ? 0 : 1;
        Assert.True(fragile < 8, $"{fragile} of 20 cases hang on rounding.");
    }

    [Fact]
    public void The_greedy_token_is_the_lowest_id_of_the_best()
    {
        for (int seed = 0; seed < 500; seed++)
        {
            var random = new Random(seed);
            ReferenceSampler.Input input = RandomInput(random, SmallVocabularies, allProcessors: true);
            input = input with { Sampling = input.Sampling with { Temperature = 0 } };
            float[] processed = ReferenceSampler.Processed(input);
            if (processed.Max() == float.NegativeInfinity)
                continue;
            SamplingFault fault = new Sampler(processed.Length).Sample([.. input.Logits], StateOf(input), out int token, out _);
            Assert.True(fault == SamplingFault.None && token == Array.IndexOf(processed, processed.Max()), $"seed {seed}: {token}");
        }
    }

    [Fact]
    public void Log_probabilities_are_those_of_the_whole_row_in_every_mode()
    {
        for (int seed = 0; seed < 400; seed++)
        {
            var random = new Random(seed);
            ReferenceSampler.Input input = RandomInput(random, SmallVocabularies, allProcessors: true);
            input = input with { Sampling = input.Sampling with { Logprobs = random.Next(0, 24) } };
            float[] processed = ReferenceSampler.Processed(input);
            if (processed.Max() == float.NegativeInfinity || HangsOnRounding(processed, input.Sampling))
                continue;
            foreach (LogprobsMode mode in Enum.GetValues<LogprobsMode>())
                CheckLogprobs(input, processed, mode, $"seed {seed}, {mode}");
        }
    }

    private static void CheckLogprobs(ReferenceSampler.Input input, float[] processed, LogprobsMode mode, string name)
    {
        int length = processed.Length;
        var sampler = new Sampler(length);
        SamplerState state = StateOf(input, mode);
        Assert.Equal(SamplingFault.None, sampler.Sample([.. input.Logits], state, out int token, out SampledLogprobs? logprobs));
        float[] row = input.Logits;
        double scale = 1;
        if (mode is LogprobsMode.ProcessedLogprobs or LogprobsMode.ProcessedLogits)
        {
            scale = 1 / Math.Max(input.Sampling.Temperature, 0.01);
            double[] filtered = ReferenceSampler.Filtered(processed, input.Sampling);
            row = [.. processed.Select((value, i) => double.IsFinite(filtered[i]) ? value : float.NegativeInfinity)];
        }

        bool asLogits = mode is LogprobsMode.RawLogits or LogprobsMode.ProcessedLogits;
        Assert.Equal(token, logprobs!.TokenIds[0]);
        Assert.Equal(logprobs.Count, logprobs.TokenIds.Distinct().Count());
        int[] best = [.. Enumerable.Range(0, length).OrderByDescending(i => row[i]).ThenBy(i => i).Take(input.Sampling.Logprobs!.Value)];
        int place = Array.IndexOf(best, token);
        Assert.Equal(best.Where(id => id != token), logprobs.TokenIds.Skip(1));
        Assert.Equal(place < 0 ? row.Count(value => value >= row[token]) : place + 1, logprobs.Ranks[0]);
        for (int i = 0; i < logprobs.Count; i++)
        {
            double expected = asLogits ? row[logprobs.TokenIds[i]] * scale : ReferenceSampler.LogSoftmax(row, logprobs.TokenIds[i], scale);
            double actual = logprobs.Values[i];
            Assert.True(actual == expected || Math.Abs(actual - expected) <= 1e-5 + (1e-6 * Math.Abs(expected)),
                $"{name}: {logprobs.TokenIds[i]} has {actual}, expected {expected}");
        }
    }

    /// <summary>False when the case hangs on rounding: when the tokens that stay change with a change of 1e-6 in top_p or min_p.</summary>
    private static bool Check(int seed, int[] vocabularies, bool allProcessors)
    {
        ReferenceSampler.Input input = RandomInput(new Random(seed), vocabularies, allProcessors);
        float[] processed = ReferenceSampler.Processed(input);
        var sampler = new Sampler(processed.Length);
        SamplingFault fault = sampler.Describe([.. input.Logits], StateOf(input), null, out TokenDistribution? distribution);
        if (processed.Max() == float.NegativeInfinity)
        {
            Assert.Equal(SamplingFault.NothingAllowed, fault);
            return true;
        }

        Assert.Equal(SamplingFault.None, fault);
        if (HangsOnRounding(processed, input.Sampling))
            return false;
        double[] expected = ReferenceSampler.Probabilities(processed, input.Sampling);
        Assert.Equal(ReferenceSampler.Filtered(processed, input.Sampling).Count(double.IsFinite), distribution!.Kept);
        var actual = new double[expected.Length];
        for (int i = 0; i < distribution.TokenIds.Length; i++)
            actual[distribution.TokenIds[i]] = distribution.Probabilities[i];
        Assert.Equal(1.0, actual.Sum(), 6);
        for (int i = 0; i < expected.Length; i++)
        {
            bool close = Math.Abs(actual[i] - expected[i]) <= 1e-7 + (2e-5 * expected[i]);
            Assert.True(close && actual[i] > 1e-30 == expected[i] > 1e-30,
                $"seed {seed}: token {i} has {actual[i]}, expected {expected[i]}; {input.Sampling}");
        }

        return true;
    }

    private static SamplingParams Nudged(SamplingParams sampling, double change) => sampling with
    {
        TopP = sampling.TopP < 1 ? sampling.TopP + change : 1,
        MinP = sampling.MinP is > 0 and < 1 ? sampling.MinP * (1 + change) : sampling.MinP,
    };

    private static bool HangsOnRounding(float[] processed, SamplingParams sampling)
    {
        if (sampling.TopP == 1 && sampling.MinP == 0)
            return false;
        double[] rows = ReferenceSampler.Filtered(processed, sampling);
        return !SameTokens(rows, ReferenceSampler.Filtered(processed, Nudged(sampling, 1e-6)))
            || !SameTokens(rows, ReferenceSampler.Filtered(processed, Nudged(sampling, -1e-6)));
    }

    private static bool SameTokens(double[] left, double[] right) =>
        left.Zip(right).All(pair => double.IsFinite(pair.First) == double.IsFinite(pair.Second));

    private static SamplerState StateOf(ReferenceSampler.Input input, LogprobsMode mode = LogprobsMode.RawLogprobs)
    {
        var state = new SamplerState(
            SamplerSettings.Create(input.Sampling, input.Logits.Length, input.EndTokenIds, input.BadWords, mode), input.Prompt, 7);
        foreach (int token in input.Output)
            state.Accept(token);
        return state;
    }

    private static ReferenceSampler.Input RandomInput(Random random, int[] vocabularies, bool allProcessors)
    {
        int length = vocabularies[random.Next(vocabularies.Length)];
        float[] logits = RandomLogits(random, length);
        bool Maybe(double probability) => random.NextDouble() < probability;
        int[] Ids(int most) => [.. Enumerable.Range(0, random.Next(most + 1)).Select(_ => random.Next(length))];
        int[] output = Ids(allProcessors ? 30 : 0);
        if (output.Length > 0 && Maybe(0.5))
            output = [.. output.Select(id => id % 8)];
        var sampling = new SamplingParams
        {
            Temperature = Maybe(0.3) ? 1 : Math.Pow(10, (random.NextDouble() * 2.3) - 2),
            TopP = Maybe(0.5) ? 1 : Maybe(0.2) ? 1e-5 : Math.Min(random.NextDouble() + 0.01, 0.9999),
            TopK = Maybe(0.5) ? 0 : Maybe(0.5) ? random.Next(1, 60) : random.Next(1, length + 10),
            MinP = Maybe(0.7) ? 0 : Maybe(0.1) ? 1 : Math.Pow(10, -5 * random.NextDouble()),
            MaxTokens = 1000,
        };
        if (!allProcessors)
            return new ReferenceSampler.Input(logits, sampling, [], [], [], []);
        sampling = sampling with
        {
            MinTokens = Maybe(0.3) ? random.Next(40) : 0,
            StopTokenIds = Ids(3),
            RepetitionPenalty = Maybe(0.6) ? 1 : 0.1 + (random.NextDouble() * 2),
            FrequencyPenalty = Maybe(0.6) ? 0 : (random.NextDouble() * 4) - 2,
            PresencePenalty = Maybe(0.6) ? 0 : (random.NextDouble() * 4) - 2,
            AllowedTokenIds = Maybe(0.2) ? [random.Next(length), .. Ids(length)] : null,
            LogitBias = Maybe(0.2) ? Ids(5).Distinct().ToDictionary(id => id, _ => (float)((random.NextDouble() * 20) - 10)) : null,
        };
        int[][] badWords = Maybe(0.3)
            ? [.. Enumerable.Range(0, random.Next(5)).Select(_ => output.Length > 3 && Maybe(0.5)
                ? output[^random.Next(1, 4)..].Append(random.Next(length)).ToArray()
                : Ids(2).Append(random.Next(length)).ToArray())]
            : [];
        return new ReferenceSampler.Input(logits, sampling, Ids(20), output, badWords, Maybe(0.5) ? [random.Next(length)] : []);
    }

    private static float[] RandomLogits(Random random, int length)
    {
        float spread = new[] { 0f, 0.001f, 1f, 3f, 10f, 1000f }[random.Next(6)];
        float offset = random.Next(3) == 0 ? 500 : 0;
        int kind = random.Next(4);
        var logits = new float[length];
        for (int i = 0; i < length; i++)
        {
            double normal = Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble());
            double value = (normal * spread) + offset;
            logits[i] = kind switch
            {
                0 => (float)(Math.Round(value * 2) / 2),
                1 when random.Next(3) == 0 => float.NegativeInfinity,
                _ => (float)value,
            };
        }

        if (float.IsNegativeInfinity(logits.Max()))
            logits[0] = 0;
        return logits;
    }
}
