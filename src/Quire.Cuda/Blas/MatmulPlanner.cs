using System;
using System.Collections.Generic;
using Quire.Cuda.Device;
using Quire.Cuda.Interop;

namespace Quire.Cuda.Blas;

/// <summary>
/// Chooses cuBLASLt's algorithm for each shape of matrix product: the first of its heuristic, or the fastest in a trial that
/// <see cref="Tune"/> made here or in an earlier start. Used by one thread at a time; what it plans runs on one stream.
/// </summary>
internal sealed unsafe class MatmulPlanner : IDisposable
{
    /// <summary>What NVIDIA recommends for Hopper is 32 MiB; split sums of large outputs want more.</summary>
    public const long DefaultWorkspaceBytes = 64L << 20;

    private const int MaxCandidates = 16;

    /// <summary>Prompts come in thousands of lengths: plans that were not tuned are made again rather than kept for ever.</summary>
    private const int MaxPlans = 4096;

    private readonly Dictionary<MatmulShape, MatmulPlan> _plans = [];
    private readonly CublasLtHandle _handle;
    private readonly CudaDevice _device;
    private readonly CudaStream _stream;
    private readonly DeviceArena _memory;
    private readonly TuningFile? _file;

    /// <param name="device">Its context is current on the calling thread.</param>
    /// <param name="stream">Where products run and trials are made.</param>
    /// <param name="workspaceBytes">Device memory that algorithms may use, allocated at once.</param>
    /// <param name="cacheFolder">Where the outcome of trials is kept between starts; null keeps it in memory.</param>
    /// <exception cref="CudaUnavailableException">cuBLASLt is not installed.</exception>
    /// <exception cref="OutOfMemoryException">The device has no room for the workspace.</exception>
    public MatmulPlanner(CudaDevice device, CudaStream stream, long workspaceBytes = DefaultWorkspaceBytes, string? cacheFolder = null)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(workspaceBytes);
        _device = device;
        _stream = stream;
        _handle = new CublasLtHandle(device.Context);
        _memory = new DeviceArena(device);
        Workspace = _memory.AllocateBytes(workspaceBytes);
        WorkspaceBytes = workspaceBytes;
        LibraryVersion = (long)CublasLt.GetVersion();
        _file = cacheFolder is null ? null : new TuningFile(cacheFolder, $"{device.Name}, CUDA {device.DriverVersion}, cuBLASLt {LibraryVersion}");
    }

    /// <summary>Such as 130000 for 13.0.0.</summary>
    public long LibraryVersion { get; }

    public long WorkspaceBytes { get; }

    internal nint Handle => _handle.Value;

    internal nint Workspace { get; }

    internal string DeviceName => _device.Name;

    /// <summary>
    /// The plan of a shape, made the first time; after that a look-up that allocates nothing. It is valid until the next call: ask again
    /// rather than keep it.
    /// </summary>
    /// <exception cref="ArgumentException">The shape makes no sense.</exception>
    /// <exception cref="NotSupportedException">cuBLASLt cannot compute it on this card.</exception>
    public MatmulPlan Get(in MatmulShape shape) => _plans.TryGetValue(shape, out MatmulPlan? plan) ? plan : Create(shape);

    /// <summary>Times cuBLASLt's candidates for a shape and uses the fastest from now on. The stream is idle and not captured; y is overwritten.</summary>
    /// <param name="shape">The shape.</param>
    /// <param name="x">Address of x.</param>
    /// <param name="weights">
    /// Addresses of W: several, together larger than the L2 cache, so that it is read from memory as in a model, where other layers
    /// come in between.
    /// </param>
    /// <param name="y">Address of y.</param>
    /// <param name="bias">Address of the bias when the shape has one.</param>
    /// <param name="xScale">Address of the scales of x when the shape is scaled.</param>
    /// <param name="wScale">Address of the scales of W when the shape is scaled.</param>
    /// <returns>The plan that <see cref="Get"/> gives, now with the fastest algorithm.</returns>
    public MatmulPlan Tune(in MatmulShape shape, nint x, ReadOnlySpan<nint> weights, nint y, nint bias = 0, nint xScale = 0, nint wScale = 0)
    {
        if (weights.IsEmpty)
        {
            throw new ArgumentException("A trial needs at least one address of W.", nameof(weights));
        }

        MatmulPlan plan = Get(shape);
        Span<MatmulHeuristicResult> candidates = new MatmulHeuristicResult[MaxCandidates];
        candidates = candidates[..plan.Candidates(WorkspaceBytes, candidates)];
        using var trial = new MatmulTrial(_device, _stream, plan, x, weights, y, bias, xScale, wScale);
        MatmulHeuristicResult best = default;
        double bestMicros = double.PositiveInfinity;
        foreach (MatmulHeuristicResult candidate in candidates)
        {
            if (candidate.State != CublasStatus.Success || (long)candidate.WorkspaceBytes > WorkspaceBytes)
            {
                continue;
            }

            plan.Use(candidate.Algorithm, (long)candidate.WorkspaceBytes, tuned: false);
            if (trial.TryTime(out double micros) && micros < bestMicros)
            {
                best = candidate;
                bestMicros = micros;
            }
        }

        if (double.IsPositiveInfinity(bestMicros))
        {
            throw new NotSupportedException($"None of cuBLASLt's {candidates.Length} algorithms for {shape} ran on {DeviceName}.");
        }

        plan.Use(best.Algorithm, (long)best.WorkspaceBytes, tuned: true);
        _file?.Remember(shape, best.Algorithm, bestMicros);
        return plan;
    }

    /// <summary>Nothing planned is running or will be launched from a graph.</summary>
    public void Dispose()
    {
        foreach (MatmulPlan plan in _plans.Values)
        {
            plan.Dispose();
        }

        _plans.Clear();
        _handle.Dispose();
        _memory.Dispose();
    }

    private MatmulPlan Create(in MatmulShape shape)
    {
        shape.Validate();
        var plan = new MatmulPlan(this, shape);
        try
        {
            bool isKnown = _file is not null && _file.TryFind(shape, out MatmulAlgo known) && plan.TryUse(known, tuned: true);
            if (!isKnown && !(Nearest(shape) is { } near && plan.TryUse(near.Algorithm, tuned: false)))
            {
                Span<MatmulHeuristicResult> first = stackalloc MatmulHeuristicResult[1];
                plan.Candidates(WorkspaceBytes, first);
                plan.Use(first[0].Algorithm, (long)first[0].WorkspaceBytes, tuned: false);
            }
        }
        catch
        {
            plan.Dispose();
            throw;
        }

        if (_plans.Count >= MaxPlans)
        {
            DropUntuned();
        }

        _plans.Add(shape, plan);
        return plan;
    }

    /// <summary>
    /// The tuned plan for the same weight whose number of rows is nearest by ratio, at most twice or half as many: prompts come in all
    /// lengths, and what is fast for 2,048 rows is fast for 2,000.
    /// </summary>
    private MatmulPlan? Nearest(in MatmulShape shape)
    {
        MatmulPlan? nearest = null;
        double best = Math.Log(2) + 1e-6;
        foreach (MatmulPlan plan in _plans.Values)
        {
            double distance = Math.Abs(Math.Log((double)plan.Shape.Rows / shape.Rows));
            if (plan.IsTuned && distance < best && plan.Shape with { Rows = shape.Rows } == shape)
            {
                nearest = plan;
                best = distance;
            }
        }

        return nearest;
    }

    private void DropUntuned()
    {
        foreach ((MatmulShape shape, MatmulPlan plan) in _plans)
        {
            if (!plan.IsTuned)
            {
                plan.Dispose();
                _plans.Remove(shape);
            }
        }
    }
}
