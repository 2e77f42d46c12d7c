using System;
using System.Collections.Generic;
using System.Globalization;
using Quire.Tokenization.Decoders;
using Quire.Tokenization.Engines;
using Quire.Tokenization.PostProcessors;
using Quire.Tokenization.PreTokenizers;

namespace Quire.Tokenization.Loading;

/// <summary>
/// Reads <c>tekken.json</c>, the tokenizer file of Mistral's own format: byte strings in the order in which they merge (as in tiktoken), a pattern, and
/// control tokens, which have the lowest ids. What <c>tokenizer_config.json</c> says is laid over it.
/// </summary>
internal static class TekkenReader
{
    public const string FileName = "tekken.json";

    /// <summary>Most control tokens; published files have 1,000.</summary>
    private const int ControlsMax = 1 << 16;

    /// <summary>The control tokens of files that do not list them, up to version 7.</summary>
    private static readonly string[] OldControls =
    [
        "<unk>", "<s>", "</s>", "[INST]", "[/INST]", "[AVAILABLE_TOOLS]", "[/AVAILABLE_TOOLS]", "[TOOL_RESULTS]", "[/TOOL_RESULTS]", "[TOOL_CALLS]", "[IMG]",
        "<pad>", "[IMG_BREAK]", "[IMG_END]", "[PREFIX]", "[MIDDLE]", "[SUFFIX]", "[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT]", "[TOOL_CONTENT]",
    ];

    private static readonly (string Role, string Text)[] Roles = [("unk_token", "<unk>"), ("bos_token", "<s>"), ("eos_token", "</s>"), ("pad_token", "<pad>")];

    /// <exception cref="TokenizerException">The file is broken.</exception>
    public static PipelineTokenizer Read(JsonPart root, TokenizerConfig config)
    {
        JsonPart settings = root.Field("config");
        int controls = settings.Field("default_num_special_tokens").Integer(0, ControlsMax);
        int size = settings.Field("default_vocab_size").Integer(controls, VocabularyBuilder.IdMax + 1);
        var tokens = new VocabularyBuilder(16);
        List<AddedToken> added = ReadControls(root.Field("special_tokens"), controls, tokens);
        var texts = new List<string>(controls);
        for (int id = 0; id < controls; id++)
            texts.Add(added[id].Content);
        ReadBytes(root.Field("vocab"), size - controls, tokens, texts);
        foreach ((string role, string text) in Roles)
            config.SetDefault(role, tokens.TryGetId(text, out int id) && id < controls ? text : null);
        config.Apply(tokens, added);

        var special = new HashSet<int>();
        foreach (AddedToken token in added)
        {
            if (token.Special)
                special.Add(token.Id);
        }

        Vocabulary vocabulary = tokens.Build(special);
        SpecialTokens roles = config.Resolve(vocabulary);
        return new PipelineTokenizer(new TokenizerParts
        {
            Vocabulary = vocabulary,
            AddedTokens = added,
            PreTokenizers = [ReadPattern(settings.Field("pattern"))],
            Model = new ByteLevelBpe(vocabulary, Merges(vocabulary, texts, controls), ignoreMerges: true, new UnknownRule(null, false)),
            Frame = new SpecialTokenFrame(
                config.AddBos != false && roles.Bos?.Id is int bos ? [bos] : [], config.AddEos == true && roles.Eos?.Id is int eos ? [eos] : []),
            Decoder = new ByteLevelDecoder(vocabulary),
            Special = roles,
        });
    }

    /// <summary>The listed control tokens, then fillers up to their number; their ranks are their ids.</summary>
    private static List<AddedToken> ReadControls(JsonPart list, int count, VocabularyBuilder tokens)
    {
        var added = new List<AddedToken>();
        if (list.IsNull)
        {
            foreach (string text in OldControls.AsSpan(0, Math.Min(count, OldControls.Length)))
                Add(text, isControl: true);
        }
        else
        {
            foreach (JsonPart item in list.Items())
            {
                if (added.Count == count)
                    throw list.Error($"has more entries than config.default_num_special_tokens, {count}");
                JsonPart rank = item.Field("rank");
                if (rank.Integer(0, ControlsMax) != added.Count)
                    throw rank.Error($"must be {added.Count}: control tokens are listed in their order");
                JsonPart text = item.Field("token_str");
                if (text.Text().Length == 0 || tokens.TryGetId(text.Text(), out _))
                    throw text.Error("must be a text that no other control token has");
                Add(text.Text(), item.Field("is_control").Flag(true));
            }
        }

        while (added.Count < count)
        {
            string filler = string.Create(CultureInfo.InvariantCulture, $"<SPECIAL_{added.Count}>");
            if (tokens.TryGetId(filler, out int taken))
                throw list.Error($"gives id {taken} the name of the filler of id {added.Count}, {filler}");
            Add(filler, isControl: true);
        }

        return added;

        void Add(string text, bool isControl)
        {
            tokens.Add(text, added.Count);
            added.Add(new AddedToken(
                added.Count, text, SingleWord: false, StripLeft: false, StripRight: false, Normalized: false, Special: isControl));
        }
    }

    /// <summary>The byte strings that the vocabulary has room for, in the byte alphabet. One that is spelled like a control token stands for nothing.</summary>
    private static void ReadBytes(JsonPart vocabulary, int count, VocabularyBuilder tokens, List<string> texts)
    {
        int first = texts.Count;
        byte[] bytes = [];
        foreach (JsonPart item in vocabulary.Items())
        {
            int rank = texts.Count - first;
            if (rank == count)
                return;
            JsonPart place = item.Field("rank");
            if (place.Integer(0, VocabularyBuilder.IdMax) != rank)
                throw place.Error($"must be {rank}: tokens are listed in the order in which they merge");
            JsonPart encoded = item.Field("token_bytes");
            string base64 = encoded.Text();
            if (bytes.Length < base64.Length)
                bytes = new byte[base64.Length];
            if (!Convert.TryFromBase64String(base64, bytes, out int length) || length == 0)
                throw encoded.Error("must be one byte or more in Base64");
            if (rank < 256 && (length != 1 || bytes[0] != rank))
                throw encoded.Error($"must be the byte {rank}: the first 256 tokens are the bytes in order");
            string text = string.Create(length, bytes, static (characters, source) => ByteAlphabet.Spell(source.AsSpan(0, characters.Length), characters));
            if (!tokens.TryGetId(text, out int known))
                tokens.Add(text, texts.Count);
            else if (known >= first)
                throw encoded.Error($"is the token of rank {known - first} again");
            texts.Add(text);
        }

        if (texts.Count - first < Math.Max(count, 256))
            throw vocabulary.Error($"has {texts.Count - first} entries; config.default_vocab_size asks for {count}, and there are 256 bytes");
    }

    private static PreTokenizer ReadPattern(JsonPart pattern) => PatternScanner.Known(pattern.Text()) is { } scanner
        ? new ScannerSplit(scanner)
        : new MatchSplit(PreTokenizerReader.MakeRegex(pattern), SplitBehavior.Isolated, invert: false);

    /// <summary>Of two neighbours, those merge first whose concatenation has the lowest rank.</summary>
    private static MergeTable Merges(Vocabulary vocabulary, List<string> texts, int controls)
    {
        var scores = new float[texts.Count];
        for (int id = 0; id < scores.Length; id++)
            scores[id] = -id;
        return ScoredMerges.Make(vocabulary, texts, scores, id => id >= controls);
    }
}
