using System;
using System.Runtime.CompilerServices;
using Quire.Cpu.Kernels;
using Quire.Cpu.Simd;

namespace Quire.Cpu.Attention;

/// <summary>
/// Attention of some queries of one sequence, for all the heads that share one key-value head, as in FlashAttention (Dao et al.,
/// arXiv 2205.14135): scores of a group of keys, then the running softmax, then the weighted values. A row is one query of one head.
/// </summary>
/// <remarks>
/// Keys are taken in groups of <see cref="GroupKeys"/> and groups in splits of <see cref="SplitKeys"/>, both counted from position 0. A
/// split has a softmax of its own; the splits are merged in order. So the arithmetic of a row is fixed by its position alone: it does
/// not matter with which other queries it came, how its blocks lie, or whether the splits were made by one thread or by several.
/// </remarks>
internal static unsafe partial class AttentionTile<TSimd, TVector, TElement>
    where TSimd : struct, ISimd<TVector>
    where TVector : unmanaged
    where TElement : struct, IElement
{
    /// <summary>Keys whose scores are held at once: a multiple of every vector width.</summary>
    public const int GroupKeys = 32;

    /// <summary>Keys that share one running softmax: a multiple of <see cref="GroupKeys"/>.</summary>
    public const int SplitKeys = 512;

    /// <summary>Rows that a tile has, where a query has fewer heads: enough that expanding the keys and values costs little beside the products.</summary>
    public const int TileRows = 48;

    /// <summary>Rows from which on keys and values are expanded to floats once, instead of again for every few rows.</summary>
    private const int PanelRows = 3;

    /// <summary>What a tile needs besides the inputs: which queries, and where its working memory is.</summary>
    public ref struct Work
    {
        public ref readonly AttentionInputs Inputs;
        public int KvHead;
        public int* Blocks;

        /// <summary>Queries of the tile, and positions that the first of them sees; each further query sees one more.</summary>
        public int Queries;
        public int Visible;

        /// <summary>Where a group of keys, then of values, is expanded to floats in block order: [GroupKeys, headStep].</summary>
        public float* Panel;
        public float* Q;
        public float* Scores;
        public float* Corrections;
        public SoftmaxState Split;
        public SoftmaxState Total;

        public readonly int Rows => Queries * Inputs.HeadsPerKvHead;

        /// <summary>The first position that the first query sees.</summary>
        public readonly int First => Inputs.Window > 0 ? Math.Max(0, Visible - Inputs.Window) : 0;

        /// <summary>End of the positions that the last query sees.</summary>
        public readonly int End => Visible + Queries - 1;
    }

    /// <summary>Bytes of working memory for tiles of so many rows.</summary>
    public static long ScratchBytes(ref readonly AttentionInputs inputs, int rows) => sizeof(float)
        * ((long)GroupKeys * inputs.HeadStep + (long)rows * inputs.HeadStep + (long)rows * GroupKeys + 2 * SoftmaxState.Size(rows, inputs.HeadStep) + rows + 16);

    /// <summary>Sets up a tile: finds its limits, divides the working memory and gathers the queries.</summary>
    public static Work Begin(
        ref readonly AttentionInputs inputs, int sequence, int tile, int kvHead, byte* scratch)
    {
        int firstRow = inputs.QueryStarts[sequence];
        int queries = inputs.QueryStarts[sequence + 1] - firstRow;
        int start = tile * inputs.TileQueries;
        int rows = Math.Min(inputs.TileQueries, queries - start) * inputs.HeadsPerKvHead;
        float* q = (float*)scratch + GroupKeys * inputs.HeadStep;
        float* split = q + (nint)rows * inputs.HeadStep;
        float* total = split + SoftmaxState.Size(rows, inputs.HeadStep);
        float* scores = total + SoftmaxState.Size(rows, inputs.HeadStep);
        var work = new Work
        {
            Inputs = ref inputs,
            KvHead = kvHead,
            Blocks = inputs.BlockTables + sequence * inputs.TableStride,
            Queries = rows / inputs.HeadsPerKvHead,
            Visible = inputs.ContextLengths[sequence] - queries + start + 1,
            Panel = (float*)scratch,
            Q = q,
            Split = SoftmaxState.At(split, rows),
            Total = SoftmaxState.At(total, rows),
            Scores = scores,
            Corrections = scores + (nint)rows * GroupKeys,
        };
        for (int r = 0; r < rows; r++)
        {
            float* source = inputs.Q[firstRow + start + r / inputs.HeadsPerKvHead]
                + ((nint)kvHead * inputs.HeadsPerKvHead + r % inputs.HeadsPerKvHead) * inputs.HeadDim;
            BlockOrder<TSimd, TVector, TElement>.Arrange(source, q + (nint)r * inputs.HeadStep, inputs.HeadDim);
        }

        return work;
    }

    /// <summary>Fills <paramref name="state"/> with the softmax over one split of the positions.</summary>
    public static void RunSplit(ref readonly Work work, int split, in SoftmaxState state)
    {
        Reset(state, work.Rows, work.Inputs.HeadStep);
        int begin = Math.Max(split * SplitKeys, work.First / GroupKeys * GroupKeys);
        int end = Math.Min((split + 1) * SplitKeys, work.End);
        byte** keys = stackalloc byte*[GroupKeys];
        byte** values = stackalloc byte*[GroupKeys];
        for (int position = begin; position < end; position += GroupKeys)
        {
            int count = Math.Min(GroupKeys, end - position);
            FindKeys(in work, position, count, keys, values);

            // Queries that see nothing of the group yet, or nothing any more, are left out.
            int firstQuery = Math.Max(0, position + 1 - work.Visible);
            int endQuery = work.Inputs.Window > 0
                ? Math.Min(work.Queries, position + count + work.Inputs.Window - work.Visible)
                : work.Queries;
            int firstRow = firstQuery * work.Inputs.HeadsPerKvHead;
            int endRow = endQuery * work.Inputs.HeadsPerKvHead;
            if (firstRow >= endRow)
            {
                continue;
            }

            if (work.Inputs.IsQuantized)
            {
                Expand(in work, keys, count, work.Inputs.Keys, work.Inputs.KeyScales, work.Inputs.KeyScale);
            }

            bool usesPanel = endRow - firstRow >= PanelRows;
            if (usesPanel)
            {
                Expand(in work, keys, count);
                ScorePanel(in work, count, firstRow, endRow);
            }
            else
            {
                Score(in work, keys, count, firstRow, endRow);
            }

            for (int row = firstRow; row < endRow; row++)
            {
                UpdateSoftmax(in work, state, row, position, count);
            }

            if (work.Inputs.IsQuantized)
            {
                Expand(in work, values, count, work.Inputs.Values, work.Inputs.ValueScales, work.Inputs.ValueScale);
            }

            if (usesPanel)
            {
                Expand(in work, values, count);
                AddPanel(in work, state, values, count, firstRow, endRow);
            }
            else
            {
                AddValues(in work, state, values, count, firstRow, endRow);
            }
        }
    }

    /// <summary>Empties a state.</summary>
    public static void Reset(in SoftmaxState state, int rows, int headStep)
    {
        new Span<float>(state.Largest, rows).Fill(float.NegativeInfinity);
        new Span<float>(state.Sum, rows).Clear();
        new Span<float>(state.Values, rows * headStep).Clear();
    }

    /// <summary>Adds the softmax of a later split to <paramref name="total"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Merge(in SoftmaxState split, in SoftmaxState total, int rows, int headStep)
    {
        for (int row = 0; row < rows; row++)
        {
            if (float.IsNegativeInfinity(split.Largest[row]))
            {
                continue;
            }

            float largest = Math.Max(total.Largest[row], split.Largest[row]);
            float totalFactor = Exp(total.Largest[row] - largest);
            float splitFactor = Exp(split.Largest[row] - largest);
            total.Largest[row] = largest;
            total.Sum[row] = total.Sum[row] * totalFactor + split.Sum[row] * splitFactor;
            TVector a = TSimd.Create(totalFactor);
            TVector b = TSimd.Create(splitFactor);
            float* source = split.Values + (nint)row * headStep;
            float* target = total.Values + (nint)row * headStep;
            for (int d = 0; d < headStep; d += TSimd.Count)
            {
                TSimd.Store(target + d, TSimd.MultiplyAdd(TSimd.Load(source + d), b, TSimd.Multiply(TSimd.Load(target + d), a)));
            }
        }
    }

    /// <summary>Divides the weighted values by the sums and writes them to y, at the rows of the tile.</summary>
    public static void Write(ref readonly AttentionInputs inputs, int firstRow, int kvHead, int rows, in SoftmaxState total)
    {
        for (int r = 0; r < rows; r++)
        {
            float* target = inputs.Y[firstRow + r / inputs.HeadsPerKvHead]
                + ((nint)kvHead * inputs.HeadsPerKvHead + r % inputs.HeadsPerKvHead) * inputs.HeadDim;
            BlockOrder<TSimd, TVector, TElement>.Restore(
                total.Values + (nint)r * inputs.HeadStep, 1f / total.Sum[r], target, inputs.HeadDim);
        }
    }

    /// <summary>Expands rows of codes into the panel and lets the rows point there.</summary>
    private static void Expand(ref readonly Work work, byte** rows, int count, byte* side, float* scales, float scale)
    {
        ref readonly AttentionInputs inputs = ref work.Inputs;
        for (int i = 0; i < count; i++)
        {
            float factor = scales == null ? scale : scales[(rows[i] - side) / inputs.HeadDim];
            float* target = work.Panel + (nint)i * inputs.HeadStep;
            KvCodes<TSimd, TVector>.Expand(inputs.Type, rows[i], factor, target, inputs.HeadDim);
            new Span<float>(target + inputs.HeadDim, inputs.HeadStep - inputs.HeadDim).Clear();
            rows[i] = (byte*)target;
        }

        for (int i = count; i % 4 != 0; i++)
        {
            rows[i] = rows[count - 1];
        }
    }

    private static float Exp(float x) => TSimd.MaxAcross(VectorMath<TSimd, TVector>.Exp(TSimd.Create(x)));

    /// <summary>Looks up where the keys and values of <paramref name="count"/> positions lie, and repeats the last key up to a multiple of 4.</summary>
    private static void FindKeys(ref readonly Work work, int position, int count, byte** keys, byte** values)
    {
        ref readonly AttentionInputs inputs = ref work.Inputs;
        nint step = (nint)inputs.HeadDim * inputs.ElementSize;
        nint head = work.KvHead * inputs.HeadStride * inputs.ElementSize;
        int block = position / inputs.BlockSize;
        int inBlock = position % inputs.BlockSize;
        nint offset = work.Blocks[block] * inputs.BlockStride * inputs.ElementSize + head + inBlock * step;
        for (int i = 0; i < count; i++)
        {
            if (inBlock == inputs.BlockSize)
            {
                inBlock = 0;
                offset = work.Blocks[++block] * inputs.BlockStride * inputs.ElementSize + head;
            }

            keys[i] = inputs.Keys + offset;
            values[i] = inputs.Values + offset;
            inBlock++;
            offset += step;
        }

        for (int i = count; i % 4 != 0; i++)
        {
            keys[i] = keys[count - 1];
        }
    }

    /// <summary>Turns the scores of a row into exponentials and takes them into the running softmax.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void UpdateSoftmax(ref readonly Work work, in SoftmaxState state, int row, int position, int count)
    {
        ref readonly AttentionInputs inputs = ref work.Inputs;
        float* scores = work.Scores + (nint)row * GroupKeys;
        int visible = work.Visible + row / inputs.HeadsPerKvHead;
        int end = Math.Min(count, visible - position);
        int begin = inputs.Window > 0 ? Math.Max(0, visible - inputs.Window - position) : 0;
        TVector largest = begin == 0 && end == GroupKeys && inputs.SoftCap <= 0
            ? ScaleAll(scores, inputs.Scale)
            : ScaleVisible(scores, begin, end, inputs.Scale, inputs.SoftCap);
        float before = state.Largest[row];
        float now = Math.Max(before, TSimd.MaxAcross(largest));
        TVector shift = TSimd.Create(now);
        TVector total = TSimd.Zero;
        for (int j = 0; j < GroupKeys; j += TSimd.Count)
        {
            TVector exponential = VectorMath<TSimd, TVector>.Exp(TSimd.Subtract(TSimd.Load(scores + j), shift));
            TSimd.Store(scores + j, exponential);
            total = TSimd.Add(total, exponential);
        }

        float correction = before == now ? 1f : Exp(before - now);
        work.Corrections[row] = correction;
        state.Largest[row] = now;
        state.Sum[row] = state.Sum[row] * correction + TSimd.Sum(total);
    }

    /// <summary>Scales a group of scores; the largest of each lane.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TVector ScaleAll(float* scores, float factor)
    {
        TVector scale = TSimd.Create(factor);
        TVector largest = TSimd.Multiply(TSimd.Load(scores), scale);
        TSimd.Store(scores, largest);
        for (int j = TSimd.Count; j < GroupKeys; j += TSimd.Count)
        {
            TVector scaled = TSimd.Multiply(TSimd.Load(scores + j), scale);
            TSimd.Store(scores + j, scaled);
            largest = TSimd.Max(largest, scaled);
        }

        return largest;
    }

    /// <summary>The same where only [begin, end) of the group is seen, or where scores are capped.</summary>
    private static TVector ScaleVisible(float* scores, int begin, int end, float factor, float cap)
    {
        TVector scale = TSimd.Create(factor);
        for (int j = 0; j < end; j += TSimd.Count)
        {
            TSimd.Store(scores + j, TSimd.Multiply(TSimd.Load(scores + j), scale));
        }

        if (cap > 0)
        {
            CapScores(scores, end, cap);
        }

        new Span<float>(scores, begin).Fill(float.NegativeInfinity);
        new Span<float>(scores + end, GroupKeys - end).Fill(float.NegativeInfinity);
        TVector largest = TSimd.Load(scores);
        for (int j = TSimd.Count; j < GroupKeys; j += TSimd.Count)
        {
            largest = TSimd.Max(largest, TSimd.Load(scores + j));
        }

        return largest;
    }

    private static void CapScores(float* scores, int count, float cap)
    {
        for (int j = 0; j < count; j += TSimd.Count)
        {
            TVector capped = SoftCapKernel<TSimd, TVector>.Limit(TSimd.Load(scores + j), TSimd.Create(cap), TSimd.Create(1f / cap));
            TSimd.Store(scores + j, capped);
        }
    }
}
