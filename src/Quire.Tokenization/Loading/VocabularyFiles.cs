using System;
using System.Collections.Generic;
using System.IO;
using Quire.Tokenization.Gguf;

namespace Quire.Tokenization.Loading;

/// <summary>
/// Folders without a <c>tokenizer.json</c>: a SentencePiece <c>tokenizer.model</c>, or <c>vocab.json</c> and <c>merges.txt</c> of a
/// byte-level BPE. What tokenizer_config.json and added_tokens.json add is laid over them.
/// </summary>
internal static class VocabularyFiles
{
    private const string SentencePieceFile = "tokenizer.model";
    private const string VocabularyFile = "vocab.json";
    private const string MergesFile = "merges.txt";
    private const string AddedTokensFile = "added_tokens.json";
    private const long BytesMax = 256L << 20;

    /// <summary>The tokenizer of a folder, or null when it has none of these files.</summary>
    public static ITokenizer? TryLoad(string folder, TokenizerConfig config)
    {
        string model = Path.Combine(folder, SentencePieceFile);
        string vocabulary = Path.Combine(folder, VocabularyFile);
        string merges = Path.Combine(folder, MergesFile);
        GgufVocabulary read;
        if (File.Exists(model))
        {
            read = SentencePieceModel.Read(SentencePieceFile, ReadBytes(model));
            bool bpe = read.Model == "llama";
            read = read with { AddBos = config.AddBos ?? bpe, AddEos = config.AddEos ?? !bpe };
        }
        else if (File.Exists(vocabulary) && File.Exists(merges))
        {
            read = ReadByteLevel(vocabulary, merges, config);
        }
        else
        {
            return null;
        }
        return GgufTokenizerReader.Read(WithAdded(read, config, Path.Combine(folder, AddedTokensFile)));
    }

    private static GgufVocabulary ReadByteLevel(string vocabularyPath, string mergesPath, TokenizerConfig config)
    {
        var tokens = new List<string>();
        foreach ((string token, JsonPart value) in JsonPart.ReadFile(vocabularyPath).Fields())
            Place(tokens, token, value.Integer(0, VocabularyBuilder.IdMax));
        var merges = new List<string>();
        foreach (string line in System.Text.Encoding.UTF8.GetString(ReadBytes(mergesPath)).Split('\n'))
        {
            string merge = line.TrimEnd('\r');
            if (merge.Length > 0 && !(merges.Count == 0 && merge.StartsWith("#version", StringComparison.Ordinal)))
                merges.Add(merge);
        }
        return new GgufVocabulary
        {
            File = VocabularyFile,
            Model = "gpt2",
            Pre = config.ClassName is { } name && name.StartsWith("Qwen2", StringComparison.Ordinal) ? "qwen2" : "gpt-2",
            Tokens = tokens,
            Merges = merges,
            AddBos = config.AddBos,
            AddEos = config.AddEos,
        };
    }

    /// <summary>Adds declared tokens and gives roles by the texts that the configuration names.</summary>
    private static GgufVocabulary WithAdded(GgufVocabulary vocabulary, TokenizerConfig config, string addedPath)
    {
        var tokens = new List<string>(vocabulary.Tokens);
        var types = new List<GgufTokenType>(vocabulary.Types);
        var scores = new List<float>(vocabulary.Scores);
        while (types.Count < tokens.Count)
            types.Add(GgufTokenType.Normal);
        if (File.Exists(addedPath))
        {
            foreach ((string token, JsonPart value) in JsonPart.ReadFile(addedPath).Fields())
                Add(token, value.Integer(0, VocabularyBuilder.IdMax), special: false);
        }
        foreach ((int id, string text, bool special) in config.Declared())
            Add(text, id, special);
        var roles = new Dictionary<string, int>(vocabulary.Roles);
        foreach ((string name, string role) in ((string, string)[])
            [("bos_token", "bos"), ("eos_token", "eos"), ("unk_token", "unknown"), ("pad_token", "padding")])
        {
            if (config.Named(name) is not { } text || tokens.IndexOf(text) is not (>= 0 and int id))
                continue;
            roles[role] = id;
            types[id] = GgufTokenType.Control;
        }
        while (scores.Count > 0 && scores.Count < tokens.Count)
            scores.Add(0);
        return vocabulary with { Tokens = tokens, Types = types, Scores = scores, Roles = roles };

        void Add(string text, int id, bool special)
        {
            Place(tokens, text, id);
            while (types.Count < tokens.Count)
                types.Add(GgufTokenType.Unused);
            if (types[id] is not GgufTokenType.Unknown)
                types[id] = special ? GgufTokenType.Control : GgufTokenType.UserDefined;
        }
    }

    private static void Place(List<string> tokens, string token, int id)
    {
        while (tokens.Count <= id)
            tokens.Add(string.Empty);
        tokens[id] = token;
    }

    private static byte[] ReadBytes(string path)
    {
        try
        {
            long length = new FileInfo(path).Length;
            return length <= BytesMax
                ? File.ReadAllBytes(path)
                : throw new TokenizerException($"{path} has {length} bytes; at most {BytesMax} are read.");
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new TokenizerException($"{path} cannot be read: {exception.Message}", exception);
        }
    }
}
