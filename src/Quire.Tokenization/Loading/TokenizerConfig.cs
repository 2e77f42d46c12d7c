using System;
using System.Collections.Generic;
using System.Text.Json;
using Quire.Tokenization.Engines;

namespace Quire.Tokenization.Loading;

/// <summary>
/// What <c>tokenizer_config.json</c> (and the older <c>special_tokens_map.json</c>) say about tokens: which have a role, and which are
/// added
/// to those of <c>tokenizer.json</c>.
/// </summary>
internal sealed class TokenizerConfig
{
    private readonly SortedDictionary<string, string> _named = new(StringComparer.Ordinal);
    private readonly List<string> _additional = [];
    private readonly List<(int Id, JsonPart Part)> _declared = [];

    /// <summary>Whether the beginning token is put in front; <see langword="null"/> leaves it to the post-processor.</summary>
    public bool? AddBos { get; private set; }

    /// <summary>Whether the end token is put behind; <see langword="null"/> leaves it to the post-processor.</summary>
    public bool? AddEos { get; private set; }

    /// <summary><c>tokenizer_class</c>.</summary>
    public string? ClassName { get; private set; }

    /// <summary>The text of a named token, or null.</summary>
    public string? Named(string name) => _named.GetValueOrDefault(name);

    /// <summary>The tokens of <c>added_tokens_decoder</c>.</summary>
    public IEnumerable<(int Id, string Text, bool Special)> Declared()
    {
        foreach ((int id, JsonPart part) in _declared)
        {
            AddedToken token = VocabularyReader.ReadOne(part, id);
            yield return (id, token.Content, token.Special);
        }
    }

    /// <summary>Gives a role where no file has done so; null gives none.</summary>
    public void SetDefault(string name, string? text)
    {
        if (text is not null)
            _named.TryAdd(name, text);
    }

    /// <summary>Takes what a file says; what an earlier file said stays.</summary>
    public void Merge(JsonPart config)
    {
        foreach ((string name, JsonPart value) in config.Fields())
        {
            if (name.EndsWith("_token", StringComparison.Ordinal) && value.Kind is JsonValueKind.String or JsonValueKind.Object)
                _named.TryAdd(name, ContentOf(value));
        }
        ClassName ??= config.Field("tokenizer_class") is { Kind: JsonValueKind.String } className ? className.Text() : null;
        AddBos ??= OptionalFlag(config.Field("add_bos_token"));
        AddEos ??= OptionalFlag(config.Field("add_eos_token"));
        AddList(config.Field("additional_special_tokens"));
        AddExtra(config.Field("extra_special_tokens"));
        JsonPart declared = config.Field("added_tokens_decoder");
        if (!declared.IsNull)
        {
            foreach ((string key, JsonPart value) in declared.Fields())
                _declared.Add((ParseId(key, value), value));
        }
    }

    /// <summary>
    /// Adds the tokens that only the configuration declares, and makes the tokens with a role special, as loading with transformers does.
    /// </summary>
    public void Apply(VocabularyBuilder tokens, List<AddedToken> added)
    {
        var places = new Dictionary<string, int>();
        for (int i = 0; i < added.Count; i++)
            places[added[i].Content] = i;
        foreach ((int id, JsonPart part) in _declared)
        {
            AddedToken token = VocabularyReader.ReadOne(part, id);
            if (places.ContainsKey(token.Content))
                continue;
            bool known = tokens.TryGetId(token.Content, out int knownId);
            if (known ? knownId != id : tokens.TokenOf(id) is not null)
                throw part.Error($"declares \"{token.Content}\" under an id that tokenizer.json gives to another token");
            if (!known)
                tokens.Add(token.Content, id);
            places.Add(token.Content, added.Count);
            added.Add(token);
        }
        foreach (string text in _named.Values)
            MakeSpecial(text, tokens, added, places);
        foreach (string text in _additional)
            MakeSpecial(text, tokens, added, places);
    }

    /// <summary>The tokens with a role, with their ids in <paramref name="vocabulary"/>.</summary>
    public SpecialTokens Resolve(Vocabulary vocabulary)
    {
        return new SpecialTokens
        {
            Bos = Find("bos_token"),
            Eos = Find("eos_token"),
            Pad = Find("pad_token"),
            Unk = Find("unk_token"),
            Named = _named,
        };

        SpecialToken? Find(string name) => _named.TryGetValue(name, out string? text)
            ? new SpecialToken(text, vocabulary.TryGetId(text, out int id) ? id : null)
            : null;
    }

    private static void MakeSpecial(string text, VocabularyBuilder tokens, List<AddedToken> added, Dictionary<string, int> places)
    {
        if (places.TryGetValue(text, out int place))
        {
            added[place] = added[place] with { Special = true };
        }
        else if (text.Length > 0 && tokens.TryGetId(text, out int id))
        {
            places.Add(text, added.Count);
            added.Add(new AddedToken(id, text, SingleWord: false, StripLeft: false, StripRight: false, Normalized: false, Special: true));
        }
    }

    private void AddList(JsonPart list)
    {
        if (list.IsNull)
            return;
        foreach (JsonPart item in list.Items())
            _additional.Add(ContentOf(item));
    }

    // A list of tokens, or tokens by the name under which templates know them.
    private void AddExtra(JsonPart extra)
    {
        if (extra.Kind == JsonValueKind.Array)
        {
            AddList(extra);
            return;
        }
        if (extra.IsNull)
            return;
        foreach ((string name, JsonPart value) in extra.Fields())
            _named.TryAdd(name, ContentOf(value));
    }

    private static bool? OptionalFlag(JsonPart part) => part.IsNull ? null : part.Flag(false);

    // "<s>" or {"content": "<s>", …}
    private static string ContentOf(JsonPart value) =>
        value.Kind == JsonValueKind.Object ? value.Field("content").Text() : value.Text();

    private static int ParseId(string key, JsonPart value) =>
        int.TryParse(key, System.Globalization.NumberStyles.None, System.Globalization.CultureInfo.InvariantCulture, out int id)
            && id <= VocabularyBuilder.IdMax
            ? id
            : throw value.Error($"must have an id from 0 to {VocabularyBuilder.IdMax} as its name");
}
