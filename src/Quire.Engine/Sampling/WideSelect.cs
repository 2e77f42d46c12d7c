using System;

namespace Quire.Engine.Sampling;

/// <summary>
/// Does what <see cref="DescendingSelect"/> does for a large part of a row, without taking it out of the row: halves the interval of values
/// in which the target falls by passes over the whole row, until few values are left in it.
/// </summary>
internal sealed class WideSelect
{
    private const int BandCount = 512;
    private const int EvenRounds = 24;
    private const float EvenRange = 1e6f;

    private readonly CandidateSet _band = new();
    private float[] _weights = [];

    /// <summary>The k-th highest value of at least k at or above <paramref name="floor"/>.</summary>
    public float FindTop(ReadOnlySpan<float> row, ReadOnlySpan<float> maxima, float maximum, float floor, int k)
    {
        float low = floor;
        float end = MathF.BitIncrement(maximum);
        int countLow = row.Length;
        int countEnd = 0;
        for (int round = 0; countLow - countEnd > BandCount && TryHalve(round, low, end, out float middle); round++)
        {
            int count = RowScan.CountFrom(row, middle);
            if (count >= k)
                (low, countLow) = (middle, count);
            else
                (end, countEnd) = (middle, count);
        }

        _band.Gather(row, maxima, low, end);
        return _band.FindTop(k - countEnd).Value;
    }

    /// <summary>
    /// Where the tokens of the highest weight, together <paramref name="target"/>, end; those from <paramref name="floor"/> on are enough.
    /// </summary>
    public Cut FindNucleus(
        ReadOnlySpan<float> row, ReadOnlySpan<float> maxima, float maximum, float scale, float floor, double target)
    {
        if (_weights.Length < row.Length)
            _weights = new float[row.Length];
        Span<float> weights = _weights.AsSpan(0, row.Length);
        RowScan.Weights(row, maximum, scale, floor, weights);
        float low = floor;
        float end = MathF.BitIncrement(maximum);
        double massEnd = 0;
        int countLow = row.Length;
        int countEnd = 0;
        for (int round = 0; countLow - countEnd > BandCount && TryHalve(round, low, end, out float middle); round++)
        {
            double mass = RowScan.MassFrom(row, weights, middle, out int count);
            if (mass >= target)
                (low, countLow) = (middle, count);
            else
                (end, countEnd, massEnd) = (middle, count, mass);
        }

        _band.Gather(row, maxima, low, end);
        _band.Weigh(maximum, scale);
        return _band.FindNucleus(target - massEnd);
    }

    /// <summary>
    /// Logits lie evenly enough for halving the distance in a few rounds; where they do not, or the range is huge, halving the number of
    /// floats between the ends is sure to finish.
    /// </summary>
    private static bool TryHalve(int round, float low, float end, out float middle)
    {
        middle = low + ((end - low) * 0.5f);
        return (round < EvenRounds && end - low < EvenRange && middle > low && middle < end) || FloatOrder.TryHalve(low, end, out middle);
    }
}
