using System;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
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
    /// <summary>Bytes of x that should stay in the second-level cache while weights pass by.</summary>
    private const int TokenBlockBytes = 256 * 1024;

    private const int ChunkColumns = DenseLinear<TSimd, TVector>.ChunkColumns;

    /// <summary>Tokens whose chunks of x have that size: whole tiles of three and of four.</summary>
    private const int BlockTokens = TokenBlockBytes / sizeof(float) / ChunkColumns / 12 * 12;
    private const int CacheLine = 64;

    /// <summary>Floats from one expanded row to the next: off a power of two, so that the rows fall on different cache sets.</summary>
    private const int PanelStride = ChunkColumns + 16;

    /// <summary>Scratch memory of one worker: four expanded rows.</summary>
    public const long ScratchBytes = 4L * PanelStride * sizeof(float);

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

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Multiply<TElement>(
        ref readonly DenseLinearJob<TSimd, TVector> job, float* x, float* panel, byte* weights, int output, int count)
        where TElement : struct, IElement
    {
        nint rowBytes = (nint)job.InFeatures * TElement.Size;

        // Tiles of 3 rows and 4 tokens, or of 4 rows and 3 tokens: whichever leaves no token over.
        int groupRows = job.Tokens % 4 == 0 ? 3 : 4;
        int chunks = (job.InFeatures + ChunkColumns - 1) / ChunkColumns;
        int groups = (count + groupRows - 1) / groupRows;

        // With all of x in the cache, weights are best read row by row; otherwise a chunk of x is kept while all rows pass.
        bool wholeRows = (long)job.Tokens * job.XStride * sizeof(float) <= TokenBlockBytes;
        int blockTokens = wholeRows ? job.Tokens : BlockTokens;
        int inner = wholeRows ? chunks : groups;
        int steps = chunks * groups;
        for (int token = 0; token < job.Tokens; token += blockTokens)
        {
            int tokens = Math.Min(blockTokens, job.Tokens - token);
            for (int step = 0; step < steps; step++)
            {
                int i = step / inner;
                int j = step - i * inner;
                int group = wholeRows ? i : j;
                int chunk = wholeRows ? j : i;

                // The next group's weights are fetched while this one is multiplied; past the last they are fetched in vain.
                byte* here = weights + group * groupRows * rowBytes + (nint)chunk * ChunkColumns * TElement.Size;
                byte* next = wholeRows && chunk + 1 < chunks ? here + ChunkColumns * TElement.Size
                    : wholeRows ? weights + (group + 1) * groupRows * rowBytes
                    : here + groupRows * rowBytes;
                MultiplyGroup<TElement>(
                    in job, x, panel, here, next, output + group * groupRows, Math.Min(groupRows, count - group * groupRows), chunk, token, tokens);
            }
        }
    }

    /// <summary>Multiplies one chunk of a group of rows with a block of tokens.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    [SkipLocalsInit]
    private static void MultiplyGroup<TElement>(
        ref readonly DenseLinearJob<TSimd, TVector> job,
        float* x,
        float* panel,
        byte* weights,
        byte* next,
        int output,
        int rows,
        int chunk,
        int token,
        int tokens)
        where TElement : struct, IElement
    {
        float* sums = stackalloc float[16];
        int k = chunk * ChunkColumns;
        int length = Math.Min(ChunkColumns, job.InFeatures - k);
        nint rowBytes = (nint)job.InFeatures * TElement.Size;
        bool expands = typeof(TElement) == typeof(F16Element) && tokens > 3;
        if (expands)
        {
            for (int r = 0; r < rows; r++)
            {
                RowConversion<TSimd, TVector, TElement>.Expand(weights + r * rowBytes, panel + r * PanelStride, length);
            }
        }

        int groupRows = job.Tokens % 4 == 0 ? 3 : 4;
        int lines = (length * TElement.Size + CacheLine - 1) / CacheLine * groupRows;
        int fetched = 0;
        for (int t = 0; t < tokens;)
        {
            int left = tokens - t;
            int columns = groupRows == 3 ? 4 : left == 4 ? 2 : Math.Min(3, left);
            float* start = x + (token + t) * job.XStride + k;
            if (expands)
            {
                Tile<F32Element>((byte*)panel, PanelStride * sizeof(float), rows, start, job.XStride, columns, length, sums);
            }
            else
            {
                Tile<TElement>(weights, rowBytes, rows, start, job.XStride, columns, length, sums);
            }

            AddSums(in job, sums, token + t, columns, output, rows, k);
            t += columns;
            if (tokens > 4)
            {
                int until = (int)((long)lines * t / tokens);
                Prefetch(next, rowBytes, lines / groupRows, fetched, until);
                fetched = until;
            }
        }
    }

    /// <summary>Asks for the cache lines [begin, end) of some rows, counted row by row, to come to the second-level cache.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Prefetch(byte* rows, nint rowBytes, int linesPerRow, int begin, int end)
    {
        if (Sse.IsSupported)
        {
            for (int line = begin; line < end; line++)
            {
                int row = line / linesPerRow;
                Sse.Prefetch1(rows + row * rowBytes + (line - row * linesPerRow) * CacheLine);
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
