using Quire.Cpu.Simd;

namespace Quire.Cpu.Attention;

/// <summary>Attention where each item is one tile of queries and one key-value head, start to end.</summary>
internal unsafe struct TileAttentionJob<TSimd, TVector, TElement> : IPoolJob<TileAttentionJob<TSimd, TVector, TElement>>
    where TSimd : struct, ISimd<TVector>
    where TVector : unmanaged
    where TElement : struct, IElement
{
    public AttentionInputs Inputs;
    public byte* Scratch;
    public nint ScratchStride;

    public static void Execute(ref readonly TileAttentionJob<TSimd, TVector, TElement> job, int worker, int begin, int end)
    {
        ref readonly AttentionInputs inputs = ref job.Inputs;
        byte* scratch = job.Scratch + worker * job.ScratchStride;
        int sequence = 0;
        int tile = begin / inputs.KvHeads;
        for (int item = begin; item < end; item++)
        {
            while (tile >= inputs.Tiles(sequence))
            {
                tile -= inputs.Tiles(sequence++);
            }

            int kvHead = item % inputs.KvHeads;
            Attend(in inputs, sequence, tile, kvHead, scratch);
            tile += kvHead == inputs.KvHeads - 1 ? 1 : 0;
        }
    }

    private static void Attend(ref readonly AttentionInputs inputs, int sequence, int tile, int kvHead, byte* scratch)
    {
        var work = AttentionTile<TSimd, TVector, TElement>.Begin(in inputs, sequence, tile, kvHead, scratch);
        AttentionTile<TSimd, TVector, TElement>.Reset(work.Total, work.Rows, inputs.HeadStep);
        const int SplitKeys = AttentionTile<TSimd, TVector, TElement>.SplitKeys;
        for (int split = work.First / SplitKeys; split * SplitKeys < work.End; split++)
        {
            AttentionTile<TSimd, TVector, TElement>.RunSplit(in work, split, work.Split);
            AttentionTile<TSimd, TVector, TElement>.Merge(work.Split, work.Total, work.Rows, inputs.HeadStep);
        }

        int firstRow = inputs.QueryStarts[sequence] + tile * inputs.TileQueries;
        AttentionTile<TSimd, TVector, TElement>.Write(in inputs, firstRow, kvHead, work.Rows, work.Total);
    }
}

/// <summary>
/// The first half of attention for few sequences with long contexts and one query each: an item is one split of one key-value head of
/// one sequence, so that several threads share a context.
/// </summary>
internal unsafe struct SplitAttentionJob<TSimd, TVector, TElement> : IPoolJob<SplitAttentionJob<TSimd, TVector, TElement>>
    where TSimd : struct, ISimd<TVector>
    where TVector : unmanaged
    where TElement : struct, IElement
{
    public AttentionInputs Inputs;
    public byte* Scratch;
    public nint ScratchStride;

    /// <summary>[sequences, kvHeads, splits] states.</summary>
    public float* States;

    /// <summary>Splits that the longest context has.</summary>
    public int Splits;

    public readonly SoftmaxState State(int sequenceHead, int split)
    {
        int rows = Inputs.HeadsPerKvHead;
        return SoftmaxState.At(States + ((nint)sequenceHead * Splits + split) * (nint)SoftmaxState.Size(rows, Inputs.HeadStep), rows);
    }

    public static void Execute(ref readonly SplitAttentionJob<TSimd, TVector, TElement> job, int worker, int begin, int end)
    {
        ref readonly AttentionInputs inputs = ref job.Inputs;
        byte* scratch = job.Scratch + worker * job.ScratchStride;
        for (int item = begin; item < end; item++)
        {
            int sequenceHead = item / job.Splits;
            int sequence = sequenceHead / inputs.KvHeads;
            if (inputs.Tiles(sequence) > 0)
            {
                var work = AttentionTile<TSimd, TVector, TElement>.Begin(
                    in inputs, sequence, 0, sequenceHead % inputs.KvHeads, scratch);
                AttentionTile<TSimd, TVector, TElement>.RunSplit(in work, item % job.Splits, job.State(sequenceHead, item % job.Splits));
            }
        }
    }
}

/// <summary>The second half: an item is one key-value head of one sequence, whose splits are merged in order.</summary>
internal unsafe struct MergeAttentionJob<TSimd, TVector, TElement> : IPoolJob<MergeAttentionJob<TSimd, TVector, TElement>>
    where TSimd : struct, ISimd<TVector>
    where TVector : unmanaged
    where TElement : struct, IElement
{
    public SplitAttentionJob<TSimd, TVector, TElement> Splits;

    public static void Execute(ref readonly MergeAttentionJob<TSimd, TVector, TElement> job, int worker, int begin, int end)
    {
        ref readonly AttentionInputs inputs = ref job.Splits.Inputs;
        int rows = inputs.HeadsPerKvHead;
        SoftmaxState total = SoftmaxState.At((float*)(job.Splits.Scratch + worker * job.Splits.ScratchStride), rows);
        for (int item = begin; item < end; item++)
        {
            int sequence = item / inputs.KvHeads;
            if (inputs.Tiles(sequence) == 0)
            {
                continue;
            }

            AttentionTile<TSimd, TVector, TElement>.Reset(total, rows, inputs.HeadStep);
            for (int split = 0; split < job.Splits.Splits; split++)
            {
                AttentionTile<TSimd, TVector, TElement>.Merge(job.Splits.State(item, split), total, rows, inputs.HeadStep);
            }

            AttentionTile<TSimd, TVector, TElement>.Write(
                in inputs, inputs.QueryStarts[sequence], item % inputs.KvHeads, rows, total);
        }
    }
}
