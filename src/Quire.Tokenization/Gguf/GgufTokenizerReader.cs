using System;
using System.Collections.Generic;
using System.Text;
using Quire.Tokenization.Decoders;
using Quire.Tokenization.Engines;
using Quire.Tokenization.Loading;
using Quire.Tokenization.Normalizers;
using Quire.Tokenization.PostProcessors;

namespace Quire.Tokenization.Gguf;

/// <summary>Builds a tokenizer from the keys of a GGUF file.</summary>
internal static class GgufTokenizerReader
{
    private const string SpaceMark = "▁";

    public static PipelineTokenizer Read(GgufVocabulary file)
    {
        if (file.Model is null or "none" or "no_vocab")
            throw Error(file, "tokenizer.ggml.model", "is missing: the file has no tokenizer; name a folder with one by --tokenizer");
        if (file.Tokens.Count == 0)
            throw Error(file, "tokenizer.ggml.tokens", "must not be empty");
        if (file.Types.Count != 0 && file.Types.Count != file.Tokens.Count)
            throw Error(file, "tokenizer.ggml.token_type", $"has {file.Types.Count} entries for {file.Tokens.Count} tokens");
        return file.Model switch
        {
            "gpt2" => ReadByteLevel(file),
            "llama" or "t5" => ReadSentencePiece(file),
            _ => throw Error(file, "tokenizer.ggml.model", $"is '{file.Model}'; supported are gpt2, llama and t5"),
        };
    }

    private static PipelineTokenizer ReadByteLevel(GgufVocabulary file)
    {
        // Files from before the key existed mean default.
        string pre = file.Pre ?? "default";
        GgufPreTokenizer preTokenizer = GgufPreTokenizer.Find(pre)
            ?? throw Error(file, "tokenizer.ggml.pre", $"is '{pre}'; supported are {string.Join(", ", Names())}");
        Vocabulary vocabulary = MakeVocabulary(file);
        return new PipelineTokenizer(new TokenizerParts
        {
            Vocabulary = vocabulary,
            AddedTokens = AddedTokens(file),
            Normalizer = preTokenizer.ComposesText ? new UnicodeNormalizer(NormalizationForm.FormC) : null,
            PreTokenizers = preTokenizer.MakeSteps(),
            Model = new ByteLevelBpe(vocabulary, ReadMerges(file, vocabulary), preTokenizer.IgnoreMerges, new UnknownRule(null, false)),
            Frame = Frame(file, preTokenizer.AddBos),
            Decoder = new ByteLevelDecoder(vocabulary),
            Special = Roles(file, vocabulary),
        });
    }

    private static PipelineTokenizer ReadSentencePiece(GgufVocabulary file)
    {
        if (file.Scores.Count != file.Tokens.Count)
            throw Error(file, "tokenizer.ggml.scores", $"has {file.Scores.Count} entries for {file.Tokens.Count} tokens");
        Vocabulary vocabulary = MakeVocabulary(file);
        bool prefix = file.AddSpacePrefix ?? true;
        return new PipelineTokenizer(new TokenizerParts
        {
            Vocabulary = vocabulary,
            AddedTokens = AddedTokens(file),
            Normalizer = Marks(file, prefix),
            PreTokenizers = [],
            Model = file.Model == "t5" ? Unigram(file, vocabulary) : Pairs(file, vocabulary),
            Frame = Frame(file, addBosByDefault: file.Model == "llama"),
            Decoder = new PieceDecoder(
                vocabulary, new PieceDecoderOptions { Replacements = [(SpaceMark, " ")], ByteFallback = true, StripStart = prefix ? 1 : 0 }),
            Special = Roles(file, vocabulary),
        });
    }

    private static CharacterBpe Pairs(GgufVocabulary file, Vocabulary vocabulary) => new(
        vocabulary, ScoredMerges.Make(vocabulary, file.Tokens, file.Scores, token => IsText(file, token)), ignoreMerges: false,
        new UnknownRule(UnknownId(file), true), HasByteTokens(file));

    private static UnigramModel Unigram(GgufVocabulary file, Vocabulary vocabulary)
    {
        var scores = new double[vocabulary.Size];
        for (int id = 0; id < scores.Length; id++)
            scores[id] = float.IsFinite(file.Scores[id]) ? file.Scores[id] : throw Error(file, $"tokenizer.ggml.scores[{id}]", $"is {file.Scores[id]}");
        return new UnigramModel(vocabulary, scores, UnknownId(file), HasByteTokens(file));
    }

    private static int? UnknownId(GgufVocabulary file) => file.Roles.TryGetValue("unknown", out int id) ? id : null;

    /// <summary>What SentencePiece does to a text: replacements, superfluous spaces, a space in front, marks for spaces.</summary>
    private static NormalizerSequence Marks(GgufVocabulary file, bool prefix)
    {
        var steps = new List<Normalizer>();
        if (!file.CharacterMap.IsEmpty)
            steps.Add(CharacterMap.TryRead(file.CharacterMap.Span) ?? throw Error(file, "precompiled_charsmap", "is broken"));
        if (file.RemoveExtraSpaces == true && file.Model == "t5")
            steps.Add(new ExtraSpacesNormalizer());
        if (prefix)
            steps.Add(new PrependNormalizer(SpaceMark));
        steps.Add(new ReplaceNormalizer(" ", SpaceMark));
        return new NormalizerSequence([.. steps]);
    }

    // A text that is there twice belongs to the first id; the later one stands for nothing.
    private static Vocabulary MakeVocabulary(GgufVocabulary file)
    {
        if (file.Tokens.Count > VocabularyBuilder.IdMax + 1)
            throw Error(file, "tokenizer.ggml.tokens", $"has {file.Tokens.Count} entries; at most {VocabularyBuilder.IdMax + 1} are supported");
        var ids = new Dictionary<string, int>(file.Tokens.Count);
        var special = new HashSet<int>();
        for (int id = 0; id < file.Tokens.Count; id++)
        {
            ids.TryAdd(file.Tokens[id], id);
            if (TypeOf(file, id) is GgufTokenType.Control or GgufTokenType.Unknown)
                special.Add(id);
        }
        return new Vocabulary(ids, special);
    }

    private static List<AddedToken> AddedTokens(GgufVocabulary file)
    {
        var added = new List<AddedToken>();
        for (int id = 0; id < file.Tokens.Count; id++)
        {
            GgufTokenType type = TypeOf(file, id);
            if (type is not (GgufTokenType.Control or GgufTokenType.UserDefined or GgufTokenType.Unknown) || file.Tokens[id].Length == 0)
                continue;
            bool marked = type == GgufTokenType.UserDefined && file.Model == "llama";
            string text = marked ? file.Tokens[id].Replace(SpaceMark, " ", StringComparison.Ordinal) : file.Tokens[id];
            added.Add(new AddedToken(
                id, text, SingleWord: false, StripLeft: false, StripRight: false, Normalized: false, Special: type != GgufTokenType.UserDefined));
        }
        return added;
    }

    // A merge whose parts or result are no tokens can never happen and is passed over.
    private static MergeTable ReadMerges(GgufVocabulary file, Vocabulary vocabulary)
    {
        var merges = new MergeTable(file.Merges.Count);
        for (int rank = 0; rank < file.Merges.Count; rank++)
        {
            string merge = file.Merges[rank];
            int space = merge.Length > 1 ? merge.IndexOf(' ', 1) : -1;
            if (space < 0)
                throw Error(file, $"tokenizer.ggml.merges[{rank}]", $"must be two tokens with one space between; it is \"{merge}\"");
            if (vocabulary.TryGetId(merge.AsSpan(0, space), out int left) && vocabulary.TryGetId(merge.AsSpan(space + 1), out int right)
                && vocabulary.TryGetId(string.Concat(merge.AsSpan(0, space), merge.AsSpan(space + 1)), out int merged))
            {
                merges.Add(left, right, rank, merged);
            }
        }
        return merges;
    }

    private static SpecialTokenFrame Frame(GgufVocabulary file, bool addBosByDefault)
    {
        bool addBos = file.AddBos ?? addBosByDefault;
        return new SpecialTokenFrame(
            addBos && file.Roles.TryGetValue("bos", out int bos) ? [bos] : [],
            file.AddEos == true && file.Roles.TryGetValue("eos", out int eos) ? [eos] : []);
    }

    private static SpecialTokens Roles(GgufVocabulary file, Vocabulary vocabulary)
    {
        var named = new SortedDictionary<string, string>(StringComparer.Ordinal);
        return new SpecialTokens
        {
            Bos = Find("bos", "bos_token"),
            Eos = Find("eos", "eos_token"),
            Unk = Find("unknown", "unk_token"),
            Pad = Find("padding", "pad_token"),
            Named = named,
        };

        SpecialToken? Find(string role, string name)
        {
            if (!file.Roles.TryGetValue(role, out int id))
                return null;
            string text = vocabulary.TokenOf(id)
                ?? throw Error(file, $"tokenizer.ggml.{role}_token_id", $"is {id}, which is no token (0 to {vocabulary.Size - 1})");
            named.Add(name, text);
            return new SpecialToken(text, id);
        }
    }

    private static bool HasByteTokens(GgufVocabulary file) =>
        file.Types.Count == 0 || System.Linq.Enumerable.Contains(file.Types, GgufTokenType.Byte);

    private static bool IsText(GgufVocabulary file, int id) =>
        TypeOf(file, id) is GgufTokenType.Normal or GgufTokenType.UserDefined or GgufTokenType.Undefined;

    private static GgufTokenType TypeOf(GgufVocabulary file, int id) => file.Types.Count == 0 ? GgufTokenType.Normal : file.Types[id];

    private static IEnumerable<string> Names()
    {
        foreach (GgufPreTokenizer entry in GgufPreTokenizer.All)
            yield return entry.Name;
    }

    private static TokenizerException Error(GgufVocabulary file, string key, string problem) => new($"{file.File}: {key} {problem}.");
}
