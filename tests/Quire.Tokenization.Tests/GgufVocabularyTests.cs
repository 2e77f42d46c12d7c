using System;
using System.IO;
using System.Linq;
using System.Text.Json;
using Quire.Tokenization.Gguf;

namespace Quire.Tokenization.Tests;

/// <summary>Tokenizers that were stated in GGUF keys and built again from them.</summary>
public sealed class GgufVocabularyTests
{
    public static TheoryData<string> Names => ["quill", "qwen3", "llama3", "mistral_nemo", "llama2", "gemma3"];

    [Theory]
    [MemberData(nameof(Names))]
    public void A_tokenizer_keeps_its_encodings_through_GGUF_keys(string name)
    {
        ITokenizer original = TestFiles.Tokenizer(name);
        ITokenizer exported = TokenizerLoader.FromGguf(Export(name, original.VocabularySize));
        string path = name == "quill" ? TestFiles.Data("quill-encodings.json.gz") : Path.Combine(TestFiles.Goldens, "tokenizers", "expected.json.gz");
        JsonElement root = JsonSerializer.Deserialize<JsonElement>(TestFiles.Unpack(path));
        string[] texts = root.GetProperty("texts").Deserialize<string[]>()!;
        JsonElement expected = root.GetProperty("tokenizers").GetProperty(name);
        for (int i = 0; i < texts.Length; i++)
        {
            int[] ids = expected.GetProperty("encode")[i].Deserialize<int[]>()!;
            int[] actual = exported.Encode(texts[i], addSpecialTokens: true);
            Assert.True(ids.SequenceEqual(actual), $"{name} text {i}: {texts[i]}\nexpected {string.Join(' ', ids)}\nactual   {string.Join(' ', actual)}");
            int[] plain = expected.GetProperty("encode_plain")[i].Deserialize<int[]>()!;
            Assert.Equal(original.Decode(plain, false), exported.Decode(plain, false));
        }
    }

    [Fact]
    public void Names_of_roles_reach_chat_templates()
    {
        ITokenizer tokenizer = TokenizerLoader.FromGguf(Export("quill", 8192));
        Assert.Equal("<|im_end|>", tokenizer.Special.Eos!.Text);
        Assert.Equal(2, tokenizer.Special.Eos.Id);
        Assert.Equal("<|im_end|>", tokenizer.Special.Named["eos_token"]);
        Assert.True(tokenizer.IsSpecial(2));
    }

    [Fact]
    public void Contradictions_are_refused_by_key()
    {
        GgufVocabulary good = new() { File = "f", Model = "gpt2", Pre = "gpt-2", Tokens = ["a", "b", "ab"], Merges = ["a b"] };
        Assert.Equal([2], TokenizerLoader.FromGguf(good).Encode("ab", false));
        Refused("f: tokenizer.ggml.model is 'bert'", good with { Model = "bert" });
        Refused("has no tokenizer", good with { Model = null });
        Refused("tokenizer.ggml.pre is 'x'; supported are default,", good with { Pre = "x" });
        Refused("tokenizer.ggml.tokens must not be empty", good with { Tokens = [] });
        Refused("tokenizer.ggml.token_type has 1 entries for 3 tokens", good with { Types = [GgufTokenType.Normal] });
        Refused("tokenizer.ggml.merges[0] must be two tokens", good with { Merges = ["ab"] });
        Refused("tokenizer.ggml.scores has 0 entries for 3 tokens", good with { Model = "llama" });
        Refused("tokenizer.ggml.eos_token_id is 7, which is no token (0 to 2)", good with { Roles = new System.Collections.Generic.Dictionary<string, int> { ["eos"] = 7 } });
    }

    [Fact]
    public void Pieces_of_equal_score_merge_from_the_left()
    {
        ITokenizer tokenizer = TokenizerLoader.FromGguf(new GgufVocabulary
        {
            File = "f",
            Model = "llama",
            Tokens = ["<unk>", "a", "b", "ab", "ba", "aba"],
            Scores = [0, -9, -9, -1, -1, -5],
            Types = [GgufTokenType.Unknown, .. Enumerable.Repeat(GgufTokenType.Normal, 5)],
            Roles = new System.Collections.Generic.Dictionary<string, int> { ["unknown"] = 0 },
            AddSpacePrefix = false,
        });
        Assert.Equal([5], tokenizer.Encode("aba", false));
        Assert.Equal([3, 3], tokenizer.Encode("abab", false));
        Assert.Equal([4, 4], tokenizer.Encode("baba", false));
    }

    private static GgufVocabulary Export(string name, int size)
    {
        if (name == "quill")
            return GgufVocabularyExport.FromFolder(TestFiles.QuillFolder, size);
        string source = Path.Combine(TestFiles.Goldens, "tokenizers", name);
        DirectoryInfo folder = Directory.CreateTempSubdirectory("quire-tokenizer-");
        try
        {
            File.WriteAllBytes(Path.Combine(folder.FullName, "tokenizer.json"), TestFiles.Unpack(Path.Combine(source, "tokenizer.json.gz")));
            File.Copy(Path.Combine(source, "tokenizer_config.json"), Path.Combine(folder.FullName, "tokenizer_config.json"));
            return GgufVocabularyExport.FromFolder(folder.FullName, size + 3);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    private static void Refused(string expected, GgufVocabulary vocabulary) =>
        Assert.Contains(expected, Assert.Throws<TokenizerException>(() => TokenizerLoader.FromGguf(vocabulary)).Message, StringComparison.Ordinal);
}
