using Quire.Core.Requests;
using Quire.Core.Scheduling;

namespace Quire.Core.Tests.Scheduling;

public class StopRulesTests
{
    private const int Eos = 50;

    private static readonly RequestSpec Plain = new()
    {
        Id = new RequestId(1),
        PromptTokenIds = [1, 2],
        MaxTokens = 4,
        EosTokenId = Eos,
        StopTokenIds = [60, 61],
    };

    [Fact]
    public void The_end_of_sequence_token_stops_and_names_nothing() => Expect(Plain, [7, Eos], 2, FinishReason.Stop, null);

    [Fact]
    public void A_stop_token_stops_and_is_named() => Expect(Plain, [7, 61], 2, FinishReason.Stop, 61);

    [Fact]
    public void Max_tokens_cuts() => Expect(Plain, [7, 7, 7, 7], 4, FinishReason.Length, null);

    [Fact]
    public void The_end_of_sequence_token_as_the_last_allowed_one_is_a_stop() => Expect(Plain, [7, 7, 7, Eos], 4, FinishReason.Stop, null);

    [Fact]
    public void One_allowed_token_ends_at_once() => Expect(Plain with { MaxTokens = 1 }, [7], 1, FinishReason.Length, null);

    [Fact]
    public void An_ignored_end_of_sequence_token_is_a_token_like_others() => Expect(Plain with { EosTokenId = null }, [Eos, 60], 2, FinishReason.Stop, 60);

    [Fact]
    public void The_end_of_sequence_token_among_the_stop_tokens_still_names_nothing() =>
        Expect(Plain with { StopTokenIds = [Eos] }, [Eos], 1, FinishReason.Stop, null);

    [Fact]
    public void Nothing_stops_before_min_tokens() => Expect(Plain with { MinTokens = 3 }, [Eos, 60, 7, Eos], 4, FinishReason.Stop, null);

    [Fact]
    public void The_token_that_reaches_min_tokens_may_stop() => Expect(Plain with { MinTokens = 3 }, [7, 7, Eos], 3, FinishReason.Stop, null);

    [Fact]
    public void The_context_length_cuts_even_before_min_tokens() =>
        Expect(Plain with { MaxTokens = 9, MinTokens = 9 }, [7, 7, 7], 3, FinishReason.Length, null, maxLength: 5);

    [Fact]
    public void Repetition_ends_the_request_when_it_asked_for_that()
    {
        RequestSpec spec = Plain with { MaxTokens = 20, RepetitionDetection = new RepetitionDetection(3, 2, 3) };
        Expect(spec, [7, 7, 7, 7, 8, 9, 8, 9, 8, 9], 10, FinishReason.Repetition, null);
        Expect(spec with { RepetitionDetection = new RepetitionDetection(2, 0, 4) }, [1, 7, 7, 7, 7], 5, FinishReason.Repetition, null);
    }

    [Theory]
    [InlineData(3, 1, 2, new[] { 1, 2, 3, 1, 2, 3 }, true)]
    [InlineData(2, 1, 2, new[] { 1, 2, 3, 1, 2, 3 }, false)]
    [InlineData(3, 1, 3, new[] { 1, 2, 3, 1, 2, 3 }, false)]
    [InlineData(3, 3, 2, new[] { 5, 1, 1 }, false)]
    [InlineData(4, 0, 2, new[] { 1, 1 }, true)]
    [InlineData(0, 0, 0, new[] { 1, 1, 1, 1 }, false)]
    [InlineData(3, 1, 2, new int[0], false)]
    public void A_pattern_must_stand_at_the_end_often_enough(int max, int min, int count, int[] output, bool repeating) =>
        Assert.Equal(repeating, new RepetitionDetection(max, min, count).IsRepeating(output));

    private static void Expect(RequestSpec spec, int[] sampled, int stopsAfter, FinishReason reason, int? stopTokenId, int maxLength = 100)
    {
        var state = new RequestState(spec, 0, null);
        for (int i = 0; i < sampled.Length; i++)
        {
            state.Append(sampled[i]);
            FinishReason? actual = StopRules.Test(state, maxLength, out int? actualStop);
            Assert.Equal(i + 1 == stopsAfter ? reason : null, actual);
            Assert.Equal(i + 1 == stopsAfter ? stopTokenId : null, actualStop);
        }

        Assert.Equal(stopsAfter, sampled.Length);
    }
}
