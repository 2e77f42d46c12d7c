using System;

namespace Quire.Cli.Bench;

/// <summary>When requests are sent: gamma-distributed intervals, as vLLM's bench serve draws them.</summary>
internal static class ArrivalProcess
{
    /// <summary>
    /// Seconds after the start at which each request is sent. Intervals are Gamma(burstiness, 1 / (rate · burstiness)): 1 is a Poisson
    /// process, infinity a constant interval. Without a ramp all are rescaled so that the last is sent at count / rate.
    /// </summary>
    /// <param name="count">Requests.</param>
    /// <param name="rate">Requests a second; infinity sends all at once.</param>
    /// <param name="burstiness">Shape; above 0.</param>
    /// <param name="ramp">Rate of the i-th request instead of a fixed one; null for none.</param>
    /// <param name="seed">Gives the same times every time.</param>
    public static double[] Times(int count, double rate, double burstiness, Func<int, double>? ramp, int seed)
    {
        double[] times = new double[count];
        if (double.IsPositiveInfinity(rate) && ramp is null)
            return times;
        var random = new Random(seed);
        double now = 0;
        for (int i = 0; i < count; i++)
        {
            double current = ramp?.Invoke(i) ?? rate;
            if (double.IsPositiveInfinity(current))
            {
                times[i] = now;
                continue;
            }

            now += double.IsPositiveInfinity(burstiness) ? 1 / current : Gamma(random, burstiness) / (current * burstiness);
            times[i] = now;
        }

        if (ramp is null && count > 0 && now > 0)
        {
            double scale = count / rate / now;
            for (int i = 0; i < count; i++)
                times[i] *= scale;
        }

        return times;
    }

    /// <summary>The rate of the i-th of n requests while the rate grows.</summary>
    public static Func<int, double> Ramp(string strategy, double start, double end, int count) => strategy switch
    {
        "linear" => i => start + ((end - start) * i / Math.Max(1, count - 1)),
        "exponential" => i => start * Math.Pow(end / start, (double)i / Math.Max(1, count - 1)),
        _ => throw new ArgumentOutOfRangeException(nameof(strategy), strategy, "linear or exponential"),
    };

    /// <summary>A gamma variate of scale 1, by Marsaglia and Tsang (2000).</summary>
    internal static double Gamma(Random random, double shape)
    {
        if (shape < 1)
            return Gamma(random, shape + 1) * Math.Pow(1 - random.NextDouble(), 1 / shape);
        double d = shape - (1.0 / 3);
        double c = 1 / Math.Sqrt(9 * d);
        while (true)
        {
            double x = Normal(random);
            double v = 1 + (c * x);
            if (v <= 0)
                continue;
            v = v * v * v;
            double u = 1 - random.NextDouble();
            if (Math.Log(u) < (0.5 * x * x) + d - (d * v) + (d * Math.Log(v)))
                return d * v;
        }
    }

    private static double Normal(Random random) =>
        Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble());
}
