using System;
using System.Linq;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Quire.Tokenization.Tests;

/// <summary>A <c>tokenizer.json</c> of a few tokens, for tests that change one thing about it.</summary>
internal static class TinyTokenizer
{
    /// <summary>Byte-level, with all bytes and a few merges.</summary>
    public static JsonObject ByteLevel()
    {
        var vocabulary = new JsonObject();
        foreach (char character in Engines.ByteAlphabet.CharacterOf)
            vocabulary[character.ToString()] = vocabulary.Count;
        string[][] merges = [["h", "e"], ["l", "l"], ["he", "ll"], ["hell", "o"], ["Ġ", "w"], ["o", "r"], ["Ġw", "or"]];
        foreach (string[] merge in merges)
            vocabulary[merge[0] + merge[1]] = vocabulary.Count;
        return Parse($$"""
            {
              "version": "1.0",
              "added_tokens": [],
              "normalizer": null,
              "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "use_regex": true},
              "post_processor": null,
              "decoder": {"type": "ByteLevel"},
              "model": {"type": "BPE", "vocab": {{vocabulary.ToJsonString()}}, "merges": {{JsonSerializer.Serialize(merges)}}}
            }
            """);
    }

    /// <summary>SentencePiece-style, with byte fallback.</summary>
    public static JsonObject Pieces(bool byteFallback = true)
    {
        var vocabulary = new JsonObject { ["<unk>"] = 0 };
        for (int value = 0; value < 256 && byteFallback; value++)
            vocabulary[$"<0x{value:X2}>"] = vocabulary.Count;
        string[][] merges = [["▁", "h"], ["e", "l"], ["l", "o"], ["▁h", "el"], ["▁hel", "lo"], ["▁", "▁"], ["a", "b"], ["b", "a"], ["ab", "ab"]];
        foreach (string character in (string[])["▁", "h", "e", "l", "o", "a", "b", "é"])
            vocabulary[character] = vocabulary.Count;
        foreach (string[] merge in merges)
            vocabulary[merge[0] + merge[1]] = vocabulary.Count;
        return Parse($$"""
            {
              "added_tokens": [{"id": 0, "content": "<unk>", "special": true}],
              "normalizer": {"type": "Sequence", "normalizers": [
                {"type": "Prepend", "prepend": "▁"}, {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}]},
              "pre_tokenizer": null,
              "post_processor": null,
              "decoder": {"type": "Sequence", "decoders": [
                {"type": "Replace", "pattern": {"String": "▁"}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"},
                {"type": "Strip", "content": " ", "start": 1, "stop": 0}]},
              "model": {"type": "BPE", "unk_token": "<unk>", "fuse_unk": true, "byte_fallback": {{(byteFallback ? "true" : "false")}},
                "vocab": {{vocabulary.ToJsonString()}}, "merges": {{JsonSerializer.Serialize(merges)}}}
            }
            """);
    }

    /// <summary>Adds a token behind the vocabulary; returns its id.</summary>
    public static int AddToken(JsonObject tokenizer, string content, params (string Flag, bool Value)[] flags)
    {
        var added = tokenizer["added_tokens"]!.AsArray();
        int id = tokenizer["model"]!["vocab"]!.AsObject().Count + added.Count(token => token!["content"]!.GetValue<string>() != "<unk>");
        var token = new JsonObject { ["id"] = id, ["content"] = content, ["normalized"] = false };
        foreach ((string flag, bool value) in flags)
            token[flag] = value;
        added.Add(token);
        return id;
    }

    public static ITokenizer Load(JsonNode tokenizer, string? config = null) => TokenizerLoader.Parse(
        Encoding.UTF8.GetBytes(tokenizer.ToJsonString()), config is null ? default : Encoding.UTF8.GetBytes(config));

    public static string[] Tokens(ITokenizer tokenizer, string text, bool addSpecialTokens = false, bool matchSpecialTokens = true) =>
        Array.ConvertAll(tokenizer.Encode(text, addSpecialTokens, matchSpecialTokens), id => tokenizer.IdToToken(id)!);

    private static JsonObject Parse(string json) => JsonNode.Parse(json)!.AsObject();
}
