namespace Quire.Tensors;

/// <summary>
/// Which tokens of a step belong to which sequence, and where the keys and values of each lie. Sequence s owns the query rows
/// [queryStarts[s], queryStarts[s + 1]); its last query stands at position contextLengths[s] − 1, so query i of n sees the positions
/// 0 … contextLength − n + i.
/// </summary>
public readonly struct AttentionBatch
{
    /// <summary>Sequences in the step.</summary>
    public int Sequences { get; init; }

    /// <summary>[1, sequences + 1] I32: first query row of each sequence, then the row count.</summary>
    public Tensor QueryStarts { get; init; }

    /// <summary>[1, sequences] I32: tokens of each sequence in the cache once this step has stored its own.</summary>
    public Tensor ContextLengths { get; init; }

    /// <summary>[sequences, blocks] I32: block ids of each sequence; entries past its context are not read.</summary>
    public Tensor BlockTables { get; init; }

    /// <summary>Most query rows of any sequence in the step; 1 in a pure decode step.</summary>
    public int MaxQueryLength { get; init; }

    /// <summary>Longest context of any sequence in the step.</summary>
    public int MaxContextLength { get; init; }
}

/// <summary>The arithmetic of one attention layer.</summary>
/// <param name="Heads">Query heads; head h uses key-value head h / (heads / kvHeads).</param>
/// <param name="KvHeads">Key-value heads.</param>
/// <param name="HeadDim">Elements of one head.</param>
/// <param name="Scale">Factor on q·k, usually 1 / √headDim.</param>
/// <param name="SlidingWindow">0, or how many positions a query sees, its own included.</param>
/// <param name="LogitSoftCap">0, or c in s = c · tanh(s / c), applied before the mask.</param>
public readonly record struct AttentionSpec(int Heads, int KvHeads, int HeadDim, float Scale, int SlidingWindow = 0, float LogitSoftCap = 0);

/// <summary>
/// Rotary position embedding as a table (Su et al., RoFormer, arXiv 2104.09864): cosines and sines of position · frequency, already
/// multiplied by the attention factor of the scaled variants.
/// </summary>
/// <param name="Cosines">[positions, rotaryDim / 2] F32.</param>
/// <param name="Sines">[positions, rotaryDim / 2] F32.</param>
/// <param name="RotaryDim">How many leading elements of each head are rotated; the rest pass through.</param>
/// <param name="Interleaved">False pairs element j with j + rotaryDim / 2 (NeoX); true pairs 2j with 2j + 1 (GPT-J).</param>
public readonly record struct RopeTable(Tensor Cosines, Tensor Sines, int RotaryDim, bool Interleaved = false);

/// <summary>Element-wise activations of feed-forward layers.</summary>
public enum Activation
{
    /// <summary>x · sigmoid(x).</summary>
    Silu,

    /// <summary>0.5 x (1 + tanh(√(2/π) (x + 0.044715 x³))).</summary>
    GeluTanh,

    /// <summary>0.5 x (1 + erf(x / √2)).</summary>
    GeluErf,

    /// <summary>max(x, 0).</summary>
    Relu,
}
