using System;
using System.Collections.Generic;
using System.Linq;
using System.Text;
using System.Text.Json.Nodes;
using System.Threading.Tasks;
using CsCheck;
using Quire.Tokenization.Engines;

namespace Quire.Tokenization.Tests;

public sealed class EncodingTests
{
    [Fact]
    public void Byte_level_encoding_loses_nothing()
    {
        ITokenizer tokenizer = TestFiles.Tokenizer("quill");
        Gen.String.Sample(
            text =>
            {
                string valid = Encoding.UTF8.GetString(Encoding.UTF8.GetBytes(text));
                return tokenizer.Decode(tokenizer.Encode(text, addSpecialTokens: false), skipSpecialTokens: false) == valid;
            },
            iter: 2000);
    }

    [Theory]
    [InlineData("quill")]
    [InlineData("llama3")]
    [InlineData("mistral_nemo")]
    public void Byte_level_encoding_of_any_script_loses_nothing(string name)
    {
        ITokenizer tokenizer = TestFiles.Tokenizer(name);
        for (int seed = 0; seed < 500; seed++)
        {
            string text = RandomText.Next(new Random(seed), 40);
            string back = tokenizer.Decode(tokenizer.Encode(text, addSpecialTokens: false), skipSpecialTokens: false);
            Assert.True(text == back, $"seed {seed}: {text} became {back}");
        }
    }

    [Fact]
    public void Repeated_words_encode_as_they_did_the_first_time()
    {
        JsonObject file = TinyTokenizer.ByteLevel();
        ITokenizer tokenizer = TinyTokenizer.Load(file);
        for (int seed = 0; seed < 200; seed++)
        {
            string text = RandomText.Next(new Random(seed), 20);
            int[] fresh = TinyTokenizer.Load(file).Encode(text, addSpecialTokens: false);
            Assert.Equal(fresh, tokenizer.Encode(text, addSpecialTokens: false));
            Assert.Equal(fresh, tokenizer.Encode(text, addSpecialTokens: false));
        }
    }

    [Fact]
    public async Task Many_threads_get_the_same_ids()
    {
        ITokenizer tokenizer = TestFiles.Tokenizer("quill");
        string[] texts = [.. Enumerable.Range(0, 200).Select(seed => RandomText.Next(new Random(seed), 40))];
        int[][] expected = Array.ConvertAll(texts, text => TokenizerLoader.Load(TestFiles.QuillFolder) is var own && text.Length < 20
            ? own.Encode(text, addSpecialTokens: false)
            : tokenizer.Encode(text, addSpecialTokens: false));
        await Task.WhenAll(Enumerable.Range(0, 4).Select(worker => Task.Run(() =>
        {
            for (int i = 0; i < texts.Length; i++)
            {
                int index = (i + (worker * 50)) % texts.Length;
                Assert.Equal(expected[index], tokenizer.Encode(texts[index], addSpecialTokens: false));
            }
        })));
    }

    [Fact]
    public void A_long_text_without_a_space_is_encoded_whole()
    {
        ITokenizer tokenizer = TestFiles.Tokenizer("quill");
        var random = new Random(1);
        string text = string.Create(300_000, random, static (letters, source) =>
        {
            for (int i = 0; i < letters.Length; i++)
                letters[i] = (char)('a' + source.Next(26));
        });
        int[] ids = tokenizer.Encode(text, addSpecialTokens: false);
        Assert.True(ids.Length < text.Length);
        Assert.Equal(text, tokenizer.Decode(ids, skipSpecialTokens: false));
    }

    [Theory]
    [InlineData(5)]
    [InlineData(40)]
    [InlineData(49)]
    [InlineData(300)]
    public void Merging_takes_the_lowest_rank_and_the_leftmost_pair_first(int length)
    {
        for (int seed = 0; seed < 200; seed++)
        {
            var random = new Random(seed);
            var merges = new MergeTable(64);
            var ranks = new Dictionary<(int Left, int Right), (int Rank, int Merged)>();
            for (int rank = 0; rank < 40; rank++)
            {
                (int left, int right, int merged) = (random.Next(8 + rank), random.Next(8 + rank), 8 + rank);
                merges.Add(left, right, rank, merged);
                ranks[(left, right)] = (rank, merged);
            }
            int[] symbols = [.. Enumerable.Range(0, length).Select(_ => random.Next(4))];
            List<int> expected = MergePlainly(ranks, symbols);
            int count = BytePairMerger.Merge(merges, symbols);
            Assert.True(expected.SequenceEqual(symbols[..count]), $"seed {seed}");
        }
    }

    [Fact]
    public void Pieces_cut_before_space_marks_encode_as_the_whole_text_does()
    {
        JsonObject cut = TinyTokenizer.Pieces();
        JsonObject whole = TinyTokenizer.Pieces();
        // A token with a mark inside it forbids the cut behind its letter; ignoring merges forbids it everywhere.
        whole["model"]!["ignore_merges"] = true;
        for (int seed = 0; seed < 300; seed++)
        {
            var random = new Random(seed);
            string text = string.Concat(Enumerable.Range(0, random.Next(40)).Select(_ => "hello abé 😀"[random.Next(12)]));
            Assert.Equal(TinyTokenizer.Tokens(TinyTokenizer.Load(whole), text + "z"), TinyTokenizer.Tokens(TinyTokenizer.Load(cut), text + "z"));
        }
    }

    [Fact]
    public void A_character_that_is_missing_becomes_bytes_or_the_unknown_token()
    {
        Assert.Equal(["▁", "<0xC3>", "<0xBC>", "a"], TinyTokenizer.Tokens(TinyTokenizer.Load(TinyTokenizer.Pieces()), "üa"));
        JsonObject file = TinyTokenizer.Pieces(byteFallback: false);
        Assert.Equal(["▁", "<unk>", "a"], TinyTokenizer.Tokens(TinyTokenizer.Load(file), "üüa"));
        file["model"]!["fuse_unk"] = false;
        Assert.Equal(["▁", "<unk>", "<unk>", "a"], TinyTokenizer.Tokens(TinyTokenizer.Load(file), "üüa"));
    }

    [Fact]
    public void A_word_that_is_a_token_is_taken_whole_when_merges_are_ignored()
    {
        JsonObject file = TinyTokenizer.ByteLevel();
        JsonObject vocabulary = file["model"]!["vocab"]!.AsObject();
        vocabulary["xyz"] = vocabulary.Count;
        Assert.Equal(["x", "y", "z"], TinyTokenizer.Tokens(TinyTokenizer.Load(file), "xyz"));
        file["model"]!["ignore_merges"] = true;
        Assert.Equal(["xyz"], TinyTokenizer.Tokens(TinyTokenizer.Load(file), "xyz"));
        Assert.Equal(["hello"], TinyTokenizer.Tokens(TinyTokenizer.Load(file), "hello"));
    }

    [Fact]
    public void An_unpaired_surrogate_counts_as_the_replacement_character()
    {
        ITokenizer tokenizer = TestFiles.Tokenizer("quill");
        Assert.Equal(tokenizer.Encode("a\uFFFDb", addSpecialTokens: false), tokenizer.Encode("a\uD83Db", addSpecialTokens: false));
    }

    private static List<int> MergePlainly(Dictionary<(int Left, int Right), (int Rank, int Merged)> ranks, int[] symbols)
    {
        var left = new List<int>(symbols);
        while (true)
        {
            int best = -1;
            for (int i = 0; i + 1 < left.Count; i++)
            {
                if (ranks.TryGetValue((left[i], left[i + 1]), out (int Rank, int Merged) found)
                    && (best < 0 || found.Rank < ranks[(left[best], left[best + 1])].Rank))
                    best = i;
            }
            if (best < 0)
                return left;
            left[best] = ranks[(left[best], left[best + 1])].Merged;
            left.RemoveAt(best + 1);
        }
    }
}
