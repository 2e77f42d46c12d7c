using System.Collections.Generic;
using Quire.Tokenization.Engines;
using Quire.Tokenization.PostProcessors;

namespace Quire.Tokenization.Loading;

/// <summary>Builds a tokenizer from a <c>tokenizer.json</c> (Hugging Face tokenizers, format version 1.0) and its configuration.</summary>
internal static class TokenizerJsonReader
{
    public static PipelineTokenizer Read(JsonPart root, TokenizerConfig config)
    {
        JsonPart model = root.Field("model");
        CheckModel(model);
        bool unigram = IsUnigram(model);
        VocabularyBuilder tokens = unigram ? VocabularyReader.ReadPieces(model) : VocabularyReader.ReadTokens(model);
        List<AddedToken> added = VocabularyReader.ReadAdded(root.Field("added_tokens"), tokens);
        config.Apply(tokens, added);
        var special = new HashSet<int>();
        foreach (AddedToken token in added)
        {
            if (token.Special)
                special.Add(token.Id);
        }
        var vocabulary = tokens.Build(special);
        SpecialTokens roles = config.Resolve(vocabulary);
        PreTokenizerReader preTokenizer = PreTokenizerReader.Read(root.Field("pre_tokenizer"));
        return new PipelineTokenizer(new TokenizerParts
        {
            Vocabulary = vocabulary,
            AddedTokens = added,
            Normalizer = NormalizerReader.Read(root.Field("normalizer")),
            PreTokenizers = preTokenizer.Steps,
            Model = unigram ? ReadUnigram(model, vocabulary) : ReadModel(model, vocabulary, preTokenizer.ByteLevel),
            Frame = ReadFrame(root.Field("post_processor"), config, roles, vocabulary),
            Decoder = DecoderReader.Read(root.Field("decoder"), vocabulary),
            Special = roles,
        });
    }

    private static void CheckModel(JsonPart model)
    {
        if (IsUnigram(model))
            return;
        JsonPart type = model.Field("type");
        // Old files leave the type out; merges tell a byte-pair model.
        if (type.IsNull ? model.Field("merges").IsNull : type.Text() != "BPE")
            throw type.Error("must be BPE or Unigram: other kinds of model (WordPiece, WordLevel) are not supported");
        JsonPart dropout = model.Field("dropout");
        if (!dropout.IsNull && !(dropout.Kind == System.Text.Json.JsonValueKind.Number && dropout.Element.GetDouble() == 0))
            throw dropout.Error("must be null: with it encoding is random");
        foreach (string name in (string[])["continuing_subword_prefix", "end_of_word_suffix"])
        {
            JsonPart affix = model.Field(name);
            if (!string.IsNullOrEmpty(affix.OptionalText()))
                throw affix.Error("must be empty: word affixes are not supported");
        }
    }

    private static bool IsUnigram(JsonPart model) =>
        model.Field("type") is { Kind: System.Text.Json.JsonValueKind.String } type && type.Text() == "Unigram";

    private static UnigramModel ReadUnigram(JsonPart model, Vocabulary vocabulary)
    {
        JsonPart unknown = model.Field("unk_id");
        int? unknownId = unknown.IsNull ? null : unknown.Integer(0, vocabulary.Size - 1);
        return new UnigramModel(vocabulary, VocabularyReader.ReadScores(model, vocabulary.Size), unknownId, model.Field("byte_fallback").Flag(false));
    }

    private static BpeModel ReadModel(JsonPart model, Vocabulary vocabulary, bool byteLevel)
    {
        MergeTable merges = VocabularyReader.ReadMerges(model, vocabulary);
        bool ignoreMerges = model.Field("ignore_merges").Flag(false);
        bool byteFallback = model.Field("byte_fallback").Flag(false);
        JsonPart unknown = model.Field("unk_token");
        int? unknownId = null;
        if (unknown.OptionalText() is { } token)
            unknownId = vocabulary.TryGetId(token, out int id) ? id : throw unknown.Error("must be in model.vocab");
        var rule = new UnknownRule(unknownId, model.Field("fuse_unk").Flag(false));
        return byteLevel
            ? new ByteLevelBpe(vocabulary, merges, ignoreMerges, rule)
            : new CharacterBpe(vocabulary, merges, ignoreMerges, rule, byteFallback);
    }

    // What the configuration says about beginning and end tokens replaces the post-processor, as in transformers.
    private static SpecialTokenFrame ReadFrame(JsonPart part, TokenizerConfig config, SpecialTokens roles, Vocabulary vocabulary)
    {
        SpecialTokenFrame frame = PostProcessorReader.Read(part);
        foreach (int id in (int[])[.. frame.Before, .. frame.After])
        {
            if (vocabulary.TokenOf(id) is null)
                throw part.Error($"adds the id {id}, which stands for no token");
        }
        if (config.AddBos is null && config.AddEos is null)
            return frame;
        return new SpecialTokenFrame(
            config.AddBos == true && roles.Bos?.Id is int bos ? [bos] : [],
            config.AddEos == true && roles.Eos?.Id is int eos ? [eos] : []);
    }
}
