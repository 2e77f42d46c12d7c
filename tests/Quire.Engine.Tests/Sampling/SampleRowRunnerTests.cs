using System.IO;
using System.Text;
using System.Text.Json;
using Quire.Core.Requests;
using Quire.Engine.Sampling;

namespace Quire.Engine.Tests.Sampling;

public class SampleRowRunnerTests
{
    [Theory]
    [InlineData("{\"logits\":[1,2", "logits", "not valid JSON")]
    [InlineData("null", "row", "expected an object")]
    [InlineData("{}", "logits", "at least one number")]
    [InlineData("{\"logits\":[]}", "logits", "at least one number")]
    [InlineData("{\"logits\":[1,\"a\"]}", "logits", "wrong type")]
    [InlineData("{\"logits\":[1,2],\"vocab\":3}", "vocab", "vocab is 3, but there are 2 logits.")]
    [InlineData("{\"logits\":[1,2],\"params\":{\"top_q\":1}}", "params.top_q", "unknown name")]
    [InlineData("{\"logits\":[1,2],\"params\":{\"top_p\":0}}", "top_p", "top_p must be in (0, 1], got 0.0.")]
    [InlineData("{\"logits\":[1,2],\"params\":{\"allowed_token_ids\":[2]}}", "allowed_token_ids", "out-of-vocab")]
    [InlineData("{\"logits\":[1,2],\"params\":{\"bad_words_token_ids\":[[]]}}", "bad_words_token_ids", "at least one token id")]
    [InlineData("{\"logits\":[1,2],\"params\":{\"stop_token_ids\":null,\"min_tokens\":1}}", "stop_token_ids", "must be a list")]
    [InlineData("{\"logits\":[1,2],\"params\":null}", "params", "must be an object")]
    [InlineData("{\"logits\":[1,2],\"output_token_ids\":[7]}", "output_token_ids", "token id 7 is outside the vocabulary of 2.")]
    [InlineData("{\"logits\":[1,2],\"prompt_token_ids\":null}", "prompt_token_ids", "must be a list")]
    [InlineData("{\"logits\":[null,null]}", "logits", "No token is allowed")]
    [InlineData("{\"logits\":[1,1e39]}", "logits", "infinite")]
    public void A_bad_row_is_refused_with_one_clear_message(string row, string field, string message)
    {
        Refusal? refusal = Answer(row, out string answer);
        Assert.Equal("", answer);
        Assert.Contains(message, refusal?.Message);
        Assert.StartsWith(field, refusal?.Field);
    }

    [Fact]
    public void Rows_of_different_vocabularies_are_answered_one_after_the_other()
    {
        var runner = new SampleRowRunner();
        foreach (int length in new[] { 3, 500, 2, 70 })
        {
            string row = "{\"logits\":[" + string.Join(",", new int[length]) + "]}";
            Assert.Null(Answer(row, out string answer, runner));
            Assert.Contains($"\"kept\":{length}", answer);
        }
    }

    [Fact]
    public void Null_is_minus_infinity_and_temperature_0_has_all_probability_on_one_token()
    {
        Assert.Null(Answer("{\"logits\":[null,1,1,0],\"params\":{\"temperature\":0,\"logprobs\":1},\"sampled\":3}", out string answer));
        Assert.StartsWith("{\"probs\":[[1,1]],\"kept\":3,\"greedy\":1,\"rank\":{\"raw\":3,\"processed\":3},", answer);
        Assert.Contains("\"logprobs\":{\"raw\":[[3,-1.86", answer);
    }

    private static Refusal? Answer(string row, out string answer, SampleRowRunner? runner = null)
    {
        using var stream = new MemoryStream();
        Refusal? refusal;
        using (var writer = new Utf8JsonWriter(stream))
            refusal = (runner ?? new SampleRowRunner()).Answer(Encoding.UTF8.GetBytes(row), writer);
        answer = Encoding.UTF8.GetString(stream.ToArray());
        return refusal;
    }
}
