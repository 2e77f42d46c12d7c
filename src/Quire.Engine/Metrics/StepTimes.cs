using System;
using System.Diagnostics;
using System.Threading;
using Quire.Tensors;

namespace Quire.Engine.Metrics;

/// <summary>What steps took while they were measured; see <see cref="StepRecorder"/>.</summary>
/// <param name="Steps">Turns of the engine's loop that did something.</param>
/// <param name="HostP50">Median of a turn's time outside the model, in seconds: planning, batch building, launching, sampling, bookkeeping.</param>
/// <param name="HostP999">What one turn of a thousand exceeds.</param>
/// <param name="Device">What the device did meanwhile; null where operations run while they are called.</param>
public sealed record StepTimes(long Steps, double HostP50, double HostP999, DeviceTimes? Device);

/// <summary>
/// Keeps the host's time of every step while it runs, and lets the device measure its own: for benchmarks. While it is off, a step pays one
/// comparison. The first <see cref="Capacity"/> steps are kept.
/// </summary>
public sealed class StepRecorder
{
    /// <summary>Most steps of which the host's time is kept.</summary>
    public const int Capacity = 1 << 18;

    private readonly Lock _lock = new();
    private readonly IStepClock? _clock;
    private long[] _ticks = [];
    private long _steps;
    private volatile bool _runs;

    internal StepRecorder(IStepClock? clock)
    {
        _clock = clock;
    }

    /// <summary>Forgets what was measured and measures from now on.</summary>
    public void Start()
    {
        lock (_lock)
        {
            _ticks = _ticks.Length == 0 ? new long[Capacity] : _ticks;
            _steps = 0;
            _clock?.Start();
            _runs = true;
        }
    }

    /// <summary>Stops and gives what was measured.</summary>
    public StepTimes Stop()
    {
        lock (_lock)
        {
            _runs = false;
            DeviceTimes? device = _clock?.Stop();
            int kept = (int)Math.Min(_steps, Capacity);
            Array.Sort(_ticks, 0, kept);
            return new StepTimes(_steps, Quantile(kept, 0.5), Quantile(kept, 0.999), device);
        }
    }

    /// <summary>One turn's time on the host, in Stopwatch ticks.</summary>
    internal void Note(long hostTicks)
    {
        if (!_runs)
        {
            return;
        }

        lock (_lock)
        {
            if (_runs && _steps < Capacity)
            {
                _ticks[_steps] = hostTicks;
            }

            _steps++;
        }
    }

    /// <summary>Linear between neighbours, as numpy.percentile.</summary>
    private double Quantile(int kept, double part)
    {
        if (kept == 0)
        {
            return 0;
        }

        double at = part * (kept - 1);
        int lower = (int)at;
        int upper = Math.Min(lower + 1, kept - 1);
        return (_ticks[lower] + ((_ticks[upper] - _ticks[lower]) * (at - lower))) / Stopwatch.Frequency;
    }
}
