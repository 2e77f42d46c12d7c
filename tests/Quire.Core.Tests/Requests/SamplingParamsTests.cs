using System.Collections.Generic;
using Quire.Core.Requests;

namespace Quire.Core.Tests.Requests;

public class SamplingParamsTests
{
    [Fact]
    public void The_defaults_are_vllms()
    {
        var p = new SamplingParams();
        Assert.Equal((1, 0.0, 0.0, 1.0, 1.0, 1.0, 0, 0.0), (p.N, p.PresencePenalty, p.FrequencyPenalty, p.RepetitionPenalty, p.Temperature, p.TopP, p.TopK, p.MinP));
        Assert.Equal((16, 0), (p.MaxTokens, p.MinTokens));
        Assert.True(p.Detokenize && p.SkipSpecialTokens && p.SpacesBetweenSpecialTokens && !p.IgnoreEos && !p.IncludeStopStrInOutput);
        Assert.Null(p.Validate());
    }

    public static TheoryData<SamplingParams, string, string> Violations() => new()
    {
        { new() { N = 0 }, "n", "n must be at least 1, got 0." },
        { new() { N = 16385 }, "n", "n must be at most 16384, got 16385." },
        { new() { PresencePenalty = 2.5 }, "presence_penalty", "presence_penalty must be in [-2, 2], got 2.5." },
        { new() { FrequencyPenalty = -3 }, "frequency_penalty", "frequency_penalty must be in [-2, 2], got -3.0." },
        { new() { RepetitionPenalty = double.NaN }, "repetition_penalty", "repetition_penalty must be a finite number, got nan." },
        { new() { RepetitionPenalty = 0 }, "repetition_penalty", "repetition_penalty must be greater than zero, got 0.0." },
        { new() { Temperature = double.PositiveInfinity }, "temperature", "temperature must be a finite number, got inf." },
        { new() { Temperature = -0.5 }, "temperature", "temperature must be non-negative, got -0.5." },
        { new() { Temperature = 2.1 }, "temperature", "temperature must be in [0, 2], got 2.1." },
        { new() { TopP = 0 }, "top_p", "top_p must be in (0, 1], got 0.0." },
        { new() { TopP = 1.5 }, "top_p", "top_p must be in (0, 1], got 1.5." },
        { new() { TopP = double.NaN }, "top_p", "top_p must be in (0, 1], got nan." },
        { new() { TopK = -2 }, "top_k", "top_k must be 0 (disable), or at least 1, got -2." },
        { new() { MinP = 1.5 }, "min_p", "min_p must be in [0, 1], got 1.5." },
        { new() { MaxTokens = 0 }, "max_tokens", "max_tokens must be at least 1, got 0." },
        { new() { MinTokens = -1 }, "min_tokens", "min_tokens must be greater than or equal to 0, got -1." },
        { new() { MaxTokens = 3, MinTokens = 4 }, "min_tokens", "min_tokens must be less than or equal to max_tokens=3, got 4." },
        { new() { StreamInterval = 0 }, "stream_interval", "stream_interval must be at least 1, got 0." },
        { new() { Logprobs = -2 }, "logprobs", "logprobs must be non-negative or -1, got -2." },
        { new() { PromptLogprobs = -2 }, "prompt_logprobs", "prompt_logprobs must be non-negative or -1, got -2." },
        { new() { LogprobTokenIds = new int[129] }, "logprob_token_ids", "Requested logprob_token_ids of length 129, which is greater than max allowed: 128" },
        { new() { Stop = ["a", ""] }, "stop", "stop cannot contain an empty string." },
        {
            new() { Stop = ["a"], Detokenize = false }, "stop",
            "stop strings are only supported when detokenize is True. Set detokenize=True to use stop."
        },
        { new() { BadWords = ["it's", ""] }, "bad_words", "bad_words cannot contain an empty string. Got bad_words=[\"it's\", '']" },
        {
            new() { ThinkingTokenBudget = -2 }, "thinking_token_budget",
            "`thinking_token_budget` must be a non-negative integer or -1 for unlimited."
        },
        { new() { N = 2, Temperature = 0 }, "n", "n must be 1 when using greedy sampling, got 2." },
        { new() { RepetitionDetection = new RepetitionDetection(2, 3, 2) }, "repetition_detection",
            "max_pattern_size, min_pattern_size must be >=0, with min_pattern_size <= max_pattern_size. Set both to 0 to disable repetitive pattern detection." },
        { new() { RepetitionDetection = new RepetitionDetection(2, 1, 1) }, "repetition_detection",
            "min_count must be >= 2 to detect repetitive patterns in engine output. If you do not wish to detect repetitive patterns, set max_pattern_size to 0." },
        { new() { StructuredOutputs = new StructuredOutputs() }, "structured_outputs",
            "You must use one kind of structured outputs constraint but none are specified: {}" },
        { new() { StructuredOutputs = new StructuredOutputs { Regex = "a", JsonObject = true } }, "structured_outputs",
            "You can only use one kind of structured outputs constraint but multiple are specified: regex, json_object" },
    };

    [Theory]
    [MemberData(nameof(Violations))]
    public void A_value_out_of_range_is_refused_in_vllms_words(SamplingParams parameters, string field, string message)
    {
        foreach (SamplingParams form in new[] { parameters, parameters.Normalized(out _) })
        {
            Refusal? refusal = form.Validate();
            Assert.Equal(message, refusal?.Message);
            Assert.Equal(field, refusal?.Field);
        }
    }

    [Fact]
    public void The_ends_of_the_ranges_are_good()
    {
        Assert.Null(new SamplingParams { Temperature = 2, TopP = 1e-9, MinP = 1, TopK = -1, PresencePenalty = -2, FrequencyPenalty = 2 }.Validate());
        Assert.Null(new SamplingParams { MaxTokens = null, MinTokens = 100, Logprobs = -1, PromptLogprobs = 0, N = 16384 }.Validate());
        Assert.Null(new SamplingParams { Logprobs = 2, LogprobTokenIds = [1, 2] }.Validate());
        Assert.NotNull(new SamplingParams { Logprobs = 1, LogprobTokenIds = [1, 2] }.Validate());
    }

    [Fact]
    public void Tiny_temperatures_are_raised_with_a_warning_and_only_zero_is_greedy()
    {
        SamplingParams tiny = new SamplingParams { Temperature = 1e-6, TopP = 0.5 }.Normalized(out IReadOnlyList<string> warnings);
        Assert.Equal(0.01, tiny.Temperature);
        Assert.False(tiny.IsGreedy);
        Assert.Equal(0.5, tiny.TopP);
        Assert.Equal("temperature 1e-06 is less than 0.01, which may cause numerical errors nan or inf in tensors. We have maxed it out to 0.01.",
            Assert.Single(warnings));

        SamplingParams greedy = new SamplingParams { Temperature = 0, TopP = 0.5, TopK = 7, MinP = 0.2 }.Normalized(out warnings);
        Assert.True(greedy.IsGreedy);
        Assert.Equal((1.0, 0, 0.0), (greedy.TopP, greedy.TopK, greedy.MinP));
        Assert.Empty(warnings);
    }

    [Fact]
    public void Normalising_maps_the_words_for_nothing_and_drops_duplicates()
    {
        SamplingParams p = new SamplingParams
        {
            Seed = -1,
            TopK = -1,
            ThinkingTokenBudget = -1,
            StopTokenIds = [5, 3, 5, 3, 9],
            BadWords = ["b", "a", "b"],
            LogitBias = new Dictionary<int, float> { [4] = 500f, [2] = -101f, [3] = 1f },
        }.Normalized(out _);
        Assert.Null(p.Seed);
        Assert.Equal(0, p.TopK);
        Assert.Null(p.ThinkingTokenBudget);
        Assert.Equal([5, 3, 9], p.StopTokenIds);
        Assert.Equal(["b", "a"], p.BadWords);
        Assert.Equal(500f, p.LogitBias![4]);
        Assert.False(p.SkipReadingPrefixCache);
        Assert.True(new SamplingParams { PromptLogprobs = 0 }.Normalized(out _).SkipReadingPrefixCache);
        Assert.False(new SamplingParams { PromptLogprobs = 0, SkipReadingPrefixCache = false }.Normalized(out _).SkipReadingPrefixCache);
    }

    [Theory]
    [InlineData(float.NaN, "nan")]
    [InlineData(float.PositiveInfinity, "inf")]
    public void A_bias_that_would_spoil_the_logits_is_refused(float bias, string shown)
    {
        Refusal? refusal = new SamplingParams { LogitBias = new Dictionary<int, float> { [7] = bias } }.Validate();
        Assert.Equal("logit_bias", refusal?.Field);
        Assert.Equal($"logit_bias of token 7 must be a finite number or -inf, got {shown}.", refusal?.Message);
        Assert.Null(new SamplingParams { LogitBias = new Dictionary<int, float> { [7] = float.NegativeInfinity, [8] = 1000f } }.Validate());
    }

    [Fact]
    public void Text_is_held_back_up_to_the_longest_stop()
    {
        Assert.Equal(0, new SamplingParams().StopHoldBackLength);
        Assert.Equal(2, new SamplingParams { Stop = ["END", "x"] }.StopHoldBackLength);
        Assert.Equal(0, new SamplingParams { Stop = ["END"], IncludeStopStrInOutput = true }.StopHoldBackLength);
    }

    [Theory]
    [InlineData(2, "2.0")]
    [InlineData(0.1, "0.1")]
    [InlineData(1e-5, "1e-05")]
    [InlineData(1.5e-7, "1.5e-07")]
    [InlineData(0.0001, "0.0001")]
    [InlineData(1e15, "1000000000000000.0")]
    [InlineData(1e16, "1e+16")]
    [InlineData(-1.25e300, "-1.25e+300")]
    [InlineData(123456789.125, "123456789.125")]
    [InlineData(12345678901234567890.0, "1.2345678901234567e+19")]
    [InlineData(0.00123, "0.00123")]
    [InlineData(100, "100.0")]
    [InlineData(-0.0, "-0.0")]
    [InlineData(5e-324, "5e-324")]
    [InlineData(double.NegativeInfinity, "-inf")]
    public void Numbers_are_printed_as_python_prints_them(double value, string text) => Assert.Equal(text, PythonRepr.Number(value));

    [Fact]
    public void Lists_are_printed_as_python_prints_them() =>
        Assert.Equal("""['a', "it's", 'say "x"', 'both \' and "', 'a\nb\\']""",
            PythonRepr.List(["a", "it's", "say \"x\"", "both ' and \"", "a\nb\\"]));
}
