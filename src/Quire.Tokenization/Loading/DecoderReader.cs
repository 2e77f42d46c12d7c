using System.Collections.Generic;
using Quire.Tokenization.Decoders;
using Quire.Tokenization.Engines;
using Quire.Tokenization.PreTokenizers;

namespace Quire.Tokenization.Loading;

/// <summary>
/// Reads the <c>decoder</c> of a <c>tokenizer.json</c>: either <c>ByteLevel</c> alone, or a SentencePiece-style sequence in its usual
/// order.
/// </summary>
internal static class DecoderReader
{
    private const string Supported = "(supported: ByteLevel; or Replace or Metaspace, then ByteFallback, Fuse and Strip, in this order)";

    public static TokenDecoder Read(JsonPart part, Vocabulary vocabulary)
    {
        if (part.IsNull)
            return new PieceDecoder(vocabulary, new PieceDecoderOptions { Separator = " " });
        List<JsonPart> parts = Flatten(part, []);
        if (parts.Count == 1 && parts[0].TypeName() == "ByteLevel")
            return new ByteLevelDecoder(vocabulary);
        return new PieceDecoder(vocabulary, ReadOptions(part, parts));
    }

    private static List<JsonPart> Flatten(JsonPart part, List<JsonPart> parts)
    {
        if (part.TypeName() != "Sequence")
        {
            parts.Add(part);
            return parts;
        }
        foreach (JsonPart item in part.Field("decoders").Items())
            Flatten(item, parts);
        return parts;
    }

    private static PieceDecoderOptions ReadOptions(JsonPart whole, List<JsonPart> parts)
    {
        var options = new PieceDecoderOptions();
        var replacements = new List<(string Pattern, string Content)>();
        int stage = 0;
        bool fused = false;
        foreach (JsonPart part in parts)
        {
            string type = part.TypeName();
            int itsStage = type switch
            {
                "Replace" or "Metaspace" => 0,
                "ByteFallback" => 1,
                "Fuse" => 2,
                "Strip" => 3,
                _ => throw part.Field("type").Error($"names a decoder that is not supported here {Supported}"),
            };
            if (itsStage < stage || (stage == 3 && itsStage == 3))
                throw part.Field("type").Error($"names a decoder out of the usual order {Supported}");
            stage = itsStage;
            switch (type)
            {
                case "Replace":
                    replacements.Add(ReadReplace(part));
                    break;
                case "Metaspace":
                    options = ReadMetaspace(part, options);
                    break;
                case "ByteFallback":
                    options = options with { ByteFallback = true };
                    break;
                case "Fuse":
                    fused = true;
                    break;
                default:
                    options = fused ? ReadStrip(part, options) : throw part.Error("must come after Fuse");
                    break;
            }
        }
        if (options.Metaspace is not null && replacements.Count > 0)
            throw whole.Error("must not have both Metaspace and Replace");
        return options with { Replacements = replacements };
    }

    private static (string Pattern, string Content) ReadReplace(JsonPart part)
    {
        JsonPart literal = part.Field("pattern").Field("String");
        if (literal.IsNull)
            throw part.Field("pattern").Error("must be a String: regular expressions in decoders are not supported");
        if (literal.Text().Length == 0)
            throw literal.Error("must not be empty");
        return (literal.Text(), part.Field("content").Text());
    }

    private static PieceDecoderOptions ReadMetaspace(JsonPart part, PieceDecoderOptions options)
    {
        JsonPart replacement = part.Field("replacement");
        string mark = replacement.OptionalText() ?? "▁";
        if (mark.Length != 1)
            throw replacement.Error("must be one character");
        bool keepsFirst = PreTokenizerReader.ReadPrependScheme(part) == PrependScheme.Never;
        return options with { Metaspace = mark[0], KeepsFirstMetaspace = keepsFirst };
    }

    private static PieceDecoderOptions ReadStrip(JsonPart part, PieceDecoderOptions options)
    {
        JsonPart content = part.Field("content");
        if (content.Text().Length != 1)
            throw content.Error("must be one character");
        const int CountMax = 1000;
        return options with
        {
            StripContent = content.Text()[0],
            StripStart = part.Field("start").Integer(0, CountMax),
            StripStop = part.Field("stop").Integer(0, CountMax),
        };
    }
}
