using System;
using System.Collections.Generic;
using System.Diagnostics.CodeAnalysis;

namespace Quire.Tokenization;

/// <summary>
/// Text to token ids and back, exactly as the Hugging Face <c>tokenizers</c> library does it for the same <c>tokenizer.json</c>.
/// Instances are immutable and may be used from any number of threads.
/// </summary>
public interface ITokenizer
{
    /// <summary>One more than the highest id, added tokens included. Not every id below it need stand for a token.</summary>
    int VocabularySize { get; }

    /// <summary>The tokens with a role (beginning, end, padding, unknown), from <c>tokenizer_config.json</c>.</summary>
    SpecialTokens Special { get; }

    /// <summary>The control tokens that a text can spell.</summary>
    ControlTokens ControlTokens { get; }

    /// <summary>Appends the ids of a text in which some characters are part of no control token.</summary>
    /// <param name="text">The text; see <see cref="Encode(ReadOnlySpan{char}, bool, List{int}, bool)"/>.</param>
    /// <param name="literals">Positions of these characters, ascending.</param>
    /// <param name="addSpecialTokens">Whether the post-processor adds its tokens (beginning of sequence and the like).</param>
    /// <param name="destination">Where the ids are appended; what it already holds stays.</param>
    /// <exception cref="TokenizerException">A pattern of the model's own took too long on this text, or the model cannot express
    /// it.</exception>
    void Encode(ReadOnlySpan<char> text, ReadOnlySpan<int> literals, bool addSpecialTokens, List<int> destination);

    /// <inheritdoc cref="Encode(ReadOnlySpan{char}, ReadOnlySpan{int}, bool, List{int})"/>
    int[] Encode(GuardedText text, bool addSpecialTokens)
    {
        ArgumentNullException.ThrowIfNull(text);
        var ids = new List<int>((text.Text.Length / 4) + 4);
        Encode(text.Text, text.Literals.Span, addSpecialTokens, ids);
        return ids.ToArray();
    }

    /// <summary>Appends the ids of <paramref name="text"/> to <paramref name="destination"/>.</summary>
    /// <param name="text">Any UTF-16 text. An unpaired surrogate counts as U+FFFD.</param>
    /// <param name="addSpecialTokens">Whether the post-processor adds its tokens (beginning of sequence and the like).</param>
    /// <param name="destination">Where the ids are appended; what it already holds stays.</param>
    /// <param name="matchSpecialTokens">
    /// Whether text that spells a special token becomes that token, as Hugging Face does by default. With <see langword="false"/> such text
    /// is
    /// encoded as ordinary characters, so that text from outside cannot forge control tokens. Added tokens that are not special match
    /// either way.
    /// </param>
    /// <exception cref="TokenizerException">A pattern of the model's own took too long on this text, or the model cannot express
    /// it.</exception>
    void Encode(ReadOnlySpan<char> text, bool addSpecialTokens, List<int> destination, bool matchSpecialTokens = true);

    /// <inheritdoc cref="Encode(ReadOnlySpan{char}, bool, List{int}, bool)"/>
    [SuppressMessage("Design", "CA1026", Justification = "The option is part of the same operation.")]
    int[] Encode(string text, bool addSpecialTokens, bool matchSpecialTokens = true)
    {
        ArgumentNullException.ThrowIfNull(text);
        var ids = new List<int>((text.Length / 4) + 4);
        Encode(text.AsSpan(), addSpecialTokens, ids, matchSpecialTokens);
        return ids.ToArray();
    }

    /// <summary>
    /// The text of a whole sequence. Bytes that are not UTF-8 become U+FFFD, ids that stand for nothing become nothing.
    /// For text that is still growing use <see cref="IncrementalDecoder"/>.
    /// </summary>
    string Decode(ReadOnlySpan<int> ids, bool skipSpecialTokens);

    /// <summary>
    /// The vocabulary's own spelling of a token (<c>Ġcat</c>, <c>▁cat</c>, <c>&lt;0x0A&gt;</c>), or <see langword="null"/>.
    /// </summary>
    string? IdToToken(int id);

    /// <summary>The id of a token in the vocabulary's own spelling, or <see langword="null"/>.</summary>
    int? TokenToId(string token);

    /// <summary>Whether <see cref="Decode"/> leaves the id out when special tokens are skipped.</summary>
    bool IsSpecial(int id);

    /// <summary>
    /// The bytes that a token adds to the text: part of a character for a byte token, the spelling of a special token for that token,
    /// nothing for an id that stands for nothing. What a decoder does at the start of a text only (dropping one leading space) is not
    /// applied.
    /// </summary>
    ReadOnlySpan<byte> GetTokenBytes(int id);

    /// <summary>Appends <see cref="GetTokenBytes"/> of <paramref name="id"/> to <paramref name="destination"/>.</summary>
    void AppendTokenBytes(int id, List<byte> destination)
    {
        ArgumentNullException.ThrowIfNull(destination);
        foreach (byte value in GetTokenBytes(id))
            destination.Add(value);
    }

    /// <summary>A fresh decoding state for one sequence; <see cref="IncrementalDecoder"/> is the comfortable way to use it.</summary>
    TokenTextStream OpenTextStream();
}
