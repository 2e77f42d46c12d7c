using System;
using System.Threading;

namespace Quire.Engine.Metrics;

/// <summary>A number that only grows. Added to by any thread, read by any thread.</summary>
public sealed class Counter
{
    private long _value;

    public long Value => Volatile.Read(ref _value);

    public void Add(long amount) => Interlocked.Add(ref _value, amount);
}

/// <summary>Counts of observations per bucket, their sum and their number, as Prometheus understands a histogram.</summary>
public sealed class Histogram
{
    private readonly Lock _lock = new();
    private readonly double[] _bounds;
    private readonly long[] _counts;
    private double _sum;
    private long _count;

    /// <param name="bounds">Ascending upper bounds, each inclusive; everything above goes to +Inf.</param>
    public Histogram(params double[] bounds)
    {
        _bounds = bounds;
        _counts = new long[bounds.Length + 1];
    }

    public ReadOnlySpan<double> Bounds => _bounds;

    public void Observe(double value) => Observe(value, 1);

    /// <summary>Adds <paramref name="times"/> observations of the same value.</summary>
    public void Observe(double value, int times)
    {
        int bucket = 0;
        while (bucket < _bounds.Length && value > _bounds[bucket])
        {
            bucket++;
        }

        lock (_lock)
        {
            _counts[bucket] += times;
            _sum += value * times;
            _count += times;
        }
    }

    /// <summary>
    /// A consistent copy: observations per bucket (not cumulative, the last is +Inf) go to <paramref name="counts"/>, which holds one
    /// more entry than there are bounds.
    /// </summary>
    public (double Sum, long Count) Read(Span<long> counts)
    {
        lock (_lock)
        {
            _counts.CopyTo(counts);
            return (_sum, _count);
        }
    }
}
