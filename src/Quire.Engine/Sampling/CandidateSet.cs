using System;
using System.Numerics;
using System.Runtime.Intrinsics;

namespace Quire.Engine.Sampling;

/// <summary>The tokens of a row that a filter may keep, in the order of their ids. The memory is reused from row to row.</summary>
internal sealed class CandidateSet
{
    private readonly DescendingSelect _select = new();
    private int[] _ids = [];
    private float[] _values = [];
    private float[] _weights = [];
    private float[] _finiteMaxima = [];

    public int Count { get; private set; }

    public ReadOnlySpan<int> Ids => _ids.AsSpan(0, Count);

    public ReadOnlySpan<float> Values => _values.AsSpan(0, Count);

    /// <summary>Valid after <see cref="Weigh"/>.</summary>
    public ReadOnlySpan<float> Weights => _weights.AsSpan(0, Count);

    /// <summary>Takes every token at or above <paramref name="bound"/> and below <paramref name="limit"/>; never one at −∞.</summary>
    public void Gather(ReadOnlySpan<float> row, ReadOnlySpan<float> maxima, float bound, float limit = float.PositiveInfinity)
    {
        Reserve(row.Length);
        bound = Math.Max(bound, float.MinValue);
        Count = 0;
        var bounds = Vector256.Create(bound);
        var limits = Vector256.Create(limit);
        for (int block = 0; block < maxima.Length; block++)
        {
            if (maxima[block] < bound)
                continue;
            int i = block * RowScan.BlockLength;
            int end = Math.Min(i + RowScan.BlockLength, row.Length);
            for (; i + Vector256<float>.Count <= end; i += Vector256<float>.Count)
            {
                var values = Vector256.Create(row[i..]);
                Vector256<float> taken = Vector256.GreaterThanOrEqual(values, bounds) & Vector256.LessThan(values, limits);
                for (uint lanes = taken.ExtractMostSignificantBits(); lanes != 0; lanes &= lanes - 1)
                    Add(row, i + BitOperations.TrailingZeroCount(lanes));
            }

            for (; i < end; i++)
            {
                if (row[i] >= bound && row[i] < limit)
                    Add(row, i);
            }
        }
    }

    /// <summary>Where the k highest of the candidates end; only when there are at least k.</summary>
    public Cut FindTop(int k) => _select.Find(Values, [], k);

    /// <summary>Where the candidates of the highest weight, together <paramref name="target"/>, end.</summary>
    public Cut FindNucleus(double target) => _select.Find(Values, Weights, target);

    /// <summary>Drops what lies below the cut; of those equal to it the first <paramref name="ties"/> in the order of ids stay.</summary>
    public void Keep(float cut, int ties)
    {
        int kept = 0;
        for (int i = 0; i < Count; i++)
        {
            float value = _values[i];
            if (value < cut || (value == cut && ties-- <= 0))
                continue;
            _ids[kept] = _ids[i];
            _values[kept] = value;
            _weights[kept] = _weights[i];
            kept++;
        }

        Count = kept;
    }

    public void Weigh(float maximum, float scale) =>
        RowScan.Weights(Values, maximum, scale, float.NegativeInfinity, _weights.AsSpan(0, Count));

    public double TotalWeight()
    {
        double total = 0;
        foreach (float weight in Weights)
            total += weight;
        return total;
    }

    /// <summary>The k-th highest block maximum: at least k tokens are at or above it. −∞ when there are fewer blocks.</summary>
    public float TopBound(ReadOnlySpan<float> maxima, int k)
    {
        if (k > maxima.Length)
            return float.NegativeInfinity;
        if (_finiteMaxima.Length < maxima.Length)
            _finiteMaxima = new float[maxima.Length];
        int count = 0;
        foreach (float maximum in maxima)
        {
            _finiteMaxima[count] = maximum;
            count += maximum > float.NegativeInfinity ? 1 : 0;
        }

        return k > count ? float.NegativeInfinity : _select.Find(_finiteMaxima.AsSpan(0, count), [], k).Value;
    }

    private void Reserve(int length)
    {
        if (_ids.Length >= length)
            return;
        _ids = new int[length];
        _values = new float[length];
        _weights = new float[length];
    }

    private void Add(ReadOnlySpan<float> row, int id)
    {
        _ids[Count] = id;
        _values[Count++] = row[id];
    }
}
