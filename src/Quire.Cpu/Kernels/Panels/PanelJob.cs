using System;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Quire.Cpu.Kernels.Panels;

/// <summary>The multiplication of an <see cref="PanelLinear{TKernel}"/>; an item is a panel of outputs.</summary>
internal unsafe struct PanelJob<TKernel> : IPoolJob<PanelJob<TKernel>>
    where TKernel : struct, IPanelKernel
{
    public PanelOperands Operands;

    /// <summary>Blocks of rows that are multiplied with one panel after the other.</summary>
    public int BlocksAtOnce;
    public byte* Scratch;
    public nint ScratchStride;

    /// <summary>Scratch memory of one worker: that of the kernel behind the sums.</summary>
    public static long ScratchBytes => SumsBytes + TKernel.ScratchBytes;

    private static long SumsBytes => PanelLayout.MaxRows * PanelLayout.PanelOutputs * sizeof(float);

    public static void Execute(ref readonly PanelJob<TKernel> job, int worker, int begin, int end)
    {
        byte* scratch = job.Scratch + worker * job.ScratchStride;
        float* sums = (float*)scratch;
        int blockRows = job.Operands.X.BlockRows;
        int blocks = (job.Operands.Rows + blockRows - 1) / blockRows;
        for (int block = 0; block < blocks; block += job.BlocksAtOnce)
        {
            int count = Math.Min(job.BlocksAtOnce, blocks - block);
            int firstRow = block * blockRows;
            int rows = Math.Min(count * blockRows, job.Operands.Rows - firstRow);
            for (int panel = begin; panel < end; panel++)
            {
                TKernel.Multiply(in job.Operands, panel, block, count, sums, scratch + SumsBytes);
                Store(in job.Operands, panel, firstRow, rows, sums);
            }
        }
    }

    /// <summary>Sums, and bias, to y.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Store(ref readonly PanelOperands operands, int panel, int firstRow, int rows, float* sums)
    {
        int output = panel * PanelLayout.PanelOutputs;
        int outputs = Math.Min(PanelLayout.PanelOutputs, operands.OutFeatures - output);
        float* bias = operands.Bias == null ? null : operands.Bias + output;
        float* y = operands.Y + firstRow * operands.YStride + output;
        for (int row = 0; row < rows; row++, y += operands.YStride, sums += PanelLayout.PanelOutputs)
        {
            if (outputs == PanelLayout.PanelOutputs)
            {
                Vector256<float> first = Vector256.Load(sums);
                Vector256<float> second = Vector256.Load(sums + 8);
                if (bias != null)
                {
                    first += Vector256.Load(bias);
                    second += Vector256.Load(bias + 8);
                }

                first.Store(y);
                second.Store(y + 8);
                continue;
            }

            for (int i = 0; i < outputs; i++)
            {
                y[i] = bias != null ? sums[i] + bias[i] : sums[i];
            }
        }
    }
}
