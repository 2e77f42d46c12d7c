using System;
using System.Collections.Generic;
using Quire.Core.Requests;

namespace Quire.Engine.Sampling;

/// <summary>
/// Turns bad_words into token sequences as vLLM does: each word, without leading white space, is tokenised alone and with a leading space;
/// the second form counts only when it has the same length and another first token.
/// </summary>
public static class BadWordTokens
{
    /// <summary>The most sequences of one request.</summary>
    public const int MaxSequences = 128;

    /// <summary>The most tokens of all sequences of one request.</summary>
    public const int MaxTokens = 1024;

    /// <summary>Null when the words were tokenised.</summary>
    /// <param name="badWords">The request's bad_words, none of them empty.</param>
    /// <param name="encode">Text to ids, without special tokens.</param>
    /// <param name="vocabularySize">One more than the highest id that may be sampled.</param>
    /// <param name="sequences">The sequences, each at least one token.</param>
    public static Refusal? Tokenize(
        IReadOnlyList<string> badWords, Func<string, int[]> encode, int vocabularySize, out IReadOnlyList<int[]> sequences)
    {
        ArgumentNullException.ThrowIfNull(badWords);
        ArgumentNullException.ThrowIfNull(encode);
        var found = new List<int[]>();
        sequences = found;
        int tokens = 0;
        foreach (string badWord in badWords)
        {
            string word = badWord.TrimStart();
            int[] plain = encode(word);
            if (plain.Length == 0)
                return Invalid("bad_words entries must tokenize to at least one token.");
            found.Add(plain);
            tokens += plain.Length;
            int[] spaced = encode(" " + word);
            if (spaced.Length == plain.Length && spaced[0] != plain[0])
            {
                found.Add(spaced);
                tokens += spaced.Length;
            }

            if (found.Count > MaxSequences)
                return Invalid($"Too many bad words after tokenization: {found.Count}. The max number is {MaxSequences}.");
            if (tokens > MaxTokens)
                return Invalid($"Too many tokens in bad words after tokenization: {tokens}. The max number is {MaxTokens}.");
        }

        return CheckIds(found, vocabularySize);
    }

    private static Refusal? CheckIds(List<int[]> sequences, int vocabularySize)
    {
        var invalid = new List<int>();
        foreach (int[] sequence in sequences)
        {
            foreach (int id in sequence)
            {
                if (id < 0 || id >= vocabularySize)
                    invalid.Add(id);
            }
        }

        return invalid.Count == 0
            ? null
            : Invalid($"The model vocabulary size is {vocabularySize}, but the following tokens were specified as bad: "
                + $"{SamplingChecks.List(invalid)}. All token id values should be integers satisfying: "
                + $"0 <= token_id <= {vocabularySize - 1}.");
    }

    private static Refusal Invalid(string message) => new(RefusalCode.InvalidValue, "bad_words", message);
}
