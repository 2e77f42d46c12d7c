using System;
using Quire.Cuda.Device;
using Quire.Tensors;

namespace Quire.Cuda;

/// <content>Mixtures of experts and low-rank updates.</content>
internal sealed partial class CudaOps
{
    /// <summary>Parts of a fused layer that an update may have, as Kernels/lora.cu has room for.</summary>
    private const int MaxLoraParts = 4;

    public void RouteExperts(Tensor logits, bool normalise, Tensor ids, Tensor weights)
    {
        Reads(logits);
        Writes(ids);
        Writes(weights);
        var arguments = new RouteArguments
        {
            Logits = logits.Data,
            Ids = ids.Data,
            Weights = weights.Data,
            Experts = logits.Columns,
            TopK = ids.Columns,
            Stride = logits.Stride,
            Normalise = normalise ? 1 : 0,
        };
        Launch(_kernels.Experts("route_experts"), logits.Rows, 32, arguments);
    }

    public void LinearExperts(Tensor x, ExpertWeights experts, Tensor ids, Tensor y)
    {
        Reads(x);
        Reads(ids);
        Writes(y);
        var arguments = new ExpertLinearArguments
        {
            X = x.Data,
            Experts = ((CudaExperts)experts).Table,
            Ids = ids.Data,
            Y = y.Data,
            InFeatures = experts.InFeatures,
            OutFeatures = experts.OutFeatures,
            XStride = x.Stride,
            YStride = y.Stride,
            RowsPerX = x.Rows == y.Rows ? 1 : ids.Columns,
        };
        var config = new LaunchConfig((experts.OutFeatures + 7) / 8, Threads) { GridY = y.Rows };
        Launch(_kernels.Experts("linear_experts"), config, arguments);
    }

    public void CombineExperts(Tensor x, Tensor weights, Tensor y)
    {
        Reads(x);
        Reads(weights);
        Writes(y);
        var arguments = new CombineArguments
        {
            X = x.Data,
            Weights = weights.Data,
            Y = y.Data,
            Columns = y.Columns,
            TopK = weights.Columns,
            XStride = x.Stride,
            YStride = y.Stride,
        };
        var config = new LaunchConfig(y.Rows, Threads) { GridY = Math.Clamp(y.Columns / Threads, 1, 8) };
        Launch(_kernels.Experts("combine_experts"), config, arguments);
    }

    public void AddLora(Tensor x, LoraWeight weight, in LoraBatch batch, Tensor y)
    {
        if (batch.ActiveRows == 0)
        {
            return;
        }

        Reads(x);
        Reads(y);
        Writes(y);
        if (weight.Parts > MaxLoraParts)
        {
            throw new NotSupportedException($"the CUDA backend computes low-rank updates of layers with up to {MaxLoraParts} parts, this one has {weight.Parts}");
        }

        var arguments = new LoraArguments
        {
            X = x.Data,
            Y = y.Data,
            FactorsA = weight.A.Data,
            FactorsB = weight.B.Data,
            Slots = batch.Slots.Data,
            Order = batch.Order.Data,
            InFeatures = weight.InFeatures,
            OutFeatures = weight.OutFeatures,
            Rank = weight.Rank,
            Parts = weight.Parts,
            XStride = x.Stride,
            YStride = y.Stride,
        };
        arguments.PartEnd0 = PartEnd(weight, 0);
        arguments.PartEnd1 = PartEnd(weight, 1);
        arguments.PartEnd2 = PartEnd(weight, 2);
        var config = new LaunchConfig(batch.ActiveRows, Threads) { SharedBytes = weight.Parts * weight.Rank * sizeof(float) };
        Launch(_kernels.Lora, config, arguments);
    }

    /// <summary>The column where a part ends; beyond all columns for the last part and those that there are not.</summary>
    private static int PartEnd(LoraWeight weight, int part)
    {
        if (part >= weight.Parts - 1)
        {
            return int.MaxValue;
        }

        int end = 0;
        foreach (int rows in weight.PartRows[..(part + 1)])
        {
            end += rows;
        }

        return end;
    }
}
