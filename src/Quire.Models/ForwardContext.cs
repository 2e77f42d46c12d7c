using Quire.Tensors;

namespace Quire.Models;

/// <summary>
/// Everything that one step of a model needs besides its weights. Mutable and reused: the engine makes one and refills it every step.
/// All tensors are I32 in device memory.
/// </summary>
public sealed class ForwardContext
{
    /// <summary>[1, tokens]: token ids, sequence after sequence. May be no more than <see cref="ModelOptions.MaxBatchedTokens"/>.</summary>
    public Tensor TokenIds { get; set; }

    /// <summary>[1, tokens]: position of each token in its sequence.</summary>
    public Tensor Positions { get; set; }

    /// <summary>[1, tokens]: cache slot (block · blockSize + offset) of each token; negative for a token that is not stored.</summary>
    public Tensor Slots { get; set; }

    /// <summary>Which tokens belong to which sequence, and its blocks.</summary>
    public AttentionBatch Attention { get; set; }

    /// <summary>
    /// [1, rows]: the tokens (numbers of rows of this step) that logits are wanted for: the last of each sequence that samples.
    /// No more than <see cref="ModelOptions.MaxLogitRows"/>; wanted for more (prompt log-probabilities), call
    /// <see cref="DecoderModel.RunLayers"/> once and <see cref="DecoderModel.ComputeLogits"/> in pieces.
    /// </summary>
    public Tensor LogitRows { get; set; }

    /// <summary>Which tokens have an adapter, and which; the default has none. Only for a model with <see cref="DecoderModel.Lora"/>.</summary>
    public LoraBatch Lora { get; set; }

    /// <summary>The cache, of the shape that <see cref="DecoderModel.KvCacheShape"/> gives.</summary>
    public required KvCache KvCache { get; set; }

    /// <summary>Tokens of the step.</summary>
    public int Tokens => TokenIds.Columns;
}
