using Quire.Tensors;

namespace Quire.Models;

/// <summary>Where the tokens of a step lie in the blocks of one group of layers.</summary>
public struct KvGroupBatch
{
    /// <summary>[1, tokens]: cache slot (block · blockSize + offset) of each token; negative for a token that is not stored.</summary>
    public Tensor Slots { get; set; }

    /// <summary>Which tokens belong to which sequence, and its blocks.</summary>
    public AttentionBatch Attention { get; set; }
}

/// <summary>
/// Everything that one step of a model needs besides its weights. Mutable and reused: the engine makes one and refills it every step.
/// All tensors are I32 in device memory.
/// </summary>
public sealed class ForwardContext
{
    private readonly KvGroupBatch[] _groups;
    private readonly int[]? _groupOf;

    /// <param name="layout">Which layers share a block table; null is all.</param>
    public ForwardContext(KvCacheLayout? layout = null)
    {
        _groups = new KvGroupBatch[layout?.Windows.Count ?? 1];
        _groupOf = layout?.Groups;
    }

    /// <summary>[1, tokens]: token ids, sequence after sequence. May be no more than <see cref="ModelOptions.MaxBatchedTokens"/>.</summary>
    public Tensor TokenIds { get; set; }

    /// <summary>[1, tokens]: position of each token in its sequence.</summary>
    public Tensor Positions { get; set; }

    /// <summary>The slots of the first group of layers; of all layers where they are one group.</summary>
    public Tensor Slots
    {
        get => _groups[0].Slots;
        set => _groups[0].Slots = value;
    }

    /// <summary>The sequences and their blocks in the first group of layers; in all layers where they are one group.</summary>
    public AttentionBatch Attention
    {
        get => _groups[0].Attention;
        set => _groups[0].Attention = value;
    }

    /// <summary>
    /// [1, rows]: the tokens (numbers of rows of this step) that logits are wanted for: the last of each sequence that samples.
    /// No more than <see cref="ModelOptions.MaxLogitRows"/>; wanted for more (prompt log-probabilities), call
    /// <see cref="DecoderModel.RunLayers"/> once and <see cref="DecoderModel.ComputeLogits"/> in pieces.
    /// </summary>
    public Tensor LogitRows { get; set; }

    /// <summary>Which tokens have an adapter, and which; the default has none. Only for a model with <see cref="DecoderModel.Lora"/>.</summary>
    public LoraBatch Lora { get; set; }

    /// <summary>The cache with an entry for each layer of the model: of the shape that <see cref="DecoderModel.KvCacheShape"/> gives.</summary>
    public required KvCache KvCache { get; set; }

    /// <summary>Tokens of the step.</summary>
    public int Tokens => TokenIds.Columns;

    /// <summary>Groups of layers with block tables of their own.</summary>
    public int GroupCount => _groups.Length;

    /// <summary>The slots and sequences of a group, to be set.</summary>
    public ref KvGroupBatch Group(int group) => ref _groups[group];

    /// <summary>The slots and sequences that a layer computes with.</summary>
    public ref readonly KvGroupBatch OfLayer(int layer) => ref _groups[_groupOf is null ? 0 : _groupOf[layer]];
}
