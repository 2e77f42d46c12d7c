using System;

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

    /// <summary>Takes every token at or above <paramref name="bound"/>; never one at −∞.</summary>
    public void Gather(ReadOnlySpan<float> row, ReadOnlySpan<float> maxima, float bound)
    {
        Reserve(row.Length);
        bound = Math.Max(bound, float.MinValue);
        int[] ids = _ids;
        float[] values = _values;
        int count = 0;
        for (int block = 0; block < maxima.Length; block++)
        {
            if (maxima[block] < bound)
                continue;
            int first = block * RowScan.BlockLength;
            int end = Math.Min(first + RowScan.BlockLength, row.Length);
            for (int i = first; i < end; i++)
            {
                // A store without a branch: what is not taken is overwritten by the next.
                float value = row[i];
                ids[count] = i;
                values[count] = value;
                count += value >= bound ? 1 : 0;
            }
        }

        Count = count;
    }

    /// <summary>Takes at least the <paramref name="k"/> highest tokens with all their ties, when so many are at or above <paramref name="floor"/>.</summary>
    public void GatherTop(ReadOnlySpan<float> row, ReadOnlySpan<float> maxima, int k, float floor) =>
        Gather(row, maxima, Math.Max(floor, TopBound(maxima, k)));

    /// <summary>Where the k highest of the candidates end; only when there are more than k.</summary>
    public Cut FindTop(int k) => _select.Find(Values, [], k);

    /// <summary>Where the candidates of the highest weight, together <paramref name="target"/>, end.</summary>
    public Cut FindNucleus(double target) => _select.Find(Values, Weights, target);

    /// <summary>Drops what lies below the cut; of the values equal to it at most <paramref name="ties"/>, those of the lowest ids, stay.</summary>
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
    private float TopBound(ReadOnlySpan<float> maxima, int k)
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
}
