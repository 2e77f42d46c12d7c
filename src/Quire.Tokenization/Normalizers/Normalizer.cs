using System;
using System.Text;

namespace Quire.Tokenization.Normalizers;

/// <summary>One step that rewrites text before it is cut into pieces.</summary>
internal abstract class Normalizer
{
    /// <summary>The rewritten text; the same instance when nothing changes.</summary>
    public abstract string Apply(string text);
}

/// <summary><c>Prepend</c>: puts a string in front of every non-empty text.</summary>
internal sealed class PrependNormalizer(string prefix) : Normalizer
{
    /// <inheritdoc/>
    public override string Apply(string text) => text.Length == 0 ? text : prefix + text;
}

/// <summary><c>Replace</c> with a literal pattern.</summary>
internal sealed class ReplaceNormalizer(string pattern, string content) : Normalizer
{
    /// <inheritdoc/>
    public override string Apply(string text) => text.Replace(pattern, content, StringComparison.Ordinal);
}

/// <summary><c>Lowercase</c>, character by character, without regard to language.</summary>
internal sealed class LowercaseNormalizer : Normalizer
{
    /// <inheritdoc/>
    // The full mapping of U+0130 is two characters; the invariant mapping leaves it alone.
    public override string Apply(string text) => text.ToLowerInvariant().Replace("\u0130", "i\u0307", StringComparison.Ordinal);
}

/// <summary><c>Strip</c>: removes white space at the ends.</summary>
internal sealed class StripNormalizer(bool left, bool right) : Normalizer
{
    /// <inheritdoc/>
    public override string Apply(string text)
    {
        string start = left ? text.TrimStart() : text;
        return right ? start.TrimEnd() : start;
    }
}

/// <summary><c>NFC</c>, <c>NFD</c>, <c>NFKC</c>, <c>NFKD</c> (Unicode Standard Annex 15).</summary>
internal sealed class UnicodeNormalizer(NormalizationForm form) : Normalizer
{
    /// <inheritdoc/>
    public override string Apply(string text) => UnicodeNormalization.Normalize(text, form);
}

/// <summary><c>Sequence</c>: one step after the other.</summary>
internal sealed class NormalizerSequence(Normalizer[] steps) : Normalizer
{
    /// <inheritdoc/>
    public override string Apply(string text)
    {
        foreach (Normalizer step in steps)
            text = step.Apply(text);
        return text;
    }
}
