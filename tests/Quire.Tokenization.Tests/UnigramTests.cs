using System;
using System.Collections.Generic;
using System.Linq;
using System.Text;
using System.Text.Json.Nodes;

namespace Quire.Tokenization.Tests;

public sealed class UnigramTests
{
    [Fact]
    public void The_best_way_to_cut_a_text_is_found()
    {
        // Every way to cut short texts is scored by brute force.
        for (int seed = 0; seed < 300; seed++)
        {
            var random = new Random(seed);
            var scores = new Dictionary<string, double> { ["<unk>"] = 0, ["a"] = -3.1, ["b"] = -2.7, ["c"] = -4.3 };
            for (int i = 0; i < 8; i++)
                scores[Text(random, 2 + random.Next(3))] = -random.NextDouble() * 12;
            ITokenizer tokenizer = Load(scores);
            string text = Text(random, 1 + random.Next(10));
            int[] ids = tokenizer.Encode(text, false);
            Assert.Equal(text, string.Concat(ids.Select(id => tokenizer.IdToToken(id))));
            double actual = ids.Sum(id => scores[tokenizer.IdToToken(id)!]);
            Assert.True(Math.Abs(Best(text, scores) - actual) < 1e-9, $"seed {seed}: {text} cut into {string.Join('|', ids.Select(tokenizer.IdToToken))}");
        }
    }

    [Fact]
    public void Unknown_characters_become_one_unknown_token_or_bytes()
    {
        var scores = new Dictionary<string, double> { ["<unk>"] = 0, ["a"] = -1 };
        Assert.Equal([1, 0, 1], Load(scores).Encode("aé😀a", false));
        for (int value = 0; value < 256; value++)
            scores[$"<0x{value:X2}>"] = -5;
        ITokenizer bytes = Load(scores, byteFallback: true);
        Assert.Equal(["a", "<0xC3>", "<0xA9>", "a"], bytes.Encode("aéa", false).Select(id => bytes.IdToToken(id)));
    }

    [Fact]
    public void A_long_text_without_spaces_takes_time_in_proportion()
    {
        ITokenizer tokenizer = Load(new Dictionary<string, double> { ["<unk>"] = 0, ["a"] = -1, ["aa"] = -1.5, ["aaa"] = -2 });
        Assert.Equal(100_000, tokenizer.Encode(new string('a', 300_000), false).Length);
    }

    [Theory]
    [InlineData("""[["a", "x"]]""")]
    [InlineData("""[["a", -1], ["a", -2]]""")]
    [InlineData("""[["a"]]""")]
    [InlineData("[]")]
    [InlineData("""{"a": 1}""")]
    public void Broken_lists_of_pieces_are_refused(string vocabulary)
    {
        byte[] json = Encoding.UTF8.GetBytes($$$"""{"model": {"type": "Unigram", "unk_id": null, "vocab": {{{vocabulary}}}}}""");
        Assert.Contains("vocab", Assert.Throws<TokenizerException>(() => TokenizerLoader.Parse(json)).Message, StringComparison.Ordinal);
    }

    private static ITokenizer Load(Dictionary<string, double> scores, bool byteFallback = false)
    {
        var pieces = new JsonArray();
        foreach ((string piece, double score) in scores)
            pieces.Add(new JsonArray(piece, score));
        return TinyTokenizer.Load(new JsonObject
        {
            ["added_tokens"] = new JsonArray(new JsonObject { ["id"] = 0, ["content"] = "<unk>", ["special"] = true }),
            ["model"] = new JsonObject { ["type"] = "Unigram", ["unk_id"] = 0, ["vocab"] = pieces, ["byte_fallback"] = byteFallback },
        });
    }

    private static string Text(Random random, int length) => string.Concat(Enumerable.Range(0, length).Select(_ => (char)('a' + random.Next(3))));

    private static double Best(string text, Dictionary<string, double> scores)
    {
        if (text.Length == 0)
            return 0;
        double best = double.NegativeInfinity;
        for (int length = 1; length <= text.Length; length++)
        {
            if (scores.TryGetValue(text[..length], out double score))
                best = Math.Max(best, score + Best(text[length..], scores));
        }
        return best;
    }
}
