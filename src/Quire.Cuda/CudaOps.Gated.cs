using System;
using System.Collections.Generic;
using Quire.Cuda.Device;
using Quire.Cuda.Interop;
using Quire.Tensors;

namespace Quire.Cuda;

/// <summary>The sizes that gated_gemm_hopper.cu computes with, the two must agree, and when it pays.</summary>
internal static class GatedGemm
{
    public const int Threads = 384;
    public const int TileRows = 128;
    public const int SharedBytes = Stages * (TileRows + 2 * TileOutputs) * Depth * 2 + 1024;
    private const int TileOutputs = 128;
    private const int Depth = 64;
    private const int Stages = 4;

    /// <summary>Two blocks of 128 rows each.</summary>
    private const int ClusterRows = 2 * TileRows;

    /// <summary>
    /// Below so many rows cuBLASLt has smaller tiles, and what its activation reads and writes again fits into the L2 cache (measured on an
    /// H100: 364 against 382 µs for 1,024 rows of the 8B shape, 224 against 193 for 512).
    /// </summary>
    private const int MinRows = 1024;

    /// <summary>Clusters of two blocks that tiles are shared out to.</summary>
    public static int Clusters(int rows, int outputs, int multiprocessors) => Math.Min(Tiles(rows, outputs), multiprocessors / 2);

    /// <summary>Whether it is faster than cuBLASLt's product and an activation behind it: there are many rows, and the last round of tiles is nearly full.</summary>
    public static bool Pays(int rows, int outputs, int multiprocessors)
    {
        int tiles = Tiles(rows, outputs);
        int clusters = multiprocessors / 2;
        int rounds = (tiles + clusters - 1) / clusters;
        return rows >= MinRows && tiles >= 0.9 * rounds * clusters;
    }

    private static int Tiles(int rows, int outputs) => (rows + ClusterRows - 1) / ClusterRows * ((outputs + TileOutputs - 1) / TileOutputs);
}

/// <content>Products of many rows with a gated activation behind them.</content>
internal sealed partial class CudaOps
{
    private readonly Dictionary<nint, TensorMap> _gateMaps = [];

    /// <summary>Whether the product that was called last and the activation of its result go into one kernel for many rows.</summary>
    private bool TakesGate(Tensor y) =>
        _fuse && _device.ComputeMajor == 9 && _productWeight is DenseLinear { Bias: 0, Weight: var w } && w.Rows == 2 * y.Columns
        && y.Columns % 8 == 0 && y.Stride % 8 == 0 && y.Data % 16 == 0
        && _productX.Stride % 8 == 0 && _productX.Data % 16 == 0 && w.Stride % 8 == 0 && w.Data % 16 == 0
        && GatedGemm.Pays(y.Rows, y.Columns, _device.MultiprocessorCount);

    private void LaunchGated(Activation activation, Tensor y)
    {
        Tensor w = ((DenseLinear)_productWeight!).Weight;
        if (!_gateMaps.TryGetValue(w.Data, out TensorMap weights))
        {
            weights = MapOf(w, GatedGemm.TileRows);
            _gateMaps.Add(w.Data, weights);
        }

        var arguments = new GatedGemmArguments
        {
            X = MapOf(_productX, GatedGemm.TileRows),
            W = weights,
            Y = y.Data,
            Rows = y.Rows,
            Outputs = y.Columns,
            Depth = w.Columns,
            YStride = y.Stride,
        };
        var config = new LaunchConfig(2 * GatedGemm.Clusters(y.Rows, y.Columns, _device.MultiprocessorCount), GatedGemm.Threads)
        {
            ClusterX = 2,
            SharedBytes = GatedGemm.SharedBytes,
        };
        LaunchHeavy(_kernels.GatedGemm(activation), config, arguments);
    }
}
