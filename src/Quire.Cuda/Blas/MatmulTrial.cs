using System;
using Quire.Cuda.Device;
using Quire.Cuda.Interop;

namespace Quire.Cuda.Blas;

/// <summary>
/// Times a product as a model runs it: several in a row in a graph, each with another weight, so that neither launches nor the L2
/// cache flatter or blur the result.
/// </summary>
internal sealed class MatmulTrial : IDisposable
{
    private const int Samples = 5;
    private const int MaxRepetitions = 32;

    /// <summary>A sample should be long against the resolution of events, about half a microsecond.</summary>
    private const double SampleMicros = 500;

    private readonly CudaStream _stream;
    private readonly MatmulPlan _plan;
    private readonly nint _x;
    private readonly nint[] _weights;
    private readonly nint _y;
    private readonly nint _bias;
    private readonly nint _xScale;
    private readonly nint _wScale;
    private readonly CudaEvent _start;
    private readonly CudaEvent _end;

    public MatmulTrial(CudaDevice device, CudaStream stream, MatmulPlan plan, nint x, ReadOnlySpan<nint> weights, nint y, nint bias, nint xScale, nint wScale)
    {
        _stream = stream;
        _plan = plan;
        _x = x;
        _weights = weights.ToArray();
        _y = y;
        _bias = bias;
        _xScale = xScale;
        _wScale = wScale;
        _start = new CudaEvent(device, timing: true);
        _end = new CudaEvent(device, timing: true);
    }

    /// <summary>Microseconds of one product with the algorithm that the plan has now: the median of some samples. False when it cannot run.</summary>
    public bool TryTime(out double micros)
    {
        micros = 0;
        if (!TryRun(0))
        {
            return false;
        }

        _stream.Record(_start);
        TryRun(1);
        _stream.Record(_end);
        _end.Synchronize();
        double once = Math.Max(_end.ElapsedMilliseconds(_start) * 1000.0, 1);
        int repetitions = (int)Math.Clamp(SampleMicros / once, 1, MaxRepetitions);

        using CudaGraph? graph = Capture(repetitions);
        if (graph is null)
        {
            return false;
        }

        Span<double> samples = stackalloc double[Samples];
        graph.Launch(_stream);
        for (int i = 0; i < Samples; i++)
        {
            _stream.Record(_start);
            graph.Launch(_stream);
            _stream.Record(_end);
            _end.Synchronize();
            samples[i] = _end.ElapsedMilliseconds(_start) * 1000.0 / repetitions;
        }

        samples.Sort();
        micros = samples[Samples / 2];
        return true;
    }

    public void Dispose()
    {
        _start.Dispose();
        _end.Dispose();
    }

    /// <summary>Null when a product refuses to be captured.</summary>
    private CudaGraph? Capture(int repetitions)
    {
        _stream.BeginCapture();
        bool complete = true;
        try
        {
            for (int i = 0; i < repetitions; i++)
            {
                complete &= TryRun(i);
            }
        }
        catch
        {
            complete = false;
            throw;
        }
        finally
        {
            if (!complete)
            {
                _stream.CancelCapture();
            }
        }

        return complete ? _stream.EndCapture() : null;
    }

    private bool TryRun(int turn) =>
        _plan.Start(_stream, _x, _weights[turn % _weights.Length], _y, _bias, 1, 1, _xScale, _wScale) == CublasStatus.Success;
}
