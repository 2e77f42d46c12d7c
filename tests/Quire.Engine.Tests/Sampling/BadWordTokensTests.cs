using System.Collections.Generic;
using System.Linq;
using Quire.Core.Requests;
using Quire.Engine.Sampling;

namespace Quire.Engine.Tests.Sampling;

public class BadWordTokensTests
{
    /// <summary>Words are tokens 1 to 99, with a space before them 101 to 199; a space alone is 100.</summary>
    private static readonly Dictionary<string, int[]> Vocabulary = new()
    {
        ["cat"] = [1],
        [" cat"] = [101],
        ["dog"] = [2],
        [" dog"] = [100, 2],
        ["hot dog"] = [3, 2],
        [" hot dog"] = [103, 2],
        ["same"] = [4],
        [" same"] = [4],
        ["nothing"] = [],
        [" nothing"] = [],
        ["far"] = [900],
        [" far"] = [900, 1],
    };

    [Fact]
    public void The_form_with_a_space_counts_when_it_is_as_long_and_begins_otherwise()
    {
        string[] words = ["cat", "dog", "  hot dog", "same"];
        Assert.Null(BadWordTokens.Tokenize(words, word => Vocabulary[word], 200, out IReadOnlyList<int[]> found));
        Assert.Equal<int[]>([[1], [101], [2], [3, 2], [103, 2], [4]], found);
    }

    [Fact]
    public void Words_without_tokens_and_ids_outside_the_vocabulary_are_refused()
    {
        Assert.Equal("bad_words entries must tokenize to at least one token.", Refused("nothing").Message);
        Assert.Equal(
            "The model vocabulary size is 200, but the following tokens were specified as bad: [900]. "
            + "All token id values should be integers satisfying: 0 <= token_id <= 199.",
            Refused("far").Message);
        Assert.Equal("bad_words", Refused("far").Field);
    }

    [Fact]
    public void There_are_limits_for_sequences_and_tokens()
    {
        Refusal? many = BadWordTokens.Tokenize([.. Enumerable.Repeat("dog", 129)], word => Vocabulary[word], 200, out _);
        Assert.Equal("Too many bad words after tokenization: 129. The max number is 128.", many!.Message);
        Refusal? large = BadWordTokens.Tokenize(["a"], _ => new int[1025], 200, out _);
        Assert.Equal("Too many tokens in bad words after tokenization: 1025. The max number is 1024.", large!.Message);
    }

    private static Refusal Refused(string word)
    {
        Refusal? refusal = BadWordTokens.Tokenize([word], text => Vocabulary[text], 200, out _);
        Assert.NotNull(refusal);
        return refusal;
    }
}
