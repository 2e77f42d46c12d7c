using System;
using System.Collections.Generic;

namespace Quire.Tensors;

/// <summary>The shape of a paged KV cache: what one token needs, times blocks.</summary>
/// <param name="Layers">Layers that a block has memory for: those of the model, or of one group of them.</param>
/// <param name="KvHeads">Key-value heads of one layer.</param>
/// <param name="HeadDim">Elements of one head.</param>
/// <param name="BlockSize">Tokens in one block.</param>
/// <param name="Blocks">Physical blocks, the null block 0 included.</param>
/// <param name="Type">Element type of keys and values.</param>
public sealed record KvCacheShape(int Layers, int KvHeads, int HeadDim, int BlockSize, int Blocks, DType Type)
{
    /// <summary>True for I8: a scale, F32, is kept for every token and head, of keys and of values.</summary>
    public bool HasScales => Type == DType.I8;

    /// <summary>True where elements are codes that stand for a number only together with a scale: I8 and FP8.</summary>
    public bool IsQuantized => Type is DType.I8 or DType.F8E4M3 or DType.F8E5M2;

    /// <summary>
    /// Bytes of one block over all layers, keys and values: 2 · layers · kvHeads · blockSize · (headDim · element size, and 4 for a scale).
    /// </summary>
    public long BytesPerBlock => 2L * Layers * KvHeads * BlockSize * ((long)HeadDim * Type.SizeInBytes() + (HasScales ? sizeof(float) : 0));

    /// <summary>Bytes of the elements of one layer's keys, or of its values.</summary>
    public long ElementBytesPerSide => checked((long)Blocks * KvHeads * BlockSize * HeadDim * Type.SizeInBytes());

    /// <summary>Bytes of the scales of one layer's keys, or of its values; 0 without scales.</summary>
    public long ScaleBytesPerSide => HasScales ? checked((long)Blocks * KvHeads * BlockSize * sizeof(float)) : 0;

    /// <summary>Bytes of the whole cache.</summary>
    public long SizeInBytes => checked(BytesPerBlock * Blocks);
}

/// <summary>
/// Keys and values of one layer, both laid out [blocks, kvHeads, blockSize, headDim], so that the part of a block that belongs to one
/// head is contiguous. Token slot s lies in block s / blockSize at position s % blockSize. FP8 elements stand for element · scale of the
/// layer; I8 elements for element · scale of their token and head.
/// </summary>
public readonly struct KvCacheLayer(nint keys, nint values, KvCacheShape shape)
{
    public nint Keys { get; } = keys;

    public nint Values { get; } = values;

    public KvCacheShape Shape { get; } = shape;

    /// <summary>[blocks, kvHeads, blockSize] F32, the scales of I8 keys; 0 for other types.</summary>
    public nint KeyScales { get; init; }

    /// <summary>The same for values.</summary>
    public nint ValueScales { get; init; }

    /// <summary>What FP8 keys are multiplied with; 1 for other types.</summary>
    public float KeyScale { get; init; } = 1;

    /// <summary>The same for values.</summary>
    public float ValueScale { get; init; } = 1;

    /// <summary>Elements from the start of one block to the start of the next.</summary>
    public long BlockStride => (long)Shape.KvHeads * Shape.BlockSize * Shape.HeadDim;

    /// <summary>Elements from one head of a block to the next head.</summary>
    public int HeadStride => Shape.BlockSize * Shape.HeadDim;

    /// <summary>Scales from the start of one block to the start of the next.</summary>
    public long ScaleBlockStride => (long)Shape.KvHeads * Shape.BlockSize;

    /// <summary>Allocates a layer in host memory.</summary>
    public static KvCacheLayer Allocate(KvCacheShape shape, HostMemory memory)
    {
        ArgumentNullException.ThrowIfNull(shape);
        ArgumentNullException.ThrowIfNull(memory);
        return new KvCacheLayer(memory.AllocateBytes(shape.ElementBytesPerSide), memory.AllocateBytes(shape.ElementBytesPerSide), shape)
        {
            KeyScales = shape.HasScales ? memory.AllocateBytes(shape.ScaleBytesPerSide) : 0,
            ValueScales = shape.HasScales ? memory.AllocateBytes(shape.ScaleBytesPerSide) : 0,
        };
    }
}

/// <summary>What the FP8 keys and values of a layer are multiplied with.</summary>
public readonly record struct KvScales(float Key, float Value);

/// <summary>
/// The paged KV cache of a model, over memory that a backend allocated: one <see cref="KvCacheLayer"/> for each layer that a block has memory for, or,
/// after <see cref="SharedBy"/>, one for each layer of the model.
/// </summary>
public sealed class KvCache(KvCacheShape shape, IReadOnlyList<KvCacheLayer> layers)
{
    public KvCacheShape Shape { get; } = shape;

    public IReadOnlyList<KvCacheLayer> Layers { get; } = layers;

    /// <summary>
    /// The same memory as the layers of a model see it: layer i keeps its keys and values where layer places[i] of this cache has them. Layers
    /// of one place never have the same block.
    /// </summary>
    public KvCache SharedBy(IReadOnlyList<int> places)
    {
        ArgumentNullException.ThrowIfNull(places);
        var layers = new KvCacheLayer[places.Count];
        for (int i = 0; i < layers.Length; i++)
        {
            layers[i] = Layers[places[i]];
        }

        return new KvCache(Shape, layers);
    }

    /// <summary>The same memory with the scales of FP8 keys and values, one entry a layer; for other types nothing changes.</summary>
    public KvCache WithScales(IReadOnlyList<KvScales> scales)
    {
        ArgumentNullException.ThrowIfNull(scales);
        if (!Shape.IsQuantized || Shape.HasScales)
        {
            return this;
        }

        var scaled = new KvCacheLayer[Layers.Count];
        for (int i = 0; i < scaled.Length; i++)
        {
            scaled[i] = Layers[i] with { KeyScale = scales[i].Key, ValueScale = scales[i].Value };
        }

        return new KvCache(Shape, scaled);
    }
}
