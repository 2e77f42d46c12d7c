using System;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
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
    /// <summary>Rows of weights that are multiplied with all tokens before the next: whole groups of three and of four.</summary>
    private const int BlockRows = 48;

    private const int ChunkColumns = DenseLinear<TSimd, TVector>.ChunkColumns;

    /// <summary>Floats from one expanded row to the next: off a power of two, so that the rows fall on different cache sets.</summary>
    private const int PanelStride = ChunkColumns + 16;

    /// <summary>Scratch memory of one worker: a block of expanded rows.</summary>
    public const long ScratchBytes = (long)BlockRows * PanelStride * sizeof(float);

    public DenseRows* Parts;
    public int PartCount;
    public float* Bias;
    public int InFeatures;
    public int Tokens;

    /// <summary>x in the block order of F32 and F16; null where no part needs it.</summary>
    public float* X;

    /// <summary>x in the block order of BF16; null where no part needs it.</summary>
    public float* XOfBFloat16;
    public nint XStride;
    public float* Y;
    public nint YStride;
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
        byte* weights = part.Data + (nint)row * job.InFeatures * part.Type.SizeInBytes();
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
        nint rowBytes = (nint)job.InFeatures * TElement.Size;

        // One tile of tokens uses each weight once, so that rows are best read from end to end.
        int blockRows = job.Tokens > 3 ? BlockRows : 4;
        for (int row = 0; row < count; row += blockRows)
        {
            int rows = Math.Min(blockRows, count - row);
            byte* block = weights + row * rowBytes;
            for (int k = 0; k < job.InFeatures; k += ChunkColumns)
            {
                byte* chunk = block + (nint)k * TElement.Size;
                if (typeof(TElement) == typeof(F16Element) && job.Tokens > 3)
                {
                    int length = Math.Min(ChunkColumns, job.InFeatures - k);
                    for (int r = 0; r < rows; r++)
                    {
                        RowConversion<TSimd, TVector, TElement>.Expand(chunk + r * rowBytes, panel + r * PanelStride, length);
                    }

                    MultiplyBlock<F32Element>(in job, x, (byte*)panel, PanelStride * sizeof(float), output + row, rows, k);
                }
                else
                {
                    MultiplyBlock<TElement>(in job, x, chunk, rowBytes, output + row, rows, k);
                }
            }
        }
    }

    /// <summary>Multiplies one chunk of a block of rows with all tokens.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    [SkipLocalsInit]
    private static void MultiplyBlock<TElement>(
        ref readonly DenseLinearJob<TSimd, TVector> job, float* x, byte* weights, nint rowBytes, int output, int rows, int k)
        where TElement : struct, IElement
    {
        float* sums = stackalloc float[16];
        int length = Math.Min(ChunkColumns, job.InFeatures - k);

        // Tiles of 3 rows and 4 tokens, or of 4 rows and 3 tokens: whichever leaves no token over.
        int groupRows = job.Tokens % 4 == 0 ? 3 : 4;
        int columns;
        for (int token = 0; token < job.Tokens; token += columns)
        {
            int left = job.Tokens - token;
            columns = groupRows == 3 ? 4 : left == 4 ? 2 : Math.Min(3, left);
            float* start = x + token * job.XStride + k;
            for (int row = 0; row < rows; row += groupRows)
            {
                int group = Math.Min(groupRows, rows - row);
                Tile<TElement>(weights + row * rowBytes, rowBytes, group, start, job.XStride, columns, length, sums);
                AddSums(in job, sums, token, columns, output + row, group, k);
            }
        }
    }

    /// <summary>The dot products of up to four rows with one to four tokens. Missing rows repeat the last one.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Tile<TElement>(byte* w, nint rowBytes, int rows, float* x, nint xStride, int columns, int length, float* sums)
        where TElement : struct, IElement
    {
        byte* w1 = w + (rows > 1 ? rowBytes : 0);
        byte* w2 = w1 + (rows > 2 ? rowBytes : 0);
        byte* w3 = w2 + (rows > 3 ? rowBytes : 0);
        switch (columns)
        {
            case 4:
                DotTile<TSimd, TVector, TElement>.Dot3x4(w, w1, w2, x, xStride, length, sums);
                break;
            case 3:
                DotTile<TSimd, TVector, TElement>.Dot4x3(w, w1, w2, w3, x, xStride, length, sums);
                break;
            case 2:
                DotTile<TSimd, TVector, TElement>.Dot4x2(w, w1, w2, w3, x, xStride, length, sums);
                break;
            default:
                DotTile<TSimd, TVector, TElement>.Dot4x1(w, w1, w2, w3, x, length, sums);
                break;
        }
    }

    /// <summary>Writes the sums of the first chunk to y, adds those of the others, and the bias after the last.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void AddSums(
        ref readonly DenseLinearJob<TSimd, TVector> job, float* sums, int token, int columns, int output, int rows, int k)
    {
        bool last = k + ChunkColumns >= job.InFeatures;
        for (int c = 0; c < columns; c++)
        {
            float* y = job.Y + (token + c) * job.YStride + output;
            float* sum = sums + 4 * c;
            if (rows == 4)
            {
                Vector128<float> total = Vector128.Load(sum);
                total = k > 0 ? Vector128.Load(y) + total : total;
                total = last && job.Bias != null ? total + Vector128.Load(job.Bias + output) : total;
                total.Store(y);
                continue;
            }

            for (int r = 0; r < rows; r++)
            {
                float total = k > 0 ? y[r] + sum[r] : sum[r];
                y[r] = last && job.Bias != null ? total + job.Bias[output + r] : total;
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
