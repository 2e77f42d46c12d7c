using System;
using System.Collections.Generic;
using System.Globalization;
using System.IO;
using System.Linq;
using System.Text.Json;
using Quire.Tokenization.Engines;
using Quire.Tokenization.Loading;

namespace Quire.Tokenization.Gguf;

/// <summary>States the tokenizer of a model folder in the keys of a GGUF file.</summary>
public static class GgufVocabularyExport
{
    /// <summary>Texts that the exported tokenizer must encode as the original does.</summary>
    private static readonly string[] Probes =
    [
        "Hello, world! It's 2024-03-15 and I'd say: they've won 1234567 games.",
        "  leading and trailing spaces  ", "line\n\nbreaks\r\n\tand tabs\t\t", "CamelCaseWords and snake_case_words; x+=y*(z-1);",
        "Größe, naïve café, œuvre, Ünïcödé", "Привет, мир! 你好,世界。 こんにちは。 안녕하세요", "emoji 😀👍🏽 and ½ ² №", "a  b   c    d", "'LL 'll I'M i'm",
    ];

    /// <summary>The keys for a folder with a <c>tokenizer.json</c>.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="size">Rows of the model's embedding; ids beyond the vocabulary become unused tokens.</param>
    /// <exception cref="TokenizerException">There is no such file, or its tokenizer has no form in GGUF.</exception>
    public static GgufVocabulary FromFolder(string folder, int size)
    {
        ArgumentNullException.ThrowIfNull(folder);
        ITokenizer tokenizer = TokenizerLoader.Load(folder);
        JsonPart root = JsonPart.ReadFile(Path.Combine(folder, "tokenizer.json"));
        JsonPart model = root.Field("model");
        bool byteLevel = !model.Field("byte_fallback").Flag(false);
        string[] tokens = Tokens(tokenizer, size);
        GgufVocabulary vocabulary = new()
        {
            File = "tokenizer.json",
            Model = byteLevel ? "gpt2" : "llama",
            Tokens = tokens,
            Types = Types(root, tokenizer, tokens, byteLevel),
            Roles = Roles(tokenizer.Special),
            AddBos = StartsWithBos(tokenizer),
            AddEos = EndsWithEos(tokenizer),
        };
        List<string> merges = Merges(model);
        vocabulary = byteLevel
            ? vocabulary with { Merges = merges, Pre = PreTokenizer(root, model) }
            : vocabulary with { Scores = Scores(tokens, merges), Pre = "default", AddSpacePrefix = HasSpacePrefix(tokenizer) };
        Check(tokenizer, vocabulary);
        return vocabulary;
    }

    private static string[] Tokens(ITokenizer tokenizer, int size)
    {
        if (tokenizer.VocabularySize > size)
            throw new TokenizerException($"The tokenizer has {tokenizer.VocabularySize} ids, but the model's vocabulary has {size}.");
        var tokens = new string[size];
        for (int id = 0; id < size; id++)
            tokens[id] = tokenizer.IdToToken(id) ?? string.Create(CultureInfo.InvariantCulture, $"[PAD{id}]");
        return tokens;
    }

    private static GgufTokenType[] Types(JsonPart root, ITokenizer tokenizer, string[] tokens, bool byteLevel)
    {
        var types = new GgufTokenType[tokens.Length];
        for (int id = 0; id < types.Length; id++)
        {
            bool isByte = !byteLevel && tokens[id].Length == 6 && tokens[id].StartsWith("<0x", StringComparison.Ordinal);
            types[id] = tokenizer.IdToToken(id) is null ? GgufTokenType.Unused
                : tokenizer.IsSpecial(id) ? GgufTokenType.Control
                : isByte ? GgufTokenType.Byte
                : GgufTokenType.Normal;
        }
        JsonPart added = root.Field("added_tokens");
        foreach (JsonPart item in added.IsNull ? [] : added.Items())
        {
            int id = item.Field("id").Integer(0, types.Length - 1);
            if (types[id] == GgufTokenType.Normal)
                types[id] = GgufTokenType.UserDefined;
        }
        if (!byteLevel && tokenizer.Special.Unk?.Id is int unknown)
            types[unknown] = GgufTokenType.Unknown;
        return types;
    }

    private static List<string> Merges(JsonPart model)
    {
        var merges = new List<string>();
        foreach (JsonPart item in model.Field("merges").Items())
            merges.Add(item.Kind == JsonValueKind.String ? item.Text() : $"{item.TextOf(item.Element[0])} {item.TextOf(item.Element[1])}");
        return merges;
    }

    // What the pre-tokenizer cuts by must be one of the lists that have a name, with the same settings.
    private static string PreTokenizer(JsonPart root, JsonPart model)
    {
        var patterns = new List<string>();
        AddPatterns(root.Field("pre_tokenizer"), patterns);
        JsonPart normalizer = root.Field("normalizer");
        bool composes = !normalizer.IsNull && normalizer.TypeName() == "NFC";
        bool ignoreMerges = model.Field("ignore_merges").Flag(false);
        if (normalizer.IsNull || composes)
        {
            foreach (GgufPreTokenizer entry in GgufPreTokenizer.All)
            {
                if (entry.ComposesText == composes && entry.IgnoreMerges == ignoreMerges && entry.Patterns.SequenceEqual(patterns))
                    return entry.Name;
            }
        }
        throw root.Field("pre_tokenizer").Error("and the normalizer have no name in GGUF that Quire knows");
    }

    private static void AddPatterns(JsonPart part, List<string> patterns)
    {
        switch (part.TypeName())
        {
            case "Sequence":
                foreach (JsonPart item in part.Field("pretokenizers").Items())
                    AddPatterns(item, patterns);
                break;
            case "Split" when !part.Field("pattern").Field("Regex").IsNull:
                patterns.Add(part.Field("pattern").Field("Regex").Text());
                break;
            case "Digits":
                patterns.Add(@"\p{N}");
                break;
            case "ByteLevel":
                if (part.Field("use_regex").Flag(true))
                    patterns.Add(PreTokenizers.Gpt2Scanner.Pattern);
                break;
            default:
                throw part.Error("has no name in GGUF that Quire knows");
        }
    }

    // A token merges the earlier the earlier its first merge is listed; tokens of one character never come from a merge.
    private static float[] Scores(string[] tokens, List<string> merges)
    {
        var ids = new Dictionary<string, int>(tokens.Length);
        for (int id = 0; id < tokens.Length; id++)
            ids.TryAdd(tokens[id], id);
        var scores = new float[tokens.Length];
        Array.Fill(scores, -1e9f);
        int next = 0;
        foreach (string merge in merges)
        {
            int space = merge.IndexOf(' ', 1);
            string merged = string.Concat(merge.AsSpan(0, space), merge.AsSpan(space + 1));
            if (ids.TryGetValue(merged, out int id) && scores[id] == -1e9f)
                scores[id] = -next++;
        }
        return scores;
    }

    private static Dictionary<string, int> Roles(SpecialTokens special)
    {
        var roles = new Dictionary<string, int>();
        foreach ((string role, SpecialToken? token) in ((string, SpecialToken?)[])
            [("bos", special.Bos), ("eos", special.Eos), ("unknown", special.Unk), ("padding", special.Pad)])
        {
            if (token?.Id is int id)
                roles.Add(role, id);
        }
        return roles;
    }

    private static bool StartsWithBos(ITokenizer tokenizer) =>
        tokenizer.Encode(string.Empty, addSpecialTokens: true) is [int first, ..] && first == tokenizer.Special.Bos?.Id;

    private static bool EndsWithEos(ITokenizer tokenizer) =>
        tokenizer.Encode(string.Empty, addSpecialTokens: true) is [.., int last] && last == tokenizer.Special.Eos?.Id;

    private static bool HasSpacePrefix(ITokenizer tokenizer) =>
        tokenizer.Encode("a", addSpecialTokens: false) is [int first, ..] && tokenizer.IdToToken(first) is ['▁', ..];

    private static void Check(ITokenizer original, GgufVocabulary vocabulary)
    {
        PipelineTokenizer exported = GgufTokenizerReader.Read(vocabulary);
        foreach (string text in Probes)
        {
            if (!((ITokenizer)exported).Encode(text, true).AsSpan().SequenceEqual(original.Encode(text, true)))
                throw new TokenizerException($"The tokenizer has no form in GGUF: \"{text}\" would be encoded otherwise than by tokenizer.json.");
        }
    }
}
