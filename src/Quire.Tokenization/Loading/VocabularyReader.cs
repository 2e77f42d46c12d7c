using System.Collections.Generic;
using Quire.Tokenization.Engines;

namespace Quire.Tokenization.Loading;

/// <summary>Reads the vocabulary, the merges and the added tokens of a <c>tokenizer.json</c>.</summary>
internal static class VocabularyReader
{
    /// <summary>The highest id accepted: tables are as long as the highest id, so a lying file must not choose it.</summary>
    public const int IdMax = (1 << 22) - 1;

    private const int AddedLengthMax = 1000;

    /// <summary>The <c>model.vocab</c> of a byte-pair model.</summary>
    public static Dictionary<string, int> ReadIds(JsonPart model)
    {
        JsonPart part = model.Field("vocab");
        var ids = new Dictionary<string, int>(part.Kind == System.Text.Json.JsonValueKind.Object ? part.Element.GetPropertyCount() : 0);
        var tokens = new Dictionary<int, string>(ids.Capacity);
        foreach ((string token, JsonPart value) in part.Fields())
        {
            int id = value.Integer(0, IdMax);
            if (!ids.TryAdd(token, id))
                throw value.Error("is listed twice");
            if (!tokens.TryAdd(id, token))
                throw value.Error($"has the same id as \"{tokens[id]}\"");
        }
        if (ids.Count == 0)
            throw part.Error("must not be empty");
        return ids;
    }

    /// <summary>The <c>added_tokens</c>; those that the model does not have are added to <paramref name="ids"/>.</summary>
    public static List<AddedToken> ReadAdded(JsonPart part, Dictionary<string, int> ids)
    {
        var added = new List<AddedToken>();
        if (part.IsNull)
            return added;
        var tokens = new Dictionary<int, string>(ids.Count);
        foreach (KeyValuePair<string, int> entry in ids)
            tokens.Add(entry.Value, entry.Key);
        foreach (JsonPart item in part.Items())
        {
            JsonPart idPart = item.Field("id");
            AddedToken token = ReadOne(item, idPart.Integer(0, IdMax), specialByDefault: false);
            if (ids.TryGetValue(token.Content, out int known) && known != token.Id)
                throw idPart.Error($"must be {known}, the id that \"{token.Content}\" already has");
            if (tokens.TryGetValue(token.Id, out string? other) && other != token.Content)
                throw idPart.Error($"is already the id of \"{other}\"");
            tokens[token.Id] = token.Content;
            ids[token.Content] = token.Id;
            added.Add(token);
        }
        return added;
    }

    /// <summary>One added token; flags that are absent have the library's defaults.</summary>
    public static AddedToken ReadOne(JsonPart item, int id, bool specialByDefault)
    {
        JsonPart content = item.Field("content");
        string text = content.Text();
        if (text.Length is 0 or > AddedLengthMax)
            throw content.Error($"must have 1 to {AddedLengthMax} characters");
        bool special = item.Field("special").Flag(specialByDefault);
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
        int count = part.Kind == System.Text.Json.JsonValueKind.Array ? part.Element.GetArrayLength() : 0;
        var merges = new MergeTable(count);
        int rank = 0;
        foreach (JsonPart item in part.Items())
        {
            (string left, string right) = ReadPair(item);
            merges.Add(IdOf(vocabulary, left, item), IdOf(vocabulary, right, item), rank++, IdOf(vocabulary, left + right, item));
        }
        return merges;
    }

    private static (string Left, string Right) ReadPair(JsonPart item)
    {
        if (item.Kind == System.Text.Json.JsonValueKind.String)
        {
            string[] parts = item.Text().Split(' ');
            return parts.Length == 2 ? (parts[0], parts[1]) : throw item.Error("must be two tokens with one space between");
        }
        string? left = null;
        string? right = null;
        int count = 0;
        foreach (JsonPart token in item.Items())
        {
            left ??= token.Text();
            right = token.Text();
            count++;
        }
        return count == 2 ? (left!, right!) : throw item.Error("must be two tokens");
    }

    private static int IdOf(Vocabulary vocabulary, string token, JsonPart merge) =>
        vocabulary.TryGetId(token, out int id) ? id : throw merge.Error($"names \"{token}\", which is not in model.vocab");
}
