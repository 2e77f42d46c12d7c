using System;
using System.Collections.Generic;

namespace Quire.Cli.Bench;

/// <summary>Statistics as numpy computes them, so that numbers compare with those of vLLM's bench.</summary>
internal static class BenchStatistics
{
    /// <summary>0 for an empty list.</summary>
    public static double Mean(IReadOnlyList<double> values)
    {
        if (values.Count == 0)
            return 0;
        double sum = 0;
        foreach (double value in values)
            sum += value;
        return sum / values.Count;
    }

    /// <summary>Of the population (ddof 0); 0 for an empty list.</summary>
    public static double StandardDeviation(IReadOnlyList<double> values)
    {
        if (values.Count == 0)
            return 0;
        double mean = Mean(values);
        double sum = 0;
        foreach (double value in values)
            sum += (value - mean) * (value - mean);
        return Math.Sqrt(sum / values.Count);
    }

    public static double Median(IReadOnlyList<double> values) => Percentile(values, 50);

    /// <summary>Linear interpolation between the two nearest values (numpy.percentile); 0 for an empty list.</summary>
    /// <param name="values">In any order.</param>
    /// <param name="percent">From 0 to 100.</param>
    public static double Percentile(IReadOnlyList<double> values, double percent)
    {
        if (values.Count == 0)
            return 0;
        double[] sorted = new double[values.Count];
        for (int i = 0; i < sorted.Length; i++)
            sorted[i] = values[i];
        Array.Sort(sorted);
        double place = percent / 100 * (sorted.Length - 1);
        int below = (int)Math.Floor(place);
        int above = Math.Min(below + 1, sorted.Length - 1);
        double share = place - below;

        // numpy's two forms of the interpolation, chosen so that the result is exact at both ends.
        double difference = sorted[above] - sorted[below];
        return share < 0.5 ? sorted[below] + (difference * share) : sorted[above] - (difference * (1 - share));
    }
}
