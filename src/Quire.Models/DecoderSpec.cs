using System.Collections.Generic;
using Quire.Models.Rope;
using Quire.Tensors;

namespace Quire.Models;

/// <summary>
/// What makes one decoder-only transformer different from another, as data: made from config.json by an architecture, carried out by
/// <see cref="DecoderModel"/>, which knows no architecture.
/// </summary>
public sealed record DecoderSpec
{
    /// <summary>Class name of the checkpoint, such as LlamaForCausalLM; for display.</summary>
    public required string Architecture { get; init; }

    /// <summary>Rows of the embedding and of the output head.</summary>
    public required int VocabularySize { get; init; }

    /// <summary>Elements of the residual stream of one token.</summary>
    public required int HiddenSize { get; init; }

    /// <summary>Elements of a token's embedding where they are not those of the stream: projected in, and out again before the head. Null is HiddenSize.</summary>
    public int? EmbeddingSize { get; init; }

    /// <summary>Columns of the embedding and of the output head.</summary>
    public int EmbeddingColumns => EmbeddingSize ?? HiddenSize;

    public required SelfAttentionSpec Attention { get; init; }

    public required NormSpec Norm { get; init; }

    public NormPlacement NormPlacement { get; init; }

    /// <summary>Whether a norm stands behind the last layer.</summary>
    public bool FinalNorm { get; init; } = true;

    /// <summary>What differs between layers, in order.</summary>
    public required IReadOnlyList<LayerSpec> Layers { get; init; }

    /// <summary>Longest sequence that the checkpoint was made for.</summary>
    public required int MaxPositions { get; init; }

    /// <summary>A learned vector per position that is added to the embedding; null where positions are rotary.</summary>
    public LearnedPositions? LearnedPositions { get; init; }

    /// <summary>Factor on the token embedding.</summary>
    public float EmbeddingScale { get; init; } = 1;

    /// <summary>Factor on the output of every attention and feed-forward block before it joins the residual stream.</summary>
    public float ResidualScale { get; init; } = 1;

    /// <summary>Factor on the logits.</summary>
    public float LogitScale { get; init; } = 1;

    /// <summary>0, or c in c · tanh(logit / c).</summary>
    public float LogitSoftCap { get; init; }

    /// <summary>True when the output head is the embedding matrix.</summary>
    public bool TiedEmbeddings { get; init; }
}

/// <summary>The shape of self-attention, the same in every layer.</summary>
public sealed record SelfAttentionSpec
{
    public required int Heads { get; init; }

    /// <summary>Key-value heads: = Heads for multi-head, 1 for multi-query, between for grouped-query attention.</summary>
    public required int KvHeads { get; init; }

    public required int HeadDim { get; init; }

    /// <summary>Factor on q·k, usually 1 / √HeadDim.</summary>
    public required float Scale { get; init; }

    /// <summary>0, or c in c · tanh(score / c).</summary>
    public float LogitSoftCap { get; init; }

    public bool QkvBias { get; init; }

    public bool OutputBias { get; init; }

    public QueryKeyNorm QueryKeyNorm { get; init; }

    /// <summary>Columns of the fused projection: queries, then keys, then values.</summary>
    public int QkvSize => QuerySize + 2 * KvSize;

    /// <summary>Columns of all queries of a token.</summary>
    public int QuerySize => Heads * HeadDim;

    /// <summary>Columns of all keys, and of all values, of a token.</summary>
    public int KvSize => KvHeads * HeadDim;
}

/// <summary>One decoder layer.</summary>
public sealed record LayerSpec
{
    /// <summary>0, or how many positions a query sees, its own included.</summary>
    public int SlidingWindow { get; init; }

    /// <summary>Factor on this layer's attention scores, besides the scale that all share.</summary>
    public float ScoreFactor { get; init; } = 1;

    /// <summary>Rotary embedding of queries and keys, or null. Layers with equal ones share a table.</summary>
    public RopeSpec? Rope { get; init; }

    public required FeedForwardSpec FeedForward { get; init; }
}

/// <summary>A feed-forward block: dense, or a mixture of experts that each have its shape.</summary>
public sealed record FeedForwardSpec
{
    public required int InnerSize { get; init; }

    /// <summary>Null for a dense block.</summary>
    public ExpertSpec? Experts { get; init; }

    public Activation Activation { get; init; } = Activation.Silu;

    /// <summary>True: down(activation(gate x) · up x). False: down(activation(up x)).</summary>
    public bool Gated { get; init; } = true;

    public bool Bias { get; init; }

    /// <summary>Columns of the fused input projection.</summary>
    public int InputSize => Gated ? 2 * InnerSize : InnerSize;
}

/// <summary>
/// A mixture of experts: a router picks for every token the <paramref name="PerToken"/> experts of the largest softmax, whose outputs are
/// added with these weights.
/// </summary>
/// <param name="Count">Experts of the layer.</param>
/// <param name="PerToken">Experts that compute a token.</param>
/// <param name="Normalised">Whether the weights of the picked experts are divided by their sum.</param>
public sealed record ExpertSpec(int Count, int PerToken, bool Normalised);

/// <summary>All norms of a model share one arithmetic.</summary>
/// <param name="Kind">Which mean is taken.</param>
/// <param name="Epsilon">Added under the root.</param>
/// <param name="WeightOffset">Added to the stored weight: 1 for Gemma.</param>
/// <param name="Bias">True when a LayerNorm adds a bias.</param>
public sealed record NormSpec(NormKind Kind, float Epsilon, float WeightOffset = 0, bool Bias = false);

public enum NormKind
{
    Rms,
    LayerNorm,
}

/// <summary>Where norms stand around the attention and the feed-forward block of a layer.</summary>
public enum NormPlacement
{
    /// <summary>h += block(norm(h)): Llama and most others.</summary>
    Before,

    /// <summary>h += norm(block(norm(h))): Gemma 2 and 3.</summary>
    BeforeAndAfter,

    /// <summary>h += norm(block(h)): OLMo 2.</summary>
    After,

    /// <summary>h = norm(h + block(h)), as in the first transformers: OPT 350M.</summary>
    AfterResidual,
}

/// <summary>Norms of queries and keys before the rotation.</summary>
public enum QueryKeyNorm
{
    None,

    /// <summary>Over each head: Qwen 3, Gemma 3.</summary>
    PerHead,

    /// <summary>Over all heads of a token together: OLMo 2.</summary>
    AllHeads,
}

/// <summary>A learned vector per position.</summary>
/// <param name="Rows">Rows of the stored matrix.</param>
/// <param name="Offset">Row of position 0.</param>
public sealed record LearnedPositions(int Rows, int Offset);
