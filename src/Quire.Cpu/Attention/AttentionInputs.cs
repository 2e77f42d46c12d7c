using Quire.Cpu.Kernels;
using Quire.Tensors;

namespace Quire.Cpu.Attention;

/// <summary>Everything that the attention kernels read, as plain addresses and numbers.</summary>
internal unsafe struct AttentionInputs(Tensor q, in KvCacheLayer cache, in AttentionBatch batch, in AttentionSpec spec, Tensor y)
{
    public readonly FloatRows Q = new(q);
    public readonly FloatRows Y = new(y);
    public readonly byte* Keys = (byte*)cache.Keys;
    public readonly byte* Values = (byte*)cache.Values;
    public readonly nint BlockStride = (nint)cache.BlockStride;
    public readonly nint HeadStride = cache.HeadStride;
    public readonly int BlockSize = cache.Shape.BlockSize;

    /// <summary>Whether keys and values are codes to be expanded, their type and bytes, and their scales.</summary>
    public readonly bool IsQuantized = cache.Shape.IsQuantized;
    public readonly DType Type = cache.Shape.Type;
    public readonly int ElementSize = cache.Shape.Type.SizeInBytes();
    public readonly float* KeyScales = (float*)cache.KeyScales;
    public readonly float* ValueScales = (float*)cache.ValueScales;
    public readonly float KeyScale = cache.KeyScale;
    public readonly float ValueScale = cache.ValueScale;
    public readonly int HeadDim = spec.HeadDim;

    /// <summary>Elements from one head vector in scratch memory to the next: the head size, rounded up to whole blocks.</summary>
    public readonly int HeadStep = (spec.HeadDim + 31) / 32 * 32;
    public readonly int KvHeads = spec.KvHeads;
    public readonly int HeadsPerKvHead = spec.Heads / spec.KvHeads;
    public readonly float Scale = spec.Scale;
    public readonly int Window = spec.SlidingWindow;
    public readonly float SoftCap = spec.LogitSoftCap;
    public readonly int Sequences = batch.Sequences;
    public readonly int* QueryStarts = (int*)batch.QueryStarts.Data;
    public readonly int* ContextLengths = (int*)batch.ContextLengths.Data;
    public readonly int* BlockTables = (int*)batch.BlockTables.Data;
    public readonly nint TableStride = batch.BlockTables.Stride;

    /// <summary>Queries of one sequence that are treated together.</summary>
    public int TileQueries;

    /// <summary>Tiles of queries of a sequence.</summary>
    public readonly int Tiles(int sequence) => (QueryStarts[sequence + 1] - QueryStarts[sequence] + TileQueries - 1) / TileQueries;
}

/// <summary>
/// The running softmax of some rows: for each the largest score, the sum of the exponentials and the weighted values, both relative to
/// that largest score.
/// </summary>
internal unsafe struct SoftmaxState
{
    public float* Largest;
    public float* Sum;

    /// <summary>[rows, headStep], elements in the block order of the cache's type.</summary>
    public float* Values;

    /// <summary>Floats that a state of so many rows occupies: whole cache lines.</summary>
    public static long Size(int rows, int headStep) => 2L * Padded(rows) + (long)rows * headStep;

    public static SoftmaxState At(float* memory, int rows) => new()
    {
        Largest = memory,
        Sum = memory + Padded(rows),
        Values = memory + 2 * Padded(rows),
    };

    private static int Padded(int rows) => (rows + 15) / 16 * 16;
}
