using System;
using System.Collections.Generic;

namespace Quire.Tokenization.Engines;

/// <summary>Tokens by id and ids by token, in the vocabulary's own spelling. Added tokens are in it too.</summary>
internal sealed class Vocabulary
{
    private readonly string?[] _tokens;
    private readonly Dictionary<string, int> _ids;
    private readonly Dictionary<string, int>.AlternateLookup<ReadOnlySpan<char>> _idsBySpan;
    private readonly HashSet<int> _special;

    /// <param name="ids">Ids by token, each id once; ownership passes to the vocabulary.</param>
    /// <param name="special">The ids of special tokens; ownership passes too.</param>
    public Vocabulary(Dictionary<string, int> ids, HashSet<int> special)
    {
        _special = special;
        int size = 0;
        foreach (KeyValuePair<string, int> entry in ids)
        {
            size = Math.Max(size, checked(entry.Value + 1));
            LengthMax = Math.Max(LengthMax, entry.Key.Length);
        }
        _tokens = new string?[size];
        foreach (KeyValuePair<string, int> entry in ids)
            _tokens[entry.Value] = entry.Key;
        _ids = ids;
        _idsBySpan = ids.GetAlternateLookup<ReadOnlySpan<char>>();
    }

    /// <summary>One more than the highest id.</summary>
    public int Size => _tokens.Length;

    /// <summary>The longest token, in UTF-16 units.</summary>
    public int LengthMax { get; }

    public bool IsSpecial(int id) => _special.Contains(id);

    public string? TokenOf(int id) => (uint)id < (uint)_tokens.Length ? _tokens[id] : null;

    public bool TryGetId(string token, out int id) => _ids.TryGetValue(token, out id);

    public bool TryGetId(ReadOnlySpan<char> token, out int id) => _idsBySpan.TryGetValue(token, out id);

    /// <summary>
    /// Finds a token that ordinary text may become as a whole. Special tokens are matched before text is cut into pieces or not at all,
    /// so a piece never becomes one.
    /// </summary>
    public bool TryGetOrdinaryId(ReadOnlySpan<char> token, out int id) => _idsBySpan.TryGetValue(token, out id) && !_special.Contains(id);
}
