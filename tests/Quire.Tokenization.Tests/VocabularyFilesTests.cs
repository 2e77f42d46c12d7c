using System;
using System.Buffers.Binary;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Quire.Tokenization.Gguf;
using Quire.Tokenization.Loading;

namespace Quire.Tokenization.Tests;

/// <summary>Folders without a tokenizer.json.</summary>
public sealed class VocabularyFilesTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("quire-tokenizer-");

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public void A_SentencePiece_model_encodes_as_the_same_tokenizer_json()
    {
        ITokenizer original = TestFiles.Tokenizer("llama2");
        string source = Path.Combine(TestFiles.Goldens, "tokenizers", "llama2");
        Write("tokenizer.json", TestFiles.Unpack(Path.Combine(source, "tokenizer.json.gz")));
        File.Copy(Path.Combine(source, "tokenizer_config.json"), Path.Combine(_folder.FullName, "tokenizer_config.json"));
        GgufVocabulary vocabulary = GgufVocabularyExport.FromFolder(_folder.FullName, original.VocabularySize);
        File.Delete(Path.Combine(_folder.FullName, "tokenizer.json"));
        Write("tokenizer.model", Model(vocabulary, unigram: false));
        ITokenizer loaded = TokenizerLoader.Load(_folder.FullName);
        JsonElement root = JsonSerializer.Deserialize<JsonElement>(TestFiles.Unpack(Path.Combine(TestFiles.Goldens, "tokenizers", "expected.json.gz")));
        foreach (string text in root.GetProperty("texts").Deserialize<string[]>()!)
            Assert.Equal(original.Encode(text, true), loaded.Encode(text, true));
        Assert.Equal("<s>", loaded.Special.Bos!.Text);
    }

    [Fact]
    public void A_unigram_model_takes_its_spaces_and_its_ends_from_the_file()
    {
        Write("tokenizer.model", Model(Small(), unigram: true));
        ITokenizer tokenizer = TokenizerLoader.Load(_folder.FullName);
        Assert.Equal(["▁a", "b", "▁a", "</s>"], tokenizer.Encode("  ab  a ", true).Select(id => tokenizer.IdToToken(id)));
        Assert.Equal("ab a", tokenizer.Decode(tokenizer.Encode("ab a", false), false));
    }

    [Fact]
    public void Vocabulary_and_merges_encode_as_the_same_tokenizer_json()
    {
        JsonNode json = JsonNode.Parse(File.ReadAllBytes(Path.Combine(TestFiles.QuillFolder, "tokenizer.json")))!;
        Write("vocab.json", Encoding.UTF8.GetBytes(json["model"]!["vocab"]!.ToJsonString()));
        IEnumerable<string> merges = json["model"]!["merges"]!.AsArray().Select(merge => merge is JsonArray pair ? $"{pair[0]} {pair[1]}" : (string)merge!);
        Write("merges.txt", Encoding.UTF8.GetBytes("#version: 0.2\n" + string.Join("\n", merges) + "\n"));
        var added = new JsonObject();
        foreach (JsonNode? token in json["added_tokens"]!.AsArray())
            added[(string)token!["content"]!] = (int)token["id"]!;
        Write("added_tokens.json", Encoding.UTF8.GetBytes(added.ToJsonString()));
        Write("tokenizer_config.json", """{"tokenizer_class": "Qwen2Tokenizer", "eos_token": "<|im_end|>"}"""u8.ToArray());
        ITokenizer loaded = TokenizerLoader.Load(_folder.FullName);
        ITokenizer original = TestFiles.Tokenizer("quill");
        foreach (string text in (string[])["Hello, world! It's 1234.", "<|im_start|>user\nДом 你好<|im_end|>", "  a\n\n\tb  "])
            Assert.Equal(original.Encode(text, true), loaded.Encode(text, true));
        Assert.Equal(2, loaded.Special.Eos!.Id);
        Assert.True(loaded.IsSpecial(2));
    }

    [Fact]
    public void Damaged_models_are_refused_or_loaded_and_cost_memory_in_proportion()
    {
        byte[] valid = Model(Small(), unigram: true);
        int loaded = 0;
        for (int seed = 0; seed < 5000; seed++)
        {
            var random = new Random(seed);
            byte[] bytes = random.Next(5) == 0 ? valid[..random.Next(valid.Length)] : (byte[])valid.Clone();
            for (int i = random.Next(1, 4); i > 0 && bytes.Length > 0; i--)
                bytes[random.Next(bytes.Length)] = (byte)random.Next(256);
            long before = GC.GetAllocatedBytesForCurrentThread();
            try
            {
                GgufVocabulary read = SentencePieceModel.Read("tokenizer.model", bytes);
                Assert.True(GC.GetAllocatedBytesForCurrentThread() - before < 100_000, $"seed {seed}: much memory for a small file");
                ITokenizer tokenizer = TokenizerLoader.FromGguf(read);
                tokenizer.Decode(tokenizer.Encode("ab ba é <unk>", true), false);
                loaded++;
            }
            catch (TokenizerException)
            {
            }
            catch (Exception error) when (error is not Xunit.Sdk.XunitException)
            {
                Assert.Fail($"seed {seed}: {error}");
            }
        }
        Assert.True(loaded > 500, $"only {loaded} were loaded: the damage never gets past the first checks");
    }

    private static GgufVocabulary Small() => new()
    {
        File = "small",
        Model = "t5",
        Tokens = ["<pad>", "</s>", "<unk>", "▁", "a", "b", "▁a", "ab"],
        Scores = [0, 0, 0, -2, -3, -3, -2.5f, -9],
        Types = [GgufTokenType.Control, GgufTokenType.Control, GgufTokenType.Unknown, .. Enumerable.Repeat(GgufTokenType.Normal, 5)],
        Roles = new Dictionary<string, int> { ["padding"] = 0, ["eos"] = 1, ["unknown"] = 2 },
    };

    // By the field numbers of sentencepiece_model.proto.
    private static byte[] Model(GgufVocabulary vocabulary, bool unigram)
    {
        var model = new List<byte>();
        for (int id = 0; id < vocabulary.Tokens.Count; id++)
        {
            var piece = new List<byte>();
            Bytes(piece, 1, Encoding.UTF8.GetBytes(vocabulary.Tokens[id]));
            piece.Add(2 << 3 | 5);
            byte[] score = new byte[4];
            BinaryPrimitives.WriteSingleLittleEndian(score, vocabulary.Scores[id]);
            piece.AddRange(score);
            Number(piece, 3, (ulong)vocabulary.Types[id]);
            Bytes(model, 1, [.. piece]);
        }
        var trainer = new List<byte>();
        Number(trainer, 3, unigram ? 1UL : 2);
        foreach ((string role, int field) in ((string, int)[])[("unknown", 40), ("bos", 41), ("eos", 42), ("padding", 43)])
            Number(trainer, field, vocabulary.Roles.TryGetValue(role, out int id) ? (ulong)id : ulong.MaxValue);
        Bytes(trainer, 30, "passed over"u8.ToArray());
        Bytes(model, 2, [.. trainer]);
        var normalizer = new List<byte>();
        Number(normalizer, 3, 1);
        Number(normalizer, 4, 1);
        Bytes(model, 3, [.. normalizer]);
        return [.. model];
    }

    private static void Number(List<byte> target, int field, ulong value)
    {
        Varint(target, (ulong)field << 3);
        Varint(target, value);
    }

    private static void Bytes(List<byte> target, int field, byte[] value)
    {
        Varint(target, (ulong)field << 3 | 2);
        Varint(target, (ulong)value.Length);
        target.AddRange(value);
    }

    private static void Varint(List<byte> target, ulong value)
    {
        for (; value >= 0x80; value >>= 7)
            target.Add((byte)(value | 0x80));
        target.Add((byte)value);
    }

    private void Write(string name, byte[] bytes) => File.WriteAllBytes(Path.Combine(_folder.FullName, name), bytes);
}
