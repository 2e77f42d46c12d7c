using System;
using System.Collections.Generic;
using System.Linq;
using System.Text;
using System.Text.Json.Nodes;
using Quire.Tokenization.Engines;
using Quire.Tokenization.Loading;
using Quire.Tokenization.PreTokenizers;

namespace Quire.Tokenization.Tests;

public sealed class PreTokenizerTests
{
    public static TheoryData<string> Patterns =>
    [
        Gpt2Scanner.Pattern, LettersAndDigitsScanner.OneDigitPattern, LettersAndDigitsScanner.ThreeDigitsPattern,
        LettersAndDigitsScanner.Cl100kPattern, LettersAndDigitsScanner.OneDigitMarksPattern, CasedWordsScanner.TekkenPattern, CasedWordsScanner.O200kPattern,
    ];

    [Theory]
    [MemberData(nameof(Patterns))]
    public void A_hand_written_scanner_finds_what_its_pattern_matches(string pattern)
    {
        // .NET writes possessive quantifiers as atomic groups.
        string translated = pattern.Replace(@"[^\r\n\p{L}\p{N}]?+", @"(?>[^\r\n\p{L}\p{N}]?)").Replace(@"[^\s\p{L}\p{N}]++", @"(?>[^\s\p{L}\p{N}]+)");
        var regex = new RegexFinder(translated, TimeSpan.FromSeconds(10));
        PatternScanner scanner = Scanner(pattern);
        for (int seed = 0; seed < 1000; seed++)
        {
            string text = RandomText.Next(new Random(seed), 25);
            var expected = new List<(int Start, int End)>();
            regex.Find(text, expected);
            var actual = new List<(int Start, int End)>();
            for (int start = 0; start < text.Length; start = actual[^1].End)
                actual.Add((start, scanner.Next(text, start)));
            Assert.True(expected.SequenceEqual(actual), $"seed {seed}: {text}\n{Show(text, expected)}\n{Show(text, actual)}");
        }
    }

    [Fact]
    public void Without_regard_to_case_a_long_s_ends_a_contraction()
    {
        var scanner = new LettersAndDigitsScanner(digitsMax: 1, marksAreLetters: false);
        Assert.Equal(2, scanner.Next("'ſx", 0));
        Assert.Equal(1, new Gpt2Scanner().Next("'ſx", 0));
    }

    [Theory]
    [InlineData("Isolated", "a|-|b|-|-|c")]
    [InlineData("Removed", "a|b|c")]
    [InlineData("MergedWithPrevious", "a-|b-|-|c")]
    [InlineData("MergedWithNext", "a|-b|-|-c")]
    [InlineData("Contiguous", "a|-|b|--|c")]
    public void A_split_treats_matches_as_its_behavior_says(string behavior, string expected)
    {
        var split = new JsonObject
        {
            ["type"] = "Split",
            ["pattern"] = new JsonObject { ["String"] = "-" },
            ["behavior"] = behavior,
            ["invert"] = false,
        };
        Assert.Equal(expected.Split('|'), Pieces(split, "a-b--c"));
    }

    [Fact]
    public void Digits_are_split_from_letters_and_on_request_from_each_other()
    {
        Assert.Equal(["ab", "12", "c"], Pieces(new JsonObject { ["type"] = "Digits", ["individual_digits"] = false }, "ab12c"));
        Assert.Equal(["ab", "1", "2", "c"], Pieces(new JsonObject { ["type"] = "Digits", ["individual_digits"] = true }, "ab12c"));
    }

    [Fact]
    public void Metaspace_marks_words_and_the_beginning_of_the_text()
    {
        JsonObject Metaspace(string scheme) => new() { ["type"] = "Metaspace", ["replacement"] = "_", ["prepend_scheme"] = scheme, ["split"] = true };
        Assert.Equal(["_a", "_b"], Pieces(Metaspace("always"), "a b"));
        Assert.Equal(["_a", "_b"], Pieces(Metaspace("first"), "a b"));
        Assert.Equal(["a", "_b"], Pieces(Metaspace("never"), "a b"));
        Assert.Equal(["_a", "_b"], Pieces(Metaspace("always"), "a b", atStart: false));
        Assert.Equal(["a", "_b"], Pieces(Metaspace("first"), "a b", atStart: false));
        Assert.Equal(["_a"], Pieces(Metaspace("always"), " a"));
    }

    [Fact]
    public void An_unknown_pattern_works_on_characters_beyond_the_basic_plane()
    {
        var split = new JsonObject
        {
            ["type"] = "Split",
            ["pattern"] = new JsonObject { ["Regex"] = @"\p{L}+|[^\p{L}]" },
            ["behavior"] = "Isolated",
        };
        Assert.Equal(["𐐀𐐨a", "😀", "!"], Pieces(split, "𐐀𐐨a😀!"));
    }

    [Fact]
    public void The_several_splits_of_DeepSeek_work_one_after_the_other()
    {
        JsonObject Split(string pattern) => new()
        {
            ["type"] = "Split",
            ["pattern"] = new JsonObject { ["Regex"] = pattern },
            ["behavior"] = "Isolated",
            ["invert"] = false,
        };
        var sequence = new JsonObject
        {
            ["type"] = "Sequence",
            ["pretokenizers"] = new JsonArray(
                Split(@"\p{N}{1,3}"),
                Split("[一-龥\u3040-ゟ゠-ヿ]+"),
                Split(@"[!""#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+"
                    + @"| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"),
                new JsonObject { ["type"] = "ByteLevel", ["add_prefix_space"] = false, ["use_regex"] = false }),
        };
        Assert.Equal(
            ["Hello", " wor", "123", "4", " ", "世界です", "!\n", "  ", " x", "=", "1", ".a"],
            Pieces(sequence, "Hello wor1234 世界です!\n   x=1.a"));
    }

    private static PatternScanner Scanner(string pattern) => pattern switch
    {
        Gpt2Scanner.Pattern => new Gpt2Scanner(),
        LettersAndDigitsScanner.OneDigitPattern => new LettersAndDigitsScanner(1, marksAreLetters: false),
        LettersAndDigitsScanner.ThreeDigitsPattern or LettersAndDigitsScanner.Cl100kPattern => new LettersAndDigitsScanner(3, marksAreLetters: false),
        LettersAndDigitsScanner.OneDigitMarksPattern => new LettersAndDigitsScanner(1, marksAreLetters: true),
        CasedWordsScanner.TekkenPattern => new CasedWordsScanner(1, contractions: false),
        _ => new CasedWordsScanner(3, contractions: true),
    };

    private static string Show(string text, List<(int Start, int End)> parts) =>
        string.Join('|', parts.Select(part => text[part.Start..part.End]));

    private static string[] Pieces(JsonObject preTokenizer, string text, bool atStart = true)
    {
        JsonPart part = JsonPart.Parse("tokenizer.json", Encoding.UTF8.GetBytes(preTokenizer.ToJsonString()));
        var model = new RecordingModel();
        new PieceSink(PreTokenizerReader.Read(part).Steps, model, []).Take(text, atStart);
        return model.Pieces.ToArray();
    }

    private sealed class RecordingModel : BpeModel
    {
        public List<string> Pieces { get; } = [];

        public override void Encode(ReadOnlySpan<char> piece, List<int> destination) => Pieces.Add(piece.ToString());
    }
}
