using System;
using System.Diagnostics;
using Quire.Cpu.Kernels;
using Quire.Tensors;

namespace Quire.Cpu;

/// <content>Mixtures of experts.</content>
internal sealed unsafe partial class CpuOps<TSimd, TVector>
{
    /// <summary>Rows of one expert that are brought together at a time: its weights are read once for so many.</summary>
    private const int GroupedRows = 256;

    public void RouteExperts(Tensor logits, bool normalise, Tensor ids, Tensor weights)
    {
        Debug.Assert(ids.IsContiguous && weights.IsContiguous && ids.Columns == weights.Columns && ids.Columns <= logits.Columns);
        var kernel = new RouteKernel
        {
            Logits = new FloatRows(logits),
            Experts = logits.Columns,
            TopK = ids.Columns,
            Normalises = normalise,
            Ids = (int*)ids.Data,
            Weights = (float*)weights.Data,
        };
        RunRows(in kernel, logits.Rows, logits.Columns * (ids.Columns + 8));
    }

    public void LinearExperts(Tensor x, ExpertWeights experts, Tensor ids, Tensor y)
    {
        Debug.Assert(ids.IsContiguous && y.Rows == ids.Rows * ids.Columns && (x.Rows == y.Rows || x.Rows == ids.Rows));
        int count = experts.Experts.Length;
        int chunk = Math.Min(GroupedRows, y.Rows);
        long integers = (count + 1L + y.Rows + 15) / 16 * 16;
        long floats = integers + (long)chunk * (x.Columns + y.Columns);
        int* starts = (int*)runtime.Grouped.Reserve(1, floats * sizeof(float), out _);
        int* order = starts + count + 1;
        SortByExpert((int*)ids.Data, y.Rows, count, starts, order);

        // Row i of y is made from row i / divisor of x.
        int divisor = x.Rows == y.Rows ? 1 : ids.Columns;
        var gathered = new Tensor((nint)(starts + integers), DType.F32, chunk, x.Columns);
        var multiplied = new Tensor(gathered.Data + (nint)chunk * x.Columns * sizeof(float), DType.F32, chunk, y.Columns);
        for (int expert = 0; expert < count; expert++)
        {
            var weight = (CpuLinear)experts.Experts[expert];
            for (int start = starts[expert]; start < starts[expert + 1]; start += chunk)
            {
                int rows = Math.Min(chunk, starts[expert + 1] - start);
                MultiplyGroup(weight, order + start, rows, x, divisor, gathered, multiplied, y);
            }
        }
    }

    public void CombineExperts(Tensor x, Tensor weights, Tensor y)
    {
        Debug.Assert(weights.IsContiguous && x.Rows == y.Rows * weights.Columns && x.Columns == y.Columns);
        var kernel = new CombineKernel<TSimd, TVector>
        {
            X = new FloatRows(x),
            Weights = (float*)weights.Data,
            TopK = weights.Columns,
            Y = new FloatRows(y),
            Columns = y.Columns,
        };
        RunRows(in kernel, y.Rows, x.Columns * weights.Columns);
    }

    /// <summary>A counting sort: order lists the rows of expert 0, then of expert 1, …, each in rising order; starts where each begins.</summary>
    private static void SortByExpert(int* ids, int rows, int experts, int* starts, int* order)
    {
        new Span<int>(starts, experts + 1).Clear();
        for (int i = 0; i < rows; i++)
        {
            starts[ids[i] + 1]++;
        }

        for (int expert = 0; expert < experts; expert++)
        {
            starts[expert + 1] += starts[expert];
        }

        // Each start runs to its end while the rows are dealt out, so that afterwards every one stands where the next began.
        for (int i = 0; i < rows; i++)
        {
            order[starts[ids[i]]++] = i;
        }

        for (int expert = experts; expert > 0; expert--)
        {
            starts[expert] = starts[expert - 1];
        }

        starts[0] = 0;
    }

    /// <summary>Multiplies some rows with one expert; a single row is read and written where it lies.</summary>
    private void MultiplyGroup(
        CpuLinear weight, int* order, int rows, Tensor x, int divisor, Tensor gathered, Tensor multiplied, Tensor y)
    {
        if (rows == 1)
        {
            weight.Multiply(runtime, x.RowRange(order[0] / divisor, 1), y.RowRange(order[0], 1));
            return;
        }

        for (int i = 0; i < rows; i++)
        {
            x.HostRow<float>(order[i] / divisor).CopyTo(gathered.HostRow<float>(i));
        }

        weight.Multiply(runtime, gathered.Take(rows), multiplied.Take(rows));
        for (int i = 0; i < rows; i++)
        {
            multiplied.HostRow<float>(i).CopyTo(y.HostRow<float>(order[i]));
        }
    }
}
