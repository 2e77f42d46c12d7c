using System;
using System.Diagnostics;
using Quire.Cpu.Simd;
using Quire.Tensors;

namespace Quire.Cpu.Kernels;

/// <summary>Bounds that both halves of a LoRA update share.</summary>
internal static class LoraKernel
{
    /// <summary>Parts of a fused layer: q, k and v.</summary>
    public const int MaxParts = 8;

    /// <summary>Columns of a strip: what of B they touch stays in the first-level cache for the ranks in use.</summary>
    public const int StripColumns = 64;

    /// <summary>Strips of columns that a part is cut into.</summary>
    public static int Strips(int partRows) => (partRows + StripColumns - 1) / StripColumns;
}

/// <summary>
/// The update of one linear layer by the adapters of a step: gathers the rows that have one, then two jobs, since every output needs
/// every inner element of its row. Each inner element is one dot product over all input features as <see cref="DotTile{TSimd, TVector, TElement}"/>
/// makes it, so a row's result depends on nothing else.
/// </summary>
internal static unsafe class LoraKernel<TSimd, TVector, TElement>
    where TSimd : struct, ISimd<TVector>
    where TVector : unmanaged
    where TElement : struct, IElement
{
    /// <summary>Multiply-adds below which the calling thread does it alone.</summary>
    private const long ParallelThreshold = 32 * 1024;

    private const int PiecesPerThread = 6;

    public static void Run(CpuRuntime runtime, Tensor x, LoraWeight weight, in LoraBatch batch, Tensor y)
    {
        Debug.Assert(x.Columns == weight.InFeatures && y.Columns == weight.OutFeatures && weight.Parts <= LoraKernel.MaxParts);
        int entries = batch.ActiveRows;
        nint xStride = (x.Columns + 31) / 32 * 32 + 16;
        long xFloats = xStride * entries;
        long innerFloats = (long)entries * weight.Parts * weight.Rank;
        float* gathered = (float*)runtime.Arranged.Reserve(1, sizeof(float) * (xFloats + innerFloats), out _);
        var gather = new RowJob<LoraGatherKernel<TSimd, TVector, TElement>>
        {
            Kernel = new()
            {
                X = new FloatRows(x),
                Order = (int*)batch.Order.Data,
                Target = gathered,
                TargetStride = xStride,
                Columns = x.Columns,
            },
        };
        runtime.Pool.Run(in gather, entries, Math.Max(1, 64 * 1024 / x.Columns));
        var shape = new LoraShape
        {
            Order = (int*)batch.Order.Data,
            Slots = (int*)batch.Slots.Data,
            Starts = (int*)batch.Starts.Data,
            Ranks = (int*)weight.Ranks.Data,
            Entries = entries,
            Parts = weight.Parts,
            MaxRank = weight.Rank,
            Inner = gathered + xFloats,
        };
        var shrink = new LoraShrinkJob<TSimd, TVector, TElement>
        {
            Shape = shape,
            A = (byte*)weight.A.Data,
            InFeatures = x.Columns,
            X = gathered,
            XStride = xStride,
        };
        int groups = shrink.GroupsPerPart * weight.Parts;
        runtime.Pool.Run(in shrink, checked(groups * entries), Piece(runtime, groups * entries, 4L * x.Columns));
        Expand(runtime, weight, shape, y);
    }

    private static void Expand(CpuRuntime runtime, LoraWeight weight, in LoraShape shape, Tensor y)
    {
        var expand = new LoraExpandJob<TSimd, TVector, TElement>
        {
            Shape = shape,
            B = (byte*)weight.B.Data,
            OutFeatures = weight.OutFeatures,
            Y = new FloatRows(y),
        };
        int strips = 0;
        for (int i = 0; i < weight.Parts; i++)
        {
            expand.PartRows[i] = weight.PartRows[i];
            strips += LoraKernel.Strips(weight.PartRows[i]);
        }

        int items = checked(strips * shape.Entries);
        runtime.Pool.Run(in expand, items, Piece(runtime, items, (long)LoraKernel.StripColumns * weight.Rank));
    }

    private static int Piece(CpuRuntime runtime, int items, long multiplyAddsPerItem) =>
        runtime.Pool.Threads == 1 || items * multiplyAddsPerItem < ParallelThreshold
            ? items
            : Math.Max(1, items / (runtime.Pool.Threads * PiecesPerThread));
}
