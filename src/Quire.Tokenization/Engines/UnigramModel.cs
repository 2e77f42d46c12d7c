using System;
using System.Buffers;
using System.Collections.Generic;
using System.Text;

namespace Quire.Tokenization.Engines;

/// <summary>
/// The unigram language model of SentencePiece (Kudo, arXiv 1804.10959): of all ways to cut a piece into tokens the one with the greatest
/// sum of scores, by the algorithm of Viterbi; of equal ones, the one whose last token is longest. A character without a token costs ten more
/// than the worst token and becomes byte tokens or the unknown token.
/// </summary>
internal sealed class UnigramModel : BpeModel
{
    private const double UnknownPenalty = 10;
    private const int StackMax = 128;

    // A trie over UTF-16 units: children by (node << 16 | unit), and the token that ends at a node.
    private readonly Dictionary<long, int> _children = [];
    private readonly List<int> _tokenAt = [-1];
    private readonly double[] _scores;
    private readonly double _unknownScore;
    private readonly int? _unknownId;
    private readonly int[]? _byteIds;
    private readonly PieceCache _cache = new();

    /// <param name="vocabulary">Tokens by id.</param>
    /// <param name="scores">Log-probabilities by id.</param>
    /// <param name="unknownId">The unknown token.</param>
    /// <param name="byteFallback">Whether characters without a token become byte tokens, where all of theirs exist.</param>
    public UnigramModel(Vocabulary vocabulary, double[] scores, int? unknownId, bool byteFallback)
    {
        _scores = scores;
        _unknownId = unknownId;
        double least = 0;
        for (int id = 0; id < scores.Length; id++)
        {
            least = Math.Min(least, scores[id]);

            // Special tokens are matched before text is cut into pieces or not at all.
            if (!vocabulary.IsSpecial(id) && vocabulary.TokenOf(id) is { Length: > 0 } token)
                AddToTrie(token, id);
        }
        _unknownScore = least - UnknownPenalty;
        if (!byteFallback)
            return;
        _byteIds = new int[256];
        for (int value = 0; value < 256; value++)
            _byteIds[value] = vocabulary.TryGetId(CharacterBpe.FallbackToken(value), out int id) ? id : -1;
    }

    public override void Encode(ReadOnlySpan<char> piece, List<int> destination)
    {
        if (_cache.TryAppend(piece, destination, out int place))
            return;
        int start = destination.Count;
        int places = piece.Length + 1;
        Step[]? rented = places > StackMax ? ArrayPool<Step>.Shared.Rent(places) : null;
        Span<Step> best = rented ?? stackalloc Step[StackMax];
        best = best[..places];
        Search(piece, best);
        Append(piece, best, destination);
        if (rented is not null)
            ArrayPool<Step>.Shared.Return(rented);
        _cache.Remember(piece, place, destination, start);
    }

    private void AddToTrie(string token, int id)
    {
        int node = 0;
        foreach (char unit in token)
        {
            long key = ((long)node << 16) | unit;
            if (!_children.TryGetValue(key, out node))
            {
                node = _tokenAt.Count;
                _children.Add(key, node);
                _tokenAt.Add(-1);
            }
        }
        _tokenAt[node] = id;
    }

    /// <summary>best[i]: the best way to reach position i, and the token that ends there (−1 for an unknown character).</summary>
    private void Search(ReadOnlySpan<char> piece, Span<Step> best)
    {
        best.Fill(new Step { From = -1, Score = double.NegativeInfinity });
        best[0] = new Step { From = 0, Score = 0 };
        for (int position = 0; position < piece.Length;)
        {
            Rune.DecodeFromUtf16(piece[position..], out _, out int character);
            double score = best[position].Score;
            bool single = false;
            int node = 0;
            for (int end = position; end < piece.Length && _children.TryGetValue(((long)node << 16) | piece[end], out node); end++)
            {
                int id = _tokenAt[node];
                if (id < 0)
                    continue;
                Offer(ref best[end + 1], position, id, score + _scores[id]);
                single |= end + 1 == position + character;
            }
            if (!single)
                Offer(ref best[position + character], position, -1, score + _unknownScore);
            position += character;
        }
    }

    private static void Offer(ref Step step, int from, int id, double score)
    {
        if (step.From < 0 || score > step.Score)
            step = new Step { From = from, Id = id, Score = score };
    }

    private void Append(ReadOnlySpan<char> piece, ReadOnlySpan<Step> best, List<int> destination)
    {
        // From the end to the start, then the other way round.
        int first = destination.Count;
        bool unknownBehind = false;
        for (int end = piece.Length; end > 0; end = best[end].From)
        {
            bool unknown = best[end].Id < 0;
            if (!unknown)
                destination.Add(best[end].Id);
            else if (!TryAppendBytes(piece[best[end].From..end], destination) && !unknownBehind && _unknownId is int id)
                destination.Add(id);
            unknownBehind = unknown;
        }
        destination.Reverse(first, destination.Count - first);
    }

    private bool TryAppendBytes(ReadOnlySpan<char> character, List<int> destination)
    {
        if (_byteIds is null)
            return false;
        Span<byte> bytes = stackalloc byte[6];
        bytes = bytes[..Encoding.UTF8.GetBytes(character, bytes)];
        foreach (byte value in bytes)
        {
            if (_byteIds[value] < 0)
                return false;
        }
        for (int i = bytes.Length - 1; i >= 0; i--)
            destination.Add(_byteIds[bytes[i]]);
        return true;
    }

    private struct Step
    {
        public int From;
        public int Id;
        public double Score;
    }
}
