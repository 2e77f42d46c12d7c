using System;
using System.Diagnostics;
using Quire.Cuda.Device;
using Quire.Cuda.Interop;

namespace Quire.Cuda.Blas;

/// <summary>
/// A matrix product made ready: <see cref="Run"/> allocates nothing and waits for nothing, so that it can be captured in a graph.
/// cuBLASLt computes column by column, and the row-major y is the column-major yᵀ = W xᵀ: its A is our W, transposed, its B our x, its
/// D our y.
/// </summary>
internal sealed unsafe class MatmulPlan : IDisposable
{
    private readonly MatmulPlanner _planner;
    private readonly OperationHandle _operation;
    private readonly LayoutHandle _a;
    private readonly LayoutHandle _b;
    private readonly LayoutHandle _d;
    private MatmulAlgo _algorithm;
    private nint _bias;
    private nint _xScale;
    private nint _wScale;

    internal MatmulPlan(MatmulPlanner planner, in MatmulShape shape)
    {
        _planner = planner;
        Shape = shape;
        _operation = new OperationHandle(CublasCompute.Float32);
        _operation.Set(MatmulDescAttribute.TransposeA, (int)CublasOperation.Transpose);
        _operation.Set(MatmulDescAttribute.TransposeB, (int)CublasOperation.None);
        if (shape.HasBias)
        {
            _operation.Set(MatmulDescAttribute.Epilogue, (int)CublasEpilogue.Bias);
            _operation.Set(MatmulDescAttribute.BiasDataType, (int)LayoutHandle.DataType(shape.BiasType));
        }

        if (shape.IsScaled)
        {
            _operation.Set(MatmulDescAttribute.FastAccumulation, shape.FastAccumulation ? (byte)1 : (byte)0);
            _operation.Set(MatmulDescAttribute.AScaleMode, (int)CublasScaleMode.OuterVector);
            _operation.Set(MatmulDescAttribute.BScaleMode, (int)CublasScaleMode.OuterVector);
        }

        _a = new LayoutHandle(shape.WType, shape.InFeatures, shape.OutFeatures, shape.WStride);
        _b = new LayoutHandle(shape.XType, shape.InFeatures, shape.Rows, shape.XStride);
        _d = new LayoutHandle(shape.YType, shape.OutFeatures, shape.Rows, shape.YStride);
    }

    public MatmulShape Shape { get; }

    /// <summary>True when the algorithm was the fastest of those that were timed, now or in an earlier start.</summary>
    public bool IsTuned { get; private set; }

    /// <summary>Bytes of the planner's workspace that the algorithm uses.</summary>
    public long WorkspaceBytes { get; private set; }

    internal MatmulAlgo Algorithm => _algorithm;

    /// <summary>y = alpha · x Wᵀ + bias, + beta · y when the shape accumulates. All plans of a planner share its workspace, so they run on one stream.</summary>
    /// <param name="stream">Where it runs.</param>
    /// <param name="x">Address of x.</param>
    /// <param name="w">Address of W.</param>
    /// <param name="y">Address of y.</param>
    /// <param name="bias">Address of the bias when the shape has one.</param>
    /// <param name="alpha">Factor on the product.</param>
    /// <param name="beta">Factor on y's old value; without <see cref="MatmulShape.Accumulates"/> the old value is not read.</param>
    /// <param name="xScale">Address of F32 [Rows] that the rows of x are multiplied by, when the shape is scaled.</param>
    /// <param name="wScale">Address of F32 [OutFeatures] that the rows of W are multiplied by, when the shape is scaled.</param>
    public void Run(CudaStream stream, nint x, nint w, nint y, nint bias = 0, float alpha = 1, float beta = 0, nint xScale = 0, nint wScale = 0) =>
        Start(stream, x, w, y, bias, alpha, beta, xScale, wScale).Check("cublasLtMatmul");

    public void Dispose()
    {
        _operation.Dispose();
        _a.Dispose();
        _b.Dispose();
        _d.Dispose();
    }

    internal CublasStatus Start(CudaStream stream, nint x, nint w, nint y, nint bias, float alpha, float beta, nint xScale, nint wScale)
    {
        Debug.Assert(((x | w | y) & (Shape.AlignmentBytes - 1)) == 0, "an address is not aligned as the shape says");
        Debug.Assert(Shape.HasBias == (bias != 0) && Shape.IsScaled == (xScale != 0) && Shape.IsScaled == (wScale != 0));
        Bind(bias, xScale, wScale);
        if (!Shape.Accumulates)
        {
            beta = 0;
        }

        MatmulAlgo algorithm = _algorithm;
        return CublasLt.Matmul(
            _planner.Handle,
            _operation.Value,
            &alpha,
            w,
            _a.Value,
            x,
            _b.Value,
            &beta,
            y,
            _d.Value,
            y,
            _d.Value,
            &algorithm,
            _planner.Workspace,
            (nuint)WorkspaceBytes,
            stream.Handle);
    }

    /// <summary>Candidates of cuBLASLt's heuristic, the one that it thinks fastest first.</summary>
    internal int Candidates(long workspaceBytes, Span<MatmulHeuristicResult> candidates)
    {
        using var preference = new PreferenceHandle(workspaceBytes, Shape.AlignmentBytes);

        // The heuristic wants to see that there is a bias or a scale, but does not read it.
        Bind(Shape.HasBias ? _planner.Workspace : 0, Shape.IsScaled ? _planner.Workspace : 0, Shape.IsScaled ? _planner.Workspace : 0);
        int found = 0;
        fixed (MatmulHeuristicResult* results = candidates)
        {
            CublasStatus status = CublasLt.MatmulAlgoGetHeuristic(
                _planner.Handle, _operation.Value, _a.Value, _b.Value, _d.Value, _d.Value, preference.Value, candidates.Length, results, &found);
            if (status is CublasStatus.NotSupported or CublasStatus.InvalidValue || (status == CublasStatus.Success && found == 0))
            {
                throw new NotSupportedException($"cuBLASLt cannot compute {Shape} on {_planner.DeviceName}: its rows may need a multiple of 16 bytes, or the card lacks the type.");
            }

            status.Check("cublasLtMatmulAlgoGetHeuristic");
        }

        return found;
    }

    /// <summary>Uses an algorithm from now on, if it computes this product within the workspace.</summary>
    internal bool TryUse(MatmulAlgo algorithm, bool tuned)
    {
        var result = default(MatmulHeuristicResult);
        CublasStatus status = CublasLt.MatmulAlgoCheck(_planner.Handle, _operation.Value, _a.Value, _b.Value, _d.Value, _d.Value, &algorithm, &result);
        if (status != CublasStatus.Success || result.State != CublasStatus.Success || (long)result.WorkspaceBytes > _planner.WorkspaceBytes)
        {
            return false;
        }

        Use(algorithm, (long)result.WorkspaceBytes, tuned);
        return true;
    }

    internal void Use(MatmulAlgo algorithm, long workspaceBytes, bool tuned)
    {
        _algorithm = algorithm;
        WorkspaceBytes = workspaceBytes;
        IsTuned = tuned;
    }

    private void Bind(nint bias, nint xScale, nint wScale)
    {
        if (bias != _bias)
        {
            _operation.Set(MatmulDescAttribute.BiasPointer, bias);
            _bias = bias;
        }

        if (wScale != _wScale)
        {
            _operation.Set(MatmulDescAttribute.AScalePointer, wScale);
            _wScale = wScale;
        }

        if (xScale != _xScale)
        {
            _operation.Set(MatmulDescAttribute.BScalePointer, xScale);
            _xScale = xScale;
        }
    }
}
