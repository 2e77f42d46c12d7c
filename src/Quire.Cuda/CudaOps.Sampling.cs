using System;
using Quire.Cuda.Device;
using Quire.Tensors;

namespace Quire.Cuda;

/// <content>Choosing tokens on the device.</content>
internal sealed partial class CudaOps
{
    private nint _greedyState;
    private int _greedyRows;

    public void Sample(Tensor logits, nint rows, Tensor tokens)
    {
        Flush();
        if (logits.Rows == 0)
        {
            return;
        }

        if (rows == 0)
        {
            Greedy(logits, tokens);
            return;
        }

        var arguments = new SampleArguments { Logits = logits.Data, Rows = rows, Tokens = tokens.Data, Columns = logits.Columns, Stride = logits.Stride };
        Launch(_kernels.Sampling("sample_rows"), logits.Rows, 1024, arguments);
    }

    public void Resolve(Tensor tokenIds, Tensor tokens)
    {
        var arguments = new ResolveArguments { Ids = tokenIds.Data, Tokens = tokens.Data, Count = tokenIds.Columns };
        Launch(_kernels.Sampling("resolve_tokens"), (tokenIds.Columns + Threads - 1) / Threads, Threads, arguments);
    }

    private void Greedy(Tensor logits, Tensor tokens)
    {
        if (logits.Rows > _greedyRows)
        {
            _greedyRows = Math.Max(logits.Rows, 256);
            _greedyState = _arena.AllocateBytes((long)_greedyRows * (sizeof(long) + sizeof(int)));
        }

        var arguments = new GreedyArguments
        {
            Logits = logits.Data,
            Tokens = tokens.Data,
            Best = _greedyState,
            Arrivals = _greedyState + _greedyRows * sizeof(long),
            Columns = logits.Columns,
            Stride = logits.Stride,
        };
        int blocksPerRow = Math.Clamp(Math.Min(4 * _device.MultiprocessorCount / logits.Rows, logits.Columns / 2048), 1, 64);
        var config = new LaunchConfig(logits.Rows, 256) { GridY = blocksPerRow };
        Launch(_kernels.Sampling("greedy"), config, arguments);
    }
}
