using System;
using System.Collections.Generic;
using System.Linq;
using System.Text;

namespace Quire.Tokenization.Tests;

public sealed class DecodingTests
{
    public static TheoryData<string> Names => ["quill", "qwen3", "llama3", "mistral_nemo", "llama2", "gemma3"];

    [Theory]
    [MemberData(nameof(Names))]
    public void Pieces_joined_are_the_whole_text_for_random_ids(string name)
    {
        ITokenizer tokenizer = TestFiles.Tokenizer(name);
        for (int seed = 0; seed < 300; seed++)
        {
            var random = new Random(seed);
            int[] ids = RandomIds(random, tokenizer);
            CheckPieces(tokenizer, ids, skipSpecialTokens: seed % 2 == 0, $"{name} seed {seed}");
        }
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Pieces_joined_are_the_whole_text_for_encoded_text(string name)
    {
        ITokenizer tokenizer = TestFiles.Tokenizer(name);
        for (int seed = 0; seed < 300; seed++)
        {
            string text = RandomText.Next(new Random(seed), 30);
            CheckPieces(tokenizer, tokenizer.Encode(text, addSpecialTokens: true), skipSpecialTokens: seed % 2 == 0, $"{name} seed {seed}");
        }
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Decoding_is_the_chain_of_the_reference_applied_to_all_tokens_at_once(string name)
    {
        ITokenizer tokenizer = TestFiles.Tokenizer(name);
        bool byteLevel = name is not ("llama2" or "gemma3");
        for (int seed = 0; seed < 300; seed++)
        {
            int[] ids = RandomIds(new Random(seed), tokenizer);
            string[] tokens = [.. ids.Select(tokenizer.IdToToken).Where(token => token is not null).Select(token => token!)];
            string expected = byteLevel ? ReferenceDecoders.ByteLevel(tokens) : ReferenceDecoders.Pieces(tokens, stripStart: name == "llama2" ? 1 : 0);
            Assert.True(expected == tokenizer.Decode(ids, skipSpecialTokens: false), $"{name} seed {seed}: {string.Join(' ', ids)}");
        }
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Generated_text_continues_the_prompt(string name)
    {
        ITokenizer tokenizer = TestFiles.Tokenizer(name);
        for (int seed = 0; seed < 100; seed++)
        {
            var random = new Random(seed);
            int[] ids = tokenizer.Encode("start " + RandomText.Next(random, 30), addSpecialTokens: true);
            int cut = 2 + random.Next(ids.Length - 1);
            int[] prompt = ids[..Math.Min(cut, ids.Length)];
            var decoder = new IncrementalDecoder(tokenizer, skipSpecialTokens: false, prompt);
            string generated = string.Concat(ids[prompt.Length..].Select(decoder.Append)) + decoder.Flush();
            string whole = tokenizer.Decode(ids, skipSpecialTokens: false);
            Assert.True(whole.EndsWith(generated, StringComparison.Ordinal), $"{name} seed {seed}: {generated} is not the end of {whole}");
            string before = tokenizer.Decode(prompt, skipSpecialTokens: false).TrimEnd('\uFFFD');
            Assert.True(whole.Length - generated.Length <= before.Length, $"{name} seed {seed}: text is missing behind {before}");
        }
    }

    [Fact]
    public void A_character_of_several_tokens_comes_whole_with_its_last_token()
    {
        ITokenizer tokenizer = TinyTokenizer.Load(TinyTokenizer.ByteLevel());
        int[] ids = tokenizer.Encode("é😀", addSpecialTokens: false);
        Assert.Equal(6, ids.Length);
        var decoder = new IncrementalDecoder(tokenizer, skipSpecialTokens: false);
        Assert.Equal(["", "é", "", "", "", "😀"], ids.Select(decoder.Append));
        Assert.Equal("", decoder.Flush());
    }

    [Fact]
    public void An_unfinished_character_is_a_replacement_only_at_the_end()
    {
        ITokenizer tokenizer = TinyTokenizer.Load(TinyTokenizer.ByteLevel());
        int[] ids = tokenizer.Encode("😀", addSpecialTokens: false);
        var decoder = new IncrementalDecoder(tokenizer, skipSpecialTokens: false);
        Assert.Equal("", string.Concat(ids[..3].Select(decoder.Append)));
        Assert.Equal("\uFFFD", decoder.Flush());
        Assert.Equal("", decoder.Flush());
    }

    [Fact]
    public void A_byte_of_the_prompt_is_completed_by_the_first_generated_one()
    {
        ITokenizer tokenizer = TinyTokenizer.Load(TinyTokenizer.ByteLevel());
        int[] ids = tokenizer.Encode("aé", addSpecialTokens: false);
        var decoder = new IncrementalDecoder(tokenizer, skipSpecialTokens: false, ids.AsSpan(0, 2));
        Assert.Equal("é", decoder.Append(ids[2]));
    }

    [Fact]
    public void The_leading_space_of_a_sentencepiece_text_goes_only_at_its_very_start()
    {
        ITokenizer tokenizer = TinyTokenizer.Load(TinyTokenizer.Pieces());
        int[] ids = tokenizer.Encode("hello", addSpecialTokens: false);
        Assert.Equal(["▁hello"], TinyTokenizer.Tokens(tokenizer, "hello"));
        Assert.Equal("hello", new IncrementalDecoder(tokenizer, skipSpecialTokens: false).Append(ids[0]));
        Assert.Equal(" hello", new IncrementalDecoder(tokenizer, skipSpecialTokens: false, ids).Append(ids[0]));
    }

    [Fact]
    public void A_run_of_byte_tokens_reads_together_and_a_bad_run_is_one_replacement_for_each_byte()
    {
        ITokenizer tokenizer = TinyTokenizer.Load(TinyTokenizer.Pieces());
        int a = tokenizer.TokenToId("a")!.Value;
        int first = tokenizer.TokenToId("<0xC3>")!.Value;
        int second = tokenizer.TokenToId("<0xA9>")!.Value;
        Assert.Equal("aéa", tokenizer.Decode([a, first, second, a], skipSpecialTokens: false));
        Assert.Equal("a\uFFFD\uFFFD\uFFFDa", tokenizer.Decode([a, first, second, first, a], skipSpecialTokens: false));
    }

    [Fact]
    public void Ids_that_stand_for_nothing_add_no_text()
    {
        ITokenizer tokenizer = TinyTokenizer.Load(TinyTokenizer.ByteLevel());
        Assert.Equal("a", tokenizer.Decode([-1, tokenizer.TokenToId("a")!.Value, 100_000_000, int.MinValue], skipSpecialTokens: true));
        Assert.Null(tokenizer.IdToToken(-1));
        Assert.Null(tokenizer.IdToToken(tokenizer.VocabularySize));
        Assert.True(tokenizer.GetTokenBytes(tokenizer.VocabularySize).IsEmpty);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void The_bytes_of_tokens_joined_are_the_bytes_of_the_text(string name)
    {
        ITokenizer tokenizer = TestFiles.Tokenizer(name);
        for (int seed = 0; seed < 100; seed++)
        {
            int[] ids = tokenizer.Encode(RandomText.Next(new Random(seed), 20), addSpecialTokens: false);
            var bytes = new List<byte>();
            foreach (int id in ids)
                tokenizer.AppendTokenBytes(id, bytes);
            string text = Encoding.UTF8.GetString(bytes.ToArray());
            string decoded = tokenizer.Decode(ids, skipSpecialTokens: false);
            Assert.True(text == decoded || (name == "llama2" && text == " " + decoded), $"{name} seed {seed}: {text} is not {decoded}");
        }
    }

    private static void CheckPieces(ITokenizer tokenizer, int[] ids, bool skipSpecialTokens, string where)
    {
        var decoder = new IncrementalDecoder(tokenizer, skipSpecialTokens);
        var text = new StringBuilder();
        foreach (int id in ids)
        {
            string piece = decoder.Append(id);
            Assert.False(piece.Length > 0 && (char.IsHighSurrogate(piece[^1]) || char.IsLowSurrogate(piece[0])), $"{where}: half a character");
            text.Append(piece);
        }
        text.Append(decoder.Flush());
        Assert.True(text.ToString() == tokenizer.Decode(ids, skipSpecialTokens), $"{where}: {string.Join(' ', ids)}");
    }

    // Any ids, with byte tokens often enough that runs of them occur.
    private static int[] RandomIds(Random random, ITokenizer tokenizer)
    {
        var ids = new int[random.Next(60)];
        for (int i = 0; i < ids.Length; i++)
        {
            ids[i] = random.Next(3) > 0
                ? random.Next(tokenizer.VocabularySize + 2)
                : tokenizer.TokenToId($"<0x{random.Next(256):X2}>")
                    ?? tokenizer.TokenToId(Engines.ByteAlphabet.CharacterOf[random.Next(256)].ToString()) ?? 0;
        }
        return ids;
    }
}
