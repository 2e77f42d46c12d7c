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
            default:
                throw part.Field("type").Error(
                    "names a normalizer that is not supported "
                    + "(supported: Sequence, NFC, NFD, NFKC, NFKD, Lowercase, Strip, Prepend, Replace)");
        }
    }

    private static ReplaceNormalizer ReadReplace(JsonPart part)
    {
        JsonPart literal = part.Field("pattern").Field("String");
        if (literal.IsNull)
            throw part.Field("pattern").Error("must be a String: regular expressions in normalizers are not supported");
        if (literal.Text().Length == 0)
            throw literal.Error("must not be empty");
        return new ReplaceNormalizer(literal.Text(), part.Field("content").Text());
    }
}
