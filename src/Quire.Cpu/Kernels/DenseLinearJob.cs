using System;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Quire.Cpu.Simd;
using Quire.Tensors;

namespace Quire.Cpu.Kernels;

/// <summary>
/// The multiplication of a <see cref="DenseLinear{TSimd, TVector}"/>; an item is an output feature. For few tokens the weights are
/// expanded in registers on their way; for more, four rows at a time are expanded into scratch memory and used for every token.
/// </summary>
internal unsafe struct DenseLinearJob<TSimd, TVector> : IPoolJob<DenseLinearJob<TSimd, TVector>>
    where TSimd : struct, ISimd<TVector>
    where TVector : unmanaged
{
    /// <summary>Most tokens that are multiplied straight from the weights: as many as the widest tile takes.</summary>
    private const int DirectTokens = 3;

    /// <summary>Bytes of x that should stay in the second-level cache while weights pass by.</summary>
    private const int TokenBlockBytes = 256 * 1024;

    private const int ChunkColumns = DenseLinear<TSimd, TVector>.ChunkColumns;

    /// <summary>Floats from one expanded row to the next: off a power of two, so that the rows fall on different cache sets.</summary>
    private const int PanelStride = ChunkColumns + 16;

    /// <summary>Scratch memory of one worker: four expanded rows.</summary>
    public const long ScratchBytes = 4L * PanelStride * sizeof(float);

    public DenseRows* Parts;
    public int PartCount;
    public float* Bias;
    public int InFeatures;
    public int Tokens;
    public float* X;
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
                int row = first - partBegin;
                switch (part.Type)
                {
                    case DType.BF16:
                        Multiply<BF16Element>(in job, worker, part.Data, row, first, last - first);
                        break;
                    case DType.F16:
                        Multiply<F16Element>(in job, worker, part.Data, row, first, last - first);
                        break;
                    default:
                        Multiply<F32Element>(in job, worker, part.Data, row, first, last - first);
                        break;
                }
            }

            partBegin += part.Rows;
        }
    }

    private static void Multiply<TElement>(
        ref readonly DenseLinearJob<TSimd, TVector> job, int worker, byte* weights, int row, int output, int count)
        where TElement : struct, IElement
    {
        byte* first = weights + (nint)row * job.InFeatures * TElement.Size;
        if (job.Tokens <= DirectTokens)
        {
            MultiplyFew<TElement>(in job, first, output, count);
        }
        else
        {
            MultiplyMany<TElement>(in job, (float*)(job.Scratch + worker * job.ScratchStride), first, output, count);
        }
    }

    /// <summary>One to three tokens: each weight is read once, all tokens at the same time.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    [SkipLocalsInit]
    private static void MultiplyFew<TElement>(
        ref readonly DenseLinearJob<TSimd, TVector> job, byte* weights, int output, int count)
        where TElement : struct, IElement
    {
        float* sums = stackalloc float[12];
        nint rowBytes = (nint)job.InFeatures * TElement.Size;
        for (int n = 0; n < count; n += 4)
        {
            int rows = Math.Min(4, count - n);
            byte* w = weights + n * rowBytes;
            for (int k = 0; k < job.InFeatures; k += ChunkColumns)
            {
                int length = Math.Min(ChunkColumns, job.InFeatures - k);
                byte* chunk = w + (nint)k * TElement.Size;
                Tile<TElement>(chunk, rowBytes, rows, job.X + k, job.XStride, job.Tokens, length, sums);
                AddSums(in job, sums, 0, job.Tokens, output + n, rows, k);
            }
        }
    }

    /// <summary>
    /// Many tokens, in blocks that stay in the second-level cache: four rows of weights are expanded, then multiplied with three tokens
    /// at a time.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    [SkipLocalsInit]
    private static void MultiplyMany<TElement>(
        ref readonly DenseLinearJob<TSimd, TVector> job, float* panel, byte* weights, int output, int count)
        where TElement : struct, IElement
    {
        int chunks = (job.InFeatures + ChunkColumns - 1) / ChunkColumns;
        int groups = (count + 3) / 4;
        bool wholeRowsFit = (long)job.Tokens * job.InFeatures * sizeof(float) <= TokenBlockBytes;
        int blockTokens = wholeRowsFit ? job.Tokens : TokenBlockBytes / sizeof(float) / Math.Min(ChunkColumns, job.InFeatures);

        // With all of x in the cache, weights are best read row by row; otherwise a chunk of x is kept while all rows pass.
        int outer = wholeRowsFit ? groups : chunks;
        int inner = wholeRowsFit ? chunks : groups;
        for (int token = 0; token < job.Tokens; token += blockTokens)
        {
            int tokens = Math.Min(blockTokens, job.Tokens - token);
            for (int i = 0; i < outer; i++)
            {
                for (int j = 0; j < inner; j++)
                {
                    int n = (wholeRowsFit ? i : j) * 4;
                    int k = (wholeRowsFit ? j : i) * ChunkColumns;
                    MultiplyPanel<TElement>(in job, panel, weights, output, n, Math.Min(4, count - n), k, token, tokens);
                }
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    [SkipLocalsInit]
    private static void MultiplyPanel<TElement>(
        ref readonly DenseLinearJob<TSimd, TVector> job, float* panel, byte* weights, int output, int n, int rows, int k, int token, int tokens)
        where TElement : struct, IElement
    {
        float* sums = stackalloc float[12];
        int length = Math.Min(ChunkColumns, job.InFeatures - k);
        byte* chunk = weights + ((nint)n * job.InFeatures + k) * TElement.Size;
        nint rowBytes = (nint)job.InFeatures * TElement.Size;
        if (typeof(TElement) != typeof(F32Element))
        {
            for (int r = 0; r < rows; r++)
            {
                RowConversion<TSimd, TVector, TElement>.Expand(chunk + r * rowBytes, panel + r * PanelStride, length);
            }

            chunk = (byte*)panel;
            rowBytes = PanelStride * sizeof(float);
        }

        for (int t = 0; t < tokens;)
        {
            int left = tokens - t;
            int columns = left == 4 ? 2 : Math.Min(3, left);
            float* x = job.X + (token + t) * job.XStride + k;
            Tile<F32Element>(chunk, rowBytes, rows, x, job.XStride, columns, length, sums);
            AddSums(in job, sums, token + t, columns, output + n, rows, k);
            t += columns;
        }
    }

    /// <summary>The dot products of up to four rows with one to three tokens. Missing rows repeat the last one.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Tile<TElement>(byte* w, nint rowBytes, int rows, float* x, nint xStride, int columns, int length, float* sums)
        where TElement : struct, IElement
    {
        byte* w1 = w + (rows > 1 ? rowBytes : 0);
        byte* w2 = w1 + (rows > 2 ? rowBytes : 0);
        byte* w3 = w2 + (rows > 3 ? rowBytes : 0);
        if (columns == 3)
        {
            DotTile<TSimd, TVector, TElement>.Dot4x3(w, w1, w2, w3, x, xStride, length, sums);
        }
        else if (columns == 2)
        {
            DotTile<TSimd, TVector, TElement>.Dot4x2(w, w1, w2, w3, x, xStride, length, sums);
        }
        else
        {
            DotTile<TSimd, TVector, TElement>.Dot4x1(w, w1, w2, w3, x, length, sums);
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
