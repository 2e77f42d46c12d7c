using System;

namespace Quire.Engine.Sampling;

/// <summary>
/// Finds where a walk over values from the highest down, adding up weights, reaches a target, without sorting them all: the range of the
/// values is split into buckets, and only the bucket in which the target falls is looked at again.
/// </summary>
internal sealed class DescendingSelect
{
    private const int BucketCount = 1024;
    private const int SortedCount = 48;
    private const int RoundsMax = 6;

    private readonly double[] _mass = new double[BucketCount];
    private float[] _values = [];
    private float[] _weights = [];
    private ulong[] _keys = [];

    /// <summary>
    /// The walk takes values while the sum of the weights of those before is below <paramref name="target"/>, and all when the target is
    /// never reached. The answer: every value above <see cref="Cut.Value"/> is taken, and <see cref="Cut.Ties"/> of those equal to it.
    /// </summary>
    /// <param name="values">At least one; none −∞ or NaN.</param>
    /// <param name="weights">Beside the values, each ≥ 0; empty means 1 each. Equal values have equal weights.</param>
    /// <param name="target">Above 0.</param>
    public Cut Find(ReadOnlySpan<float> values, ReadOnlySpan<float> weights, double target)
    {
        double before = 0;
        for (int round = 0; values.Length > SortedCount && round < RoundsMax; round++)
        {
            (float lowest, float highest) = Range(values);
            if (lowest == highest)
                return CutInTies(highest, values.Length, weights.IsEmpty ? 1.0 : weights[0], target - before);
            float scale = (BucketCount - 1) / (highest - lowest);
            int last = BucketOf(lowest, highest, scale);
            int bucket = FillBuckets(values, weights, highest, scale, last, target, ref before);
            int kept = Compact(values, weights, highest, scale, bucket);
            values = _values.AsSpan(0, kept);
            weights = weights.IsEmpty ? weights : _weights.AsSpan(0, kept);
        }

        return WalkSorted(values, weights, target - before);
    }

    private static (float Lowest, float Highest) Range(ReadOnlySpan<float> values)
    {
        float lowest = values[0];
        float highest = values[0];
        foreach (float value in values)
        {
            lowest = value < lowest ? value : lowest;
            highest = value > highest ? value : highest;
        }

        return (lowest, highest);
    }

    // A difference and a product of floats round monotonically, so buckets never mix up the order and equal values share one.
    private static int BucketOf(float value, float highest, float scale) => Math.Min((int)((highest - value) * scale), BucketCount - 1);

    private static Cut CutInTies(float value, int count, double weight, double target)
    {
        double needed = weight > 0 ? Math.Ceiling(target / weight) : count;
        return new Cut(value, (int)Math.Clamp(needed, 1, count));
    }

    /// <summary>
    /// The bucket in which the target falls, or <paramref name="last"/>, that of the lowest value. What lies above it is added to
    /// <paramref name="before"/>.
    /// </summary>
    private int FillBuckets(
        ReadOnlySpan<float> values, ReadOnlySpan<float> weights, float highest, float scale, int last, double target, ref double before)
    {
        double[] mass = _mass;
        mass.AsSpan().Clear();
        if (weights.IsEmpty)
        {
            foreach (float value in values)
                mass[BucketOf(value, highest, scale)] += 1;
        }
        else
        {
            for (int i = 0; i < values.Length; i++)
                mass[BucketOf(values[i], highest, scale)] += weights[i];
        }

        for (int bucket = 0; bucket < last; bucket++)
        {
            if (before + mass[bucket] >= target)
                return bucket;
            before += mass[bucket];
        }

        return last;
    }

    private int Compact(ReadOnlySpan<float> values, ReadOnlySpan<float> weights, float highest, float scale, int bucket)
    {
        // In later rounds source and destination are the same memory; writing never overtakes reading.
        if (_values.Length < values.Length)
        {
            _values = new float[values.Length];
            _weights = new float[values.Length];
        }

        int kept = 0;
        for (int i = 0; i < values.Length; i++)
        {
            if (BucketOf(values[i], highest, scale) != bucket)
                continue;
            _values[kept] = values[i];
            if (!weights.IsEmpty)
                _weights[kept] = weights[i];
            kept++;
        }

        return kept;
    }

    private Cut WalkSorted(ReadOnlySpan<float> values, ReadOnlySpan<float> weights, double target)
    {
        if (_keys.Length < values.Length)
            _keys = new ulong[Math.Max(SortedCount, values.Length)];
        Span<ulong> keys = _keys.AsSpan(0, values.Length);
        for (int i = 0; i < keys.Length; i++)
            keys[i] = FloatOrder.DescendingKey(values[i], i);
        keys.Sort();
        double sum = 0;
        float value = values[FloatOrder.IndexOf(keys[0])];
        int ties = 0;
        foreach (ulong key in keys)
        {
            if (ties > 0 && sum >= target)
                break;
            int index = FloatOrder.IndexOf(key);
            ties = values[index] == value ? ties + 1 : 1;
            value = values[index];
            sum += weights.IsEmpty ? 1.0 : weights[index];
        }

        return new Cut(value, ties);
    }
}

/// <summary>Where a walk from the highest value down ends.</summary>
/// <param name="Value">All above it are taken.</param>
/// <param name="Ties">So many of those equal to it are taken.</param>
internal readonly record struct Cut(float Value, int Ties);
