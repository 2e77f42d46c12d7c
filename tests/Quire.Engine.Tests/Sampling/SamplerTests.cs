using System;
using System.Linq;
using Quire.Core.Requests;
using Quire.Engine.Sampling;

namespace Quire.Engine.Tests.Sampling;

public class SamplerTests
{
    [Theory]
    [InlineData(0.0)]
    [InlineData(1.0)]
    public void Logits_that_are_not_numbers_are_a_fault_and_not_a_token(double temperature)
    {
        foreach (int length in new[] { 5, 64, 200 })
        {
            for (int at = 0; at < length; at += 3)
            {
                var row = new float[length];
                row[at] = float.NaN;
                Assert.Equal(SamplingFault.NotANumber, Sample(row, new SamplingParams { Temperature = temperature, TopP = 0.9 }, out _));
                row[at] = float.PositiveInfinity;
                Assert.Equal(SamplingFault.Infinite, Sample(row, new SamplingParams { Temperature = temperature, TopK = 2 }, out _));
                Assert.NotEqual("", SamplingFaults.Message(SamplingFault.Infinite));
            }
        }
    }

    [Fact]
    public void A_row_with_nothing_allowed_is_a_fault()
    {
        float[] row = [float.NegativeInfinity, float.NegativeInfinity];
        Assert.Equal(SamplingFault.NothingAllowed, Sample(row, new SamplingParams(), out _));
        Assert.Equal(SamplingFault.NothingAllowed, Sample(row, new SamplingParams { Temperature = 0 }, out _));
        var settings = SamplerSettings.Create(new SamplingParams { AllowedTokenIds = [1] }, 2, badWords: [[1]]);
        Assert.Equal(SamplingFault.NothingAllowed, new Sampler(2).Sample([1f, 2f], new SamplerState(settings, [], 0), out _, out _));
    }

    [Fact]
    public void A_single_possible_token_is_always_drawn()
    {
        for (int at = 0; at < 130; at++)
        {
            float[] row = [.. Enumerable.Repeat(float.NegativeInfinity, 130)];
            row[at] = -1000f;
            Assert.Equal(SamplingFault.None, Sample(row, new SamplingParams { TopP = 0.5 }, out int token));
            Assert.Equal(at, token);
        }
    }

    [Fact]
    public void Logits_at_the_ends_of_the_range_of_floats_are_drawn_from()
    {
        float[] row = [float.MaxValue, -float.MaxValue, 0, float.MaxValue];
        foreach (SamplingParams sampling in new[]
        {
            new SamplingParams { Temperature = 0.01 }, new SamplingParams { TopP = 0.9 }, new SamplingParams { TopK = 3, MinP = 0.1 },
            new SamplingParams { RepetitionPenalty = 1e-30 },
        })
        {
            Assert.Equal(SamplingFault.None, Sample([.. row], sampling, out int token, prompt: [0, 3]));
            Assert.Contains(token, new[] { 0, 3 });
        }
    }

    [Fact]
    public void Temperatures_above_0_and_below_one_hundredth_draw_and_only_0_is_greedy()
    {
        Assert.False(SamplerSettings.Create(new SamplingParams { Temperature = 1e-6 }, 10).IsGreedy);
        Assert.Equal(0.01, SamplerSettings.Create(new SamplingParams { Temperature = 1e-6 }, 10).Temperature);
        var greedy = SamplerSettings.Create(new SamplingParams { Temperature = 0, TopP = 0.5, TopK = 3, MinP = 0.5 }, 10);
        Assert.True(greedy is { IsGreedy: true, TopP: 1.0, TopK: 0, MinP: 0.0 });
    }

    [Fact]
    public void Top_k_keeps_all_ties_of_its_last_value()
    {
        var settings = SamplerSettings.Create(new SamplingParams { TopK = 2 }, 4);
        new Sampler(4).Describe([3f, 3f, 3f, 1f], new SamplerState(settings, [], 0), null, out TokenDistribution? distribution);
        Assert.Equal([0, 1, 2], distribution!.TokenIds);
        Assert.Equal(3, distribution.Kept);
    }

    [Fact]
    public void Positive_and_negative_zero_are_equal_logits()
    {
        Assert.Equal(SamplingFault.None, Sample([-1f, -0f, 0f], new SamplingParams { Temperature = 0 }, out int token));
        Assert.Equal(1, token);
        var settings = SamplerSettings.Create(new SamplingParams { TopK = 1 }, 3);
        new Sampler(3).Describe([-1f, -0f, 0f], new SamplerState(settings, [], 0), null, out TokenDistribution? distribution);
        Assert.Equal([1, 2], distribution!.TokenIds);
    }

    [Fact]
    public void End_tokens_are_masked_for_the_first_min_tokens_outputs_with_ignore_eos_too()
    {
        var sampling = new SamplingParams { Temperature = 0, MinTokens = 3, IgnoreEos = true, StopTokenIds = [2] };
        var settings = SamplerSettings.Create(sampling, 4, endTokenIds: [3]);
        var state = new SamplerState(settings, [], 0);
        var sampler = new Sampler(4);
        int[] tokens = new int[5];
        for (int i = 0; i < 5; i++)
        {
            sampler.Sample([0f, 1f, 2f, 3f], state, out tokens[i], out _);
            state.Accept(tokens[i]);
        }

        Assert.Equal([1, 1, 1, 3, 3], tokens);
    }

    [Fact]
    public void A_bad_word_is_masked_only_where_the_output_would_complete_it()
    {
        var settings = SamplerSettings.Create(new SamplingParams { Temperature = 0 }, 5, badWords: [[1, 2, 4], [3]]);
        var state = new SamplerState(settings, [1, 2], 0);
        var sampler = new Sampler(5);
        int Next()
        {
            Assert.Equal(SamplingFault.None, sampler.Sample([0f, 0f, 0f, 9f, 5f], state, out int token, out _));
            return token;
        }

        // The prompt ends with 1, 2, which does not count.
        Assert.Equal(4, Next());
        foreach (int token in new[] { 0, 2, 1, 1, 2 })
            state.Accept(token);
        Assert.Equal(0, Next());
        state.Accept(2);
        Assert.Equal(4, Next());
    }

    [Fact]
    public void A_forced_token_is_taken_once()
    {
        var state = new SamplerState(SamplerSettings.Create(new SamplingParams { TopP = 0.9, Seed = 1 }, 3), [], 0) { ForcedTokenId = 2 };
        var sampler = new Sampler(3);
        sampler.Sample([50f, 0f, float.NegativeInfinity], state, out int forced, out _);
        Assert.Equal(2, forced);
        state.Accept(forced);
        sampler.Sample([50f, 0f, float.NegativeInfinity], state, out int next, out _);
        Assert.Equal(0, next);
    }

    [Fact]
    public void Chosen_ids_are_reported_in_their_order_beside_the_sampled_token()
    {
        var settings = SamplerSettings.Create(new SamplingParams { Temperature = 0, LogprobTokenIds = [3, 0] }, 4);
        new Sampler(4).Sample([0f, 1f, 2f, 0.5f], new SamplerState(settings, [], 0), out _, out SampledLogprobs? logprobs);
        Assert.Equal([2, 3, 0], logprobs!.TokenIds);
        Assert.Equal([1, 1, 2], logprobs.Ranks);
        Assert.Equal(1.5, logprobs.SampledValue - logprobs.Values[1], 5);
    }

    [Fact]
    public void Prompt_tokens_are_scored_by_the_row_as_it_is()
    {
        float[] row = [0f, 1f, 2f, 0.5f];
        var sampler = new Sampler(4);
        sampler.ScorePromptToken(row, 0, 2, LogprobsMode.ProcessedLogprobs, out SampledLogprobs? logprobs);
        Assert.Equal([0, 2, 1], logprobs!.TokenIds);
        Assert.Equal([4, 1, 2], logprobs.Ranks);
        Assert.Equal(ReferenceSampler.LogSoftmax(row, 0), logprobs.SampledValue, 5);
        sampler.ScorePromptToken(row, 2, -1, LogprobsMode.RawLogits, out logprobs);
        Assert.Equal([2, 1, 3, 0], logprobs!.TokenIds);
        Assert.Equal([2f, 1f, 0.5f, 0f], logprobs.Values);
        Assert.Equal(SamplingFault.NotANumber, sampler.ScorePromptToken([0f, float.NaN], 0, 1, LogprobsMode.RawLogits, out logprobs));
    }

    [Fact]
    public void A_row_of_the_wrong_length_is_a_mistake_of_the_caller()
    {
        var state = new SamplerState(SamplerSettings.Create(new SamplingParams(), 4), [], 0);
        Assert.Throws<ArgumentException>(() => new Sampler(8).Sample(new float[5], state, out _, out _));
    }

    [Fact]
    public void Masks_of_bits_forbid_what_is_not_set()
    {
        for (int seed = 0; seed < 200; seed++)
        {
            var random = new Random(seed);
            int length = random.Next(1, 300);
            var words = new uint[TokenMask.WordCount(length)];
            bool[] allowed = new bool[length];
            int density = random.Next(0, 5);
            for (int i = 0; i < length; i++)
            {
                allowed[i] = density == 4 || random.Next(4) < density;
                if (allowed[i])
                    TokenMask.Allow(words, i);
            }

            var row = new float[length];
            TokenMask.Apply(row, words);
            for (int i = 0; i < length; i++)
            {
                Assert.True(row[i] == (allowed[i] ? 0f : float.NegativeInfinity), $"seed {seed}, token {i}");
                Assert.Equal(allowed[i], TokenMask.IsAllowed(words, i));
            }
        }
    }

    [Theory]
    [InlineData("greedy")]
    [InlineData("temperature")]
    [InlineData("top_k and top_p")]
    [InlineData("top_p")]
    [InlineData("penalties")]
    [InlineData("masks")]
    public void A_step_allocates_nothing(string kind)
    {
        const int Vocabulary = 5000;
        SamplingParams sampling = kind switch
        {
            "greedy" => new SamplingParams { Temperature = 0 },
            "temperature" => new SamplingParams { Temperature = 0.7 },
            "top_k and top_p" => new SamplingParams { TopK = 50, TopP = 0.9, MinP = 0.01 },
            "top_p" => new SamplingParams { TopP = 0.95 },
            "penalties" => new SamplingParams { RepetitionPenalty = 1.1, FrequencyPenalty = 0.1, PresencePenalty = 0.1, MaxTokens = 500 },
            _ => new SamplingParams
            {
                AllowedTokenIds = [.. Enumerable.Range(0, 900)],
                MinTokens = 400,
                MaxTokens = 500,
                StopTokenIds = [5],
                LogitBias = new System.Collections.Generic.Dictionary<int, float> { [7] = 3 },
            },
        };
        var state = new SamplerState(SamplerSettings.Create(sampling, Vocabulary, [2], kind == "masks" ? [[1, 2], [3]] : []), [4, 5, 6], 1);
        var sampler = new Sampler(Vocabulary);
        var random = new Random(3);
        float[] template = [.. Enumerable.Range(0, Vocabulary).Select(_ => (float)(random.NextDouble() * 10))];
        var row = new float[Vocabulary];
        long before = 0;
        for (int step = 0; step < 300; step++)
        {
            if (step == 100)
                before = GC.GetAllocatedBytesForCurrentThread();
            template.CopyTo(row, 0);
            sampler.Sample(row, state, out int token, out _);
            state.Accept(token);
        }

        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    private static SamplingFault Sample(float[] row, SamplingParams sampling, out int token, int[]? prompt = null)
    {
        var settings = SamplerSettings.Create(sampling, row.Length);
        return new Sampler(row.Length).Sample(row, new SamplerState(settings, prompt ?? [], 0), out token, out _);
    }
}
