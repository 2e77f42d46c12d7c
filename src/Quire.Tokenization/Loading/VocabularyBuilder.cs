using System;
using System.Collections.Generic;
using Quire.Tokenization.Engines;

namespace Quire.Tokenization.Loading;

/// <summary>Collects tokens and ids while files are read; every token has one id and every id one token.</summary>
internal sealed class VocabularyBuilder
{
    /// <summary>The highest id accepted: tables are as long as the highest id, so a lying file must not choose it.</summary>
    public const int IdMax = (1 << 22) - 1;

    private readonly Dictionary<string, int> _ids;
    private string?[] _tokens;

    public VocabularyBuilder(int capacity)
    {
        _ids = new Dictionary<string, int>(capacity);
        _tokens = new string?[Math.Max(16, capacity)];
    }

    public int Count => _ids.Count;

    public bool TryGetId(string token, out int id) => _ids.TryGetValue(token, out id);

    /// <summary>The token that has the id, or <see langword="null"/>.</summary>
    public string? TokenOf(int id) => id < _tokens.Length ? _tokens[id] : null;

    /// <summary>Adds a token that is not known yet, under an id from 0 to <see cref="IdMax"/> that is free.</summary>
    public void Add(string token, int id)
    {
        if (id >= _tokens.Length)
            Array.Resize(ref _tokens, Math.Max(id + 1, Math.Min(2 * _tokens.Length, IdMax + 1)));
        _ids.Add(token, id);
        _tokens[id] = token;
    }

    public Vocabulary Build(HashSet<int> special) => new(_ids, special);
}
