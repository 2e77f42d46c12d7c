using System.Collections.Generic;
using System.Linq;
using Quire.Core.Requests;
using Quire.Engine.Sampling;

namespace Quire.Engine.Tests.Sampling;

public class SamplingChecksTests
{
    public static TheoryData<SamplingParams, string, string> Refused => new()
    {
        { new() { Logprobs = 21 }, "logprobs", "Requested sample logprobs of 21, which is greater than max allowed: 20" },
        { new() { Logprobs = -1 }, "logprobs", "Requested sample logprobs of 100, which is greater than max allowed: 20" },
        { new() { PromptLogprobs = 40 }, "prompt_logprobs", "Requested prompt logprobs of 40, which is greater than max allowed: 20" },
        {
            new() { LogprobTokenIds = [1, 100] }, "logprob_token_ids",
            "token_id(s) [100] in logprob_token_ids contain out-of-vocab token ids. Vocabulary size: 100"
        },
        {
            new() { LogitBias = new Dictionary<int, float> { [-1] = 1, [5] = 1, [200] = 2 } }, "logit_bias",
            "token_id(s) [-1, 200] in logit_bias contain out-of-vocab token ids. Vocabulary size: 100"
        },
        {
            new() { StopTokenIds = [3, 100] }, "stop_token_ids",
            "token_id(s) [100] in stop_token_ids contain out-of-vocab token ids. Vocabulary size: 100"
        },
        { new() { AllowedTokenIds = [] }, "allowed_token_ids", "allowed_token_ids is not None and empty!" },
        { new() { AllowedTokenIds = [4, 100] }, "allowed_token_ids", "allowed_token_ids contains out-of-vocab token id!" },
    };

    [Theory]
    [MemberData(nameof(Refused))]
    public void What_does_not_fit_the_model_is_refused_in_the_words_of_vllm(SamplingParams sampling, string field, string message)
    {
        Refusal? refusal = SamplingChecks.Validate(sampling, vocabularySize: 100);
        Assert.Equal(field, refusal?.Field);
        Assert.Equal(message, refusal?.Message);
    }

    [Fact]
    public void What_fits_the_model_passes()
    {
        var sampling = new SamplingParams
        {
            Logprobs = 20,
            PromptLogprobs = 0,
            StopTokenIds = [99],
            AllowedTokenIds = [0, 99],
            MinP = 0.1,
            LogitBias = new Dictionary<int, float> { [0] = 1 },
        };
        Assert.Null(SamplingChecks.Validate(sampling, 100));
        Assert.Null(SamplingChecks.Validate(new SamplingParams { Logprobs = -1 }, 100, maxLogprobs: -1));
    }

    [Fact]
    public void Speculation_refuses_min_p_and_logit_bias()
    {
        const string Message = "The min_p and logit_bias sampling parameters are not yet supported with speculative decoding.";
        Assert.Equal(Message, SamplingChecks.Validate(new SamplingParams { MinP = 0.1 }, 100, speculative: true)?.Message);
        Assert.Equal(Message, SamplingChecks.Validate(
            new SamplingParams { LogitBias = new Dictionary<int, float> { [0] = 1 } }, 100, speculative: true)?.Message);
        Assert.Null(SamplingChecks.Validate(new SamplingParams { TopP = 0.5 }, 100, speculative: true));
    }

    [Fact]
    public void A_long_list_of_wrong_ids_is_cut_in_the_message()
    {
        Refusal? refusal = SamplingChecks.Validate(new SamplingParams { StopTokenIds = [.. Enumerable.Range(100, 100_000)] }, 100);
        Assert.True(refusal!.Message.Length < 300, refusal.Message);
    }
}
