using System;

namespace Quire.Engine.Sampling;

/// <summary>Makes the report of one position out of a row: the token's own value and rank, and the best tokens beside it.</summary>
internal sealed class LogprobCollector
{
    private readonly CandidateSet _candidates = new();
    private float[] _maxima = [];
    private double[] _sums = [];
    private ulong[] _keys = [];
    private int[] _best = [];

    /// <param name="row">A whole row of logits.</param>
    /// <param name="tokenId">The token that stands first in the report.</param>
    /// <param name="count">How many of the best tokens follow.</param>
    /// <param name="chosenIds">Tokens to report instead of the best ones; their rank is their place in this list.</param>
    /// <param name="scale">What the logits are multiplied by first: 1 / temperature, or 1.</param>
    /// <param name="asLogits">Whether the scaled logits themselves are reported.</param>
    /// <param name="logprobs">The report; null with a fault.</param>
    public SamplingFault Collect(
        ReadOnlySpan<float> row, int tokenId, int count, int[]? chosenIds, float scale, bool asLogits, out SampledLogprobs? logprobs)
    {
        logprobs = null;
        Reserve(row.Length);
        Span<float> maxima = _maxima.AsSpan(0, RowScan.BlockCount(row.Length));
        float maximum = RowScan.BlockMaxima(row, maxima);
        SamplingFault fault = Sampler.FaultOf(maximum);
        if (fault != SamplingFault.None)
            return fault;
        double shift = 0;
        if (!asLogits)
        {
            double total = RowScan.BlockSums(row, maxima, maximum, scale, float.NegativeInfinity, _sums.AsSpan(0, maxima.Length));
            shift = -(((double)maximum * scale) + Math.Log(total));
        }

        ReadOnlySpan<int> others = chosenIds ?? BestTokens(row, maxima, Math.Min(count, row.Length));
        logprobs = Assemble(row, tokenId, others, scale, shift);
        return SamplingFault.None;
    }

    /// <summary>How many tokens have a logit at or above the token's own: 1 when it is the best and alone.</summary>
    public static int RankOf(ReadOnlySpan<float> row, int tokenId) => RowScan.CountFrom(row, row[tokenId]);

    private static SampledLogprobs Assemble(ReadOnlySpan<float> row, int tokenId, ReadOnlySpan<int> others, float scale, double shift)
    {
        int place = others.IndexOf(tokenId);
        int repeated = place < 0 ? 0 : CountOf(others, tokenId);
        var ids = new int[1 + others.Length - repeated];
        var values = new float[ids.Length];
        var ranks = new int[ids.Length];
        ids[0] = tokenId;
        values[0] = (float)(((double)row[tokenId] * scale) + shift);
        ranks[0] = place < 0 ? RankOf(row, tokenId) : place + 1;
        int entry = 1;
        for (int i = 0; i < others.Length; i++)
        {
            if (others[i] == tokenId)
                continue;
            ids[entry] = others[i];
            values[entry] = (float)(((double)row[others[i]] * scale) + shift);
            ranks[entry++] = i + 1;
        }

        return new SampledLogprobs(ids, values, ranks);
    }

    private static int CountOf(ReadOnlySpan<int> ids, int tokenId)
    {
        int count = 0;
        foreach (int id in ids)
            count += id == tokenId ? 1 : 0;
        return count;
    }

    /// <summary>The ids of the highest logits, highest first, of equal ones the lowest id first; ids at −∞ come last of all.</summary>
    private ReadOnlySpan<int> BestTokens(ReadOnlySpan<float> row, ReadOnlySpan<float> maxima, int count)
    {
        if (count == 0)
            return [];
        _candidates.Gather(row, maxima, _candidates.TopBound(maxima, count));
        if (_candidates.Count > count)
        {
            Cut cut = _candidates.FindTop(count);
            _candidates.Keep(cut.Value, cut.Ties);
        }

        ReadOnlySpan<float> values = _candidates.Values;
        if (_keys.Length < count)
        {
            _keys = new ulong[count];
            _best = new int[count];
        }

        Span<ulong> keys = _keys.AsSpan(0, values.Length);
        for (int i = 0; i < keys.Length; i++)
            keys[i] = FloatOrder.DescendingKey(values[i], _candidates.Ids[i]);
        keys.Sort();
        for (int i = 0; i < keys.Length; i++)
            _best[i] = FloatOrder.IndexOf(keys[i]);
        FillImpossible(row, _best.AsSpan(keys.Length, count - keys.Length));
        return _best.AsSpan(0, count);
    }

    private static void FillImpossible(ReadOnlySpan<float> row, Span<int> destination)
    {
        int filled = 0;
        for (int id = 0; filled < destination.Length; id++)
        {
            if (float.IsNegativeInfinity(row[id]))
                destination[filled++] = id;
        }
    }

    private void Reserve(int length)
    {
        int blocks = RowScan.BlockCount(length);
        if (_maxima.Length >= blocks)
            return;
        _maxima = new float[blocks];
        _sums = new double[blocks];
    }
}
