using System;
using System.Runtime.CompilerServices;
using Quire.Cpu.Simd;
using Quire.Tensors;

namespace Quire.Cpu.Kernels;

/// <summary>
/// The multiplication of a <see cref="DenseLinear{TSimd, TVector}"/>; an item is an output feature. Groups of three or four rows of
/// weights are multiplied with up to four tokens at a time, straight from their type, or, where expanding is dear (F16) and the tokens
/// are many, from a copy expanded once.
/// </summary>
internal unsafe struct DenseLinearJob<TSimd, TVector> : IPoolJob<DenseLinearJob<TSimd, TVector>>
    where TSimd : struct, ISimd<TVector>
    where TVector : unmanaged
{
    /// <summary>Scratch memory of one worker: a block of expanded rows.</summary>
    public const long ScratchBytes = (long)LinearPlan.BlockRows * LinearPlan.PanelStride * sizeof(float);

    public DenseRows* Parts;
    public int PartCount;
    public LinearOperands Operands;

    /// <summary>x in the block order of F32 and F16; null where no part needs it.</summary>
    public float* X;

    /// <summary>x in the block order of BF16; null where no part needs it.</summary>
    public float* XOfBFloat16;
    public byte* Scratch;
    public nint ScratchStride;

    public static void Execute(ref readonly DenseLinearJob<TSimd, TVector> job, int worker, int begin, int end)
    {
        int partBegin = 0;
        for (int i = 0; i < job.PartCount; i++)
        {
            DenseRows part = job.Parts[i];
            int first = Math.Max(begin, partBegin);
            int last = Math.Min(end, partBegin + part.Rows);
            if (first < last)
            {
                Multiply(in job, worker, in part, first - partBegin, first, last - first);
            }

            partBegin += part.Rows;
        }
    }

    /// <summary>Multiplies <paramref name="count"/> rows of a part, which give the outputs from <paramref name="output"/> on.</summary>
    private static void Multiply(
        ref readonly DenseLinearJob<TSimd, TVector> job, int worker, ref readonly DenseRows part, int row, int output, int count)
    {
        byte* weights = part.Data + (nint)row * job.Operands.InFeatures * part.Type.SizeInBytes();
        float* panel = (float*)(job.Scratch + worker * job.ScratchStride);
        switch (part.Type)
        {
            case DType.BF16:
                Multiply<BF16Element>(in job, job.XOfBFloat16, panel, weights, output, count);
                break;
            case DType.F16:
                Multiply<F16Element>(in job, job.X, panel, weights, output, count);
                break;
            default:
                Multiply<F32Element>(in job, job.X, panel, weights, output, count);
                break;
        }
    }

    /// <summary>
    /// Goes through the rows in blocks, through a block in chunks of columns, through a chunk in tiles of tokens, and through those in
    /// groups of rows: a tile of x stays in the first-level cache and a block of weights in the second. Fetching weights ahead in software
    /// was tried: it slows up to eight tokens down and gains nothing beyond.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Multiply<TElement>(
        ref readonly DenseLinearJob<TSimd, TVector> job, float* x, float* panel, byte* weights, int output, int count)
        where TElement : struct, IElement
    {
        nint rowBytes = (nint)job.Operands.InFeatures * TElement.Size;

        // One tile of tokens uses each weight once, so that rows are best read from end to end.
        int blockRows = job.Operands.Tokens > 3 ? LinearPlan.BlockRows : 4;
        for (int row = 0; row < count; row += blockRows)
        {
            int rows = Math.Min(blockRows, count - row);
            byte* block = weights + row * rowBytes;
            for (int k = 0; k < job.Operands.InFeatures; k += LinearPlan.ChunkColumns)
            {
                byte* chunk = block + (nint)k * TElement.Size;
                if (typeof(TElement) == typeof(F16Element) && job.Operands.Tokens > 3)
                {
                    int length = Math.Min(LinearPlan.ChunkColumns, job.Operands.InFeatures - k);
                    for (int r = 0; r < rows; r++)
                    {
                        RowConversion<TSimd, TVector, TElement>.Expand(chunk + r * rowBytes, panel + r * LinearPlan.PanelStride, length);
                    }

                    LinearProduct<TSimd, TVector, F32Element>.MultiplyChunk(
                        in job.Operands, x, (byte*)panel, LinearPlan.PanelStride * sizeof(float), output + row, rows, k);
                }
                else
                {
                    LinearProduct<TSimd, TVector, TElement>.MultiplyChunk(in job.Operands, x, chunk, rowBytes, output + row, rows, k);
                }
            }
        }
    }
}

/// <summary>Puts rows of x into the order that a type of weights is multiplied in.</summary>
internal unsafe struct ArrangeKernel<TSimd, TVector, TElement> : IRowKernel<ArrangeKernel<TSimd, TVector, TElement>>
    where TSimd : struct, ISimd<TVector>
    where TVector : unmanaged
    where TElement : struct, IElement
{
    public FloatRows X;
    public float* Target;
    public nint TargetStride;
    public int Columns;

    public static void Apply(ref readonly ArrangeKernel<TSimd, TVector, TElement> arguments, int row) =>
        BlockOrder<TSimd, TVector, TElement>.Arrange(
            arguments.X[row], arguments.Target + row * arguments.TargetStride, arguments.Columns);
}
