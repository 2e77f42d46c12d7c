using System;
using System.Collections.Generic;
using System.Text;
using Quire.Tokenization.Normalizers;

namespace Quire.Tokenization.Loading;

/// <summary>Reads the <c>normalizer</c> of a <c>tokenizer.json</c>.</summary>
internal static class NormalizerReader
{
    /// <summary>The normalizer, or <see langword="null"/> when text stays as it is.</summary>
    public static Normalizer? Read(JsonPart part)
    {
        if (part.IsNull)
            return null;
        string type = part.TypeName();
        switch (type)
        {
            case "Sequence":
                var steps = new List<Normalizer>();
                foreach (JsonPart item in part.Field("normalizers").Items())
                {
                    if (Read(item) is { } step)
                        steps.Add(step);
                }
                return steps.Count == 0 ? null : new NormalizerSequence(steps.ToArray());
            case "NFC":
                return new UnicodeNormalizer(NormalizationForm.FormC);
            case "NFD":
                return new UnicodeNormalizer(NormalizationForm.FormD);
            case "NFKC":
                return new UnicodeNormalizer(NormalizationForm.FormKC);
            case "NFKD":
                return new UnicodeNormalizer(NormalizationForm.FormKD);
            case "Lowercase":
                return new LowercaseNormalizer();
            case "Strip":
                return new StripNormalizer(part.Field("strip_left").Flag(true), part.Field("strip_right").Flag(true));
            case "Prepend":
                return new PrependNormalizer(part.Field("prepend").Text());
            case "Replace":
                return ReadReplace(part);
            case "Nmt":
                return new NmtNormalizer();
            case "StripAccents":
                return new StripAccentsNormalizer();
            case "Precompiled":
                return ReadCharacterMap(part.Field("precompiled_charsmap"));
            case "BertNormalizer":
                return ReadBert(part);
            default:
                throw part.Field("type").Error(
                    "names a normalizer that is not supported "
                    + "(supported: Sequence, NFC, NFD, NFKC, NFKD, Lowercase, Strip, StripAccents, Prepend, Replace, Nmt, Precompiled, BertNormalizer)");
        }
    }

    private static CharacterMap? ReadCharacterMap(JsonPart part)
    {
        if (part.IsNull)
            return null;
        byte[] bytes;
        try
        {
            bytes = Convert.FromBase64String(part.Text());
        }
        catch (FormatException)
        {
            throw part.Error("must be base64");
        }
        return bytes.Length == 0 ? null : CharacterMap.TryRead(bytes) ?? throw part.Error("must be a table of SentencePiece");
    }

    private static NormalizerSequence ReadBert(JsonPart part)
    {
        bool lowercase = part.Field("lowercase").Flag(true);
        var steps = new List<Normalizer> { new BertCleaner(part.Field("clean_text").Flag(true), part.Field("handle_chinese_chars").Flag(true)) };
        if (part.Field("strip_accents").Flag(lowercase))
        {
            steps.Add(new UnicodeNormalizer(NormalizationForm.FormD));
            steps.Add(new StripAccentsNormalizer());
        }
        if (lowercase)
            steps.Add(new LowercaseNormalizer());
        return new NormalizerSequence(steps.ToArray());
    }

    private static Normalizer ReadReplace(JsonPart part)
    {
        JsonPart literal = part.Field("pattern").Field("String");
        if (literal.IsNull)
            return new PatternNormalizer(PreTokenizerReader.MakeRegex(part.Field("pattern").Field("Regex")), part.Field("content").Text());
        if (literal.Text().Length == 0)
            throw literal.Error("must not be empty");
        return new ReplaceNormalizer(literal.Text(), part.Field("content").Text());
    }
}
