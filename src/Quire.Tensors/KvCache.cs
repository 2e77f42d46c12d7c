using System.Collections.Generic;

namespace Quire.Tensors;

/// <summary>The shape of a paged KV cache: what one token needs, times blocks.</summary>
/// <param name="Layers">Layers that keep keys and values.</param>
/// <param name="KvHeads">Key-value heads of one layer.</param>
/// <param name="HeadDim">Elements of one head.</param>
/// <param name="BlockSize">Tokens in one block.</param>
/// <param name="Blocks">Physical blocks, the null block 0 included.</param>
/// <param name="Type">Element type of keys and values.</param>
public sealed record KvCacheShape(int Layers, int KvHeads, int HeadDim, int BlockSize, int Blocks, DType Type)
{
    /// <summary>Bytes of one block over all layers, keys and values: 2 · layers · kvHeads · headDim · blockSize · element size.</summary>
    public long BytesPerBlock => 2L * Layers * KvHeads * HeadDim * BlockSize * Type.SizeInBytes();

    /// <summary>Bytes of the whole cache.</summary>
    public long SizeInBytes => checked(BytesPerBlock * Blocks);
}

/// <summary>
/// Keys and values of one layer, both laid out [blocks, kvHeads, blockSize, headDim], so that the part of a block that belongs to one
/// head is contiguous. Token slot s lies in block s / blockSize at position s % blockSize.
/// </summary>
public readonly struct KvCacheLayer(nint keys, nint values, KvCacheShape shape)
{
    public nint Keys { get; } = keys;

    public nint Values { get; } = values;

    public KvCacheShape Shape { get; } = shape;

    /// <summary>Elements from the start of one block to the start of the next.</summary>
    public long BlockStride => (long)Shape.KvHeads * Shape.BlockSize * Shape.HeadDim;

    /// <summary>Elements from one head of a block to the next head.</summary>
    public int HeadStride => Shape.BlockSize * Shape.HeadDim;
}

/// <summary>The paged KV cache of a model: one <see cref="KvCacheLayer"/> a layer, over memory that a backend allocated.</summary>
public sealed class KvCache(KvCacheShape shape, IReadOnlyList<KvCacheLayer> layers)
{
    public KvCacheShape Shape { get; } = shape;

    public IReadOnlyList<KvCacheLayer> Layers { get; } = layers;
}
