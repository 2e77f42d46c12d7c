using System;
using System.IO;
using System.Linq;
using System.Text;
using System.Text.Json.Nodes;

namespace Quire.Tokenization.Tests;

public sealed class LoaderErrorTests
{
    [Theory]
    [InlineData("""{"model": {"type": "WordPiece", "vocab": {}}}""", "model.type must be BPE or Unigram")]
    [InlineData("""{}""", "model must be an object; it is missing")]
    [InlineData("""[]""", "must be an object; it is an array")]
    [InlineData("""{"model": {"type": "BPE", "vocab": {}, "merges": []}}""", "model.vocab must not be empty")]
    [InlineData("""{"model": {"type": "BPE", "vocab": {"a": -1}, "merges": []}}""", "model.vocab.a must be an integer from 0 to")]
    [InlineData("""{"model": {"type": "BPE", "vocab": {"a": 4000000000}, "merges": []}}""", "model.vocab.a must be an integer from 0 to")]
    [InlineData("""{"model": {"type": "BPE", "vocab": {"a": "1"}, "merges": []}}""", "it is \"1\"")]
    [InlineData("""{"model": {"type": "BPE", "vocab": {"a": 0, "b": 0}, "merges": []}}""", "model.vocab.b has the same id as \"a\"; it is 0")]
    [InlineData("""{"model": {"type": "BPE", "vocab": {"a": 0, "a": 1}, "merges": []}}""", "model.vocab.a is listed twice")]
    [InlineData("""{"model": {"type": "BPE", "vocab": {"a": 0}, "merges": ["a z"]}}""", "model.merges[0] names \"z\", which is not in model.vocab")]
    [InlineData("""{"model": {"type": "BPE", "vocab": {"a": 0}, "merges": [["a", "a"]]}}""", "model.merges[0] names \"aa\"")]
    [InlineData("""{"model": {"type": "BPE", "vocab": {"a": 0}, "merges": ["a  a"]}}""", "two tokens with one space")]
    [InlineData("""{"model": {"type": "BPE", "vocab": {"a": 0}, "merges": [["a"]]}}""", "must be two tokens")]
    [InlineData("""{"model": {"type": "BPE", "vocab": {"a": 0}, "merges": [7]}}""", "must be two tokens; it is 7")]
    [InlineData("""{"model": {"type": "BPE", "vocab": {"a": 0}}}""", "model.merges must be an array; it is missing")]
    [InlineData("""{"model": {"type": "BPE", "vocab": {"a": 0}, "merges": [], "unk_token": "u"}}""", "model.unk_token must be in model.vocab; it is \"u\"")]
    [InlineData("""{"model": {"type": "BPE", "vocab": {"a": 0}, "merges": [], "dropout": 0.1}}""", "model.dropout must be null")]
    [InlineData("""{"model": {"type": "BPE", "vocab": {"a": 0}, "merges": [], "end_of_word_suffix": "</w>"}}""", "word affixes are not supported")]
    [InlineData("""{"model": {"type": "BPE", "vocab": {"\ud800": 0}, "merges": []}}""", "not valid Unicode")]
    [InlineData("""{"model": """, "tokenizer.json is not valid JSON")]
    public void A_broken_model_is_refused_with_the_field_and_the_value(string json, string expected) =>
        AssertRefused(Encoding.UTF8.GetBytes(json), expected);

    [Theory]
    [InlineData("normalizer", """{"type": "Reverse"}""", "normalizer.type names a normalizer that is not supported")]
    [InlineData("normalizer", """{"type": "Sequence", "normalizers": [{"type": "NFC"}, {"type": "Precompiled", "precompiled_charsmap": "AAA="}]}""", "normalizer.normalizers[1].precompiled_charsmap must be a table")]
    [InlineData("normalizer", """{"type": "Replace", "pattern": {"Regex": "(a"}, "content": ""}""", "normalizer.pattern.Regex is not a regular expression")]
    [InlineData("pre_tokenizer", """{"type": "UnicodeScripts"}""", "it is \"UnicodeScripts\"")]
    [InlineData("pre_tokenizer", """{"type": "Split", "pattern": {"Regex": "(a"}, "behavior": "Isolated"}""", "is not a regular expression that is supported")]
    [InlineData("pre_tokenizer", """{"type": "Split", "pattern": {"Regex": "[a[b]]"}, "behavior": "Isolated"}""", "a class within a class")]
    [InlineData("pre_tokenizer", """{"type": "Split", "pattern": {"Regex": "a"}, "behavior": "Sideways"}""", "behavior must be Removed")]
    [InlineData("pre_tokenizer", """{"type": "Split", "pattern": {"String": ""}, "behavior": "Isolated"}""", "must not be empty")]
    [InlineData("pre_tokenizer", """{"type": "Sequence", "pretokenizers": [{"type": "ByteLevel"}, {"type": "Digits"}]}""", "comes after ByteLevel")]
    [InlineData("post_processor", """{"type": "Magic"}""", "post_processor.type")]
    [InlineData("post_processor", """{"type": "TemplateProcessing", "single": [], "special_tokens": {}}""", "must have a Sequence A")]
    [InlineData("post_processor", """{"type": "BertProcessing", "sep": ["x", 99999], "cls": ["y", 0]}""", "adds the id 99999, which stands for no token")]
    [InlineData("decoder", """{"type": "WordPiece"}""", "decoder.type names a decoder that is not supported")]
    [InlineData("decoder", """{"type": "Sequence", "decoders": [{"type": "Fuse"}, {"type": "ByteFallback"}]}""", "out of the usual order")]
    [InlineData("added_tokens", """[{"id": 0, "content": "zz"}]""", "added_tokens[0].id is already the id of")]
    [InlineData("added_tokens", """[{"id": 5000, "content": "hello"}]""", "added_tokens[0].id must be")]
    [InlineData("added_tokens", """[{"id": 5000, "content": ""}]""", "added_tokens[0].content must have 1 to")]
    [InlineData("added_tokens", """[{"id": 5000, "content": "x", "special": "yes"}]""", "special must be true or false")]
    [InlineData("added_tokens", """{}""", "added_tokens must be an array")]
    public void A_part_that_is_broken_or_unknown_is_refused_by_name(string field, string json, string expected)
    {
        JsonObject file = TinyTokenizer.ByteLevel();
        file[field] = JsonNode.Parse(json);
        AssertRefused(Encoding.UTF8.GetBytes(file.ToJsonString()), expected);
    }

    [Fact]
    public void T9_deep_nesting_is_refused()
    {
        AssertRefused(Encoding.UTF8.GetBytes(new string('[', 100_000)), "not valid JSON");
        string deep = string.Concat(Enumerable.Repeat("""{"type": "Sequence", "normalizers": [""", 100_000));
        AssertRefused(Encoding.UTF8.GetBytes($$"""{"normalizer": {{deep}}"""), "not valid JSON");
    }

    [Fact]
    public void A_long_chain_of_pre_tokenizers_is_refused()
    {
        JsonObject file = TinyTokenizer.ByteLevel();
        file["pre_tokenizer"] = new JsonObject
        {
            ["type"] = "Sequence",
            ["pretokenizers"] = new JsonArray([.. Enumerable.Range(0, 10_000).Select(_ => new JsonObject { ["type"] = "Digits" })]),
        };
        AssertRefused(Encoding.UTF8.GetBytes(file.ToJsonString()), "at most 32");
    }

    [Fact]
    public void A_folder_without_a_tokenizer_is_refused_with_the_way_out()
    {
        string folder = Path.Combine(Path.GetTempPath(), Path.GetRandomFileName());
        Directory.CreateDirectory(folder);
        try
        {
            Assert.Contains("has no tokenizer.json, no tekken.json, no tokenizer.model and no vocab.json", Assert.Throws<TokenizerException>(() => TokenizerLoader.Load(folder)).Message);
        }
        finally
        {
            Directory.Delete(folder);
        }
    }

    [Fact]
    public void A_pattern_that_takes_too_long_on_a_text_is_an_error_and_not_a_hang()
    {
        var finder = new PreTokenizers.RegexFinder("(a+)+$", TimeSpan.FromMilliseconds(50));
        TokenizerException error = Assert.Throws<TokenizerException>(() => finder.Find(new string('a', 40) + "!", []));
        Assert.Contains("took longer than", error.Message);
    }

    [Fact]
    public void Files_with_random_damage_load_or_are_refused()
    {
        byte[][] files =
        [
            Encoding.UTF8.GetBytes(TinyTokenizer.ByteLevel().ToJsonString()),
            Encoding.UTF8.GetBytes(TinyTokenizer.Pieces().ToJsonString()),
        ];
        for (int seed = 0; seed < 2000; seed++)
        {
            var random = new Random(seed);
            byte[] damaged = Damage(random, files[seed % 2]);
            LoadOrRefuse(damaged, seed);
        }
    }

    [Fact]
    public void Files_with_values_swapped_for_others_load_or_are_refused()
    {
        for (int seed = 0; seed < 2000; seed++)
        {
            var random = new Random(seed);
            JsonNode file = seed % 2 == 0 ? TinyTokenizer.ByteLevel() : TinyTokenizer.Pieces();
            for (int changes = 1 + random.Next(3); changes > 0; changes--)
                Swap(random, file);
            LoadOrRefuse(Encoding.UTF8.GetBytes(file.ToJsonString()), seed);
        }
    }

    private static void LoadOrRefuse(byte[] json, int seed)
    {
        try
        {
            ITokenizer tokenizer = TokenizerLoader.Parse(json, seed % 3 == 0 ? json : default);
            int[] ids = tokenizer.Encode("hello wör 12 <unk>\n", addSpecialTokens: true);
            tokenizer.Decode(ids, skipSpecialTokens: false);
        }
        catch (TokenizerException exception)
        {
            Assert.NotEmpty(exception.Message);
        }
        catch (Exception exception)
        {
            Assert.Fail($"seed {seed}: {exception}");
        }
    }

    private static byte[] Damage(Random random, byte[] file)
    {
        byte[] damaged = [.. file];
        for (int changes = 1 + random.Next(4); changes > 0; changes--)
        {
            int at = random.Next(damaged.Length);
            switch (random.Next(4))
            {
                case 0:
                    damaged[at] = (byte)random.Next(256);
                    break;
                case 1:
                    damaged[at] = (byte)"{}[]\",:0-e\\un"[random.Next(13)];
                    break;
                case 2:
                    damaged = damaged[..at];
                    break;
                default:
                    int length = Math.Min(random.Next(20), damaged.Length - at);
                    damaged = [.. damaged[..at], .. damaged[(at + length)..]];
                    break;
            }
            if (damaged.Length == 0)
                return damaged;
        }
        return damaged;
    }

    // Replaces some value, deep or shallow, by a value of any kind.
    private static void Swap(Random random, JsonNode node)
    {
        string[] values =
        [
            "null", "true", "-1", "0", "1e9", "0.5", "\"\"", "\"▁\"", "\"x y\"", "[]", "{}", "[[]]", """{"type": "Sequence"}""", """{"type": "ByteLevel"}""",
            """{"type": "Split", "pattern": {"Regex": "(?=a)|"}, "behavior": "MergedWithNext", "invert": true}""", """{"type": "Metaspace"}""",
            """{"type": "BPE"}""", """{"String": "l"}""", """[{"id": 3, "content": "h"}]""", "99999999999999999999",
        ];
        while (true)
        {
            JsonNode? replacement = JsonNode.Parse(values[random.Next(values.Length)]);
            if (node is JsonObject { Count: > 0 } fields)
            {
                string name = fields.ElementAt(random.Next(fields.Count)).Key;
                if (fields[name] is not (JsonObject or JsonArray) || random.Next(3) == 0)
                {
                    fields[name] = replacement;
                    return;
                }
                node = fields[name]!;
            }
            else if (node is JsonArray { Count: > 0 } items)
            {
                int index = random.Next(items.Count);
                if (items[index] is not (JsonObject or JsonArray) || random.Next(3) == 0)
                {
                    items[index] = replacement;
                    return;
                }
                node = items[index]!;
            }
            else
            {
                return;
            }
        }
    }

    private static void AssertRefused(byte[] json, string expected) =>
        Assert.Contains(expected, Assert.Throws<TokenizerException>(() => TokenizerLoader.Parse(json)).Message);
}
