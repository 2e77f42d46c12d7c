using System;
using System.Collections.Generic;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;
using Quire.Tokenization.Engines;

namespace Quire.Tokenization.Loading;

/// <summary>Reads the vocabulary, the merges and the added tokens of a <c>tokenizer.json</c>.</summary>
internal static class VocabularyReader
{
    private const int AddedLengthMax = 1000;
    private const int MergeLengthMax = 512;

    /// <summary>The <c>model.vocab</c> of a byte-pair model.</summary>
    public static VocabularyBuilder ReadTokens(JsonPart model)
    {
        JsonPart part = model.Field("vocab");
        var tokens = new VocabularyBuilder(part.Kind == JsonValueKind.Object ? part.Element.GetPropertyCount() : 0);
        foreach ((string token, JsonPart value) in part.Fields())
        {
            int id = value.Integer(0, VocabularyBuilder.IdMax);
            if (tokens.TryGetId(token, out _))
                throw value.Error("is listed twice");
            if (tokens.TokenOf(id) is { } other)
                throw value.Error($"has the same id as \"{other}\"");
            tokens.Add(token, id);
        }
        return tokens.Count > 0 ? tokens : throw part.Error("must not be empty");
    }

    /// <summary>The <c>model.vocab</c> of a unigram model: pairs of a piece and its score, by id.</summary>
    public static VocabularyBuilder ReadPieces(JsonPart model)
    {
        JsonPart part = model.Field("vocab");
        var tokens = new VocabularyBuilder(part.Kind == JsonValueKind.Array ? part.Element.GetArrayLength() : 0);
        int id = 0;
        foreach (JsonPart item in part.Items())
        {
            if (item.Kind != JsonValueKind.Array || item.Element.GetArrayLength() != 2 || item.Element[0].ValueKind != JsonValueKind.String || id > VocabularyBuilder.IdMax)
                throw item.Error("must be a piece and its score");
            string token = item.TextOf(item.Element[0]);
            if (tokens.TryGetId(token, out _))
                throw item.Error("is listed twice");
            tokens.Add(token, id++);
        }
        return tokens.Count > 0 ? tokens : throw part.Error("must not be empty");
    }

    /// <summary>The scores of the same list; 0 for tokens that were added.</summary>
    public static double[] ReadScores(JsonPart model, int size)
    {
        var scores = new double[size];
        int id = 0;
        foreach (JsonPart item in model.Field("vocab").Items())
        {
            if (item.Element[1].ValueKind != JsonValueKind.Number || !item.Element[1].TryGetDouble(out double score) || !double.IsFinite(score))
                throw item.Error("must be a piece and its score");
            scores[id++] = score;
        }
        return scores;
    }

    /// <summary>The <c>added_tokens</c>; those that the model does not have are added to <paramref name="tokens"/>.</summary>
    public static List<AddedToken> ReadAdded(JsonPart part, VocabularyBuilder tokens)
    {
        var added = new List<AddedToken>();
        if (part.IsNull)
            return added;
        foreach (JsonPart item in part.Items())
        {
            JsonPart idPart = item.Field("id");
            AddedToken token = ReadOne(item, idPart.Integer(0, VocabularyBuilder.IdMax));
            bool known = tokens.TryGetId(token.Content, out int knownId);
            if (known && knownId != token.Id)
                throw idPart.Error($"must be {knownId}, the id that \"{token.Content}\" already has");
            if (!known && tokens.TokenOf(token.Id) is { } other)
                throw idPart.Error($"is already the id of \"{other}\"");
            if (!known)
                tokens.Add(token.Content, token.Id);
            added.Add(token);
        }
        return added;
    }

    /// <summary>One added token; flags that are absent have the library's defaults.</summary>
    public static AddedToken ReadOne(JsonPart item, int id)
    {
        JsonPart content = item.Field("content");
        string text = content.Text();
        if (text.Length is 0 or > AddedLengthMax)
            throw content.Error($"must have 1 to {AddedLengthMax} characters");
        bool special = item.Field("special").Flag(false);
        return new AddedToken(
            id,
            text,
            SingleWord: item.Field("single_word").Flag(false),
            StripLeft: item.Field("lstrip").Flag(false),
            StripRight: item.Field("rstrip").Flag(false),
            Normalized: item.Field("normalized").Flag(!special),
            special);
    }

    /// <summary>The <c>model.merges</c>: strings with one space between the parts, or arrays of two strings.</summary>
    public static MergeTable ReadMerges(JsonPart model, Vocabulary vocabulary)
    {
        JsonPart part = model.Field("merges");
        var merges = new MergeTable(part.Kind == JsonValueKind.Array ? part.Element.GetArrayLength() : 0);
        int rank = 0;
        Span<char> text = stackalloc char[MergeLengthMax];
        foreach (JsonPart item in part.Items())
        {
            int middle = ReadPair(item, text, out int length);
            int left = IdOf(vocabulary, text[..middle], item);
            int right = IdOf(vocabulary, text[middle..length], item);
            merges.Add(left, right, rank++, IdOf(vocabulary, text[..length], item));
        }
        return merges;
    }

    // Both parts end to end, because their concatenation is looked up as well. Where the first one ends.
    private static int ReadPair(JsonPart item, Span<char> text, out int length)
    {
        if (item.Kind == JsonValueKind.String)
        {
            length = Read(item, item.Element, text);
            int space = text[..length].IndexOf(' ');
            if (space < 0 || text[(space + 1)..length].Contains(' '))
                throw item.Error("must be two tokens with one space between");
            text[(space + 1)..length].CopyTo(text[space..]);
            length--;
            return space;
        }
        if (item.Kind != JsonValueKind.Array || item.Element.GetArrayLength() != 2)
            throw item.Error("must be two tokens");
        int middle = Read(item, item.Element[0], text);
        length = middle + Read(item, item.Element[1], text[middle..]);
        return middle;
    }

    private static int Read(JsonPart item, JsonElement element, Span<char> text)
    {
        if (element.ValueKind != JsonValueKind.String)
            throw item.Error("must be two tokens");
        ReadOnlySpan<byte> raw = JsonMarshal.GetRawUtf8Value(element)[1..^1];
        if (!raw.Contains((byte)'\\'))
        {
            return Encoding.UTF8.TryGetChars(raw, text, out int written)
                ? written
                : throw item.Error($"must have at most {MergeLengthMax} characters");
        }
        string unescaped = item.TextOf(element);
        return unescaped.TryCopyTo(text) ? unescaped.Length : throw item.Error($"must have at most {MergeLengthMax} characters");
    }

    private static int IdOf(Vocabulary vocabulary, ReadOnlySpan<char> token, JsonPart merge) =>
        vocabulary.TryGetId(token, out int id) ? id : throw merge.Error($"names \"{token}\", which is not in model.vocab");
}
