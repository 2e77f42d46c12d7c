namespace Quire.Engine.Sampling;

/// <summary>
/// What is reported for one position: the sampled (or prompt) token first, then the best tokens in falling order without repeating it.
/// The three arrays run in parallel.
/// </summary>
public sealed class SampledLogprobs
{
    internal SampledLogprobs(int[] tokenIds, float[] values, int[] ranks)
    {
        TokenIds = tokenIds;
        Values = values;
        Ranks = ranks;
    }

    /// <summary>Entries, at least 1.</summary>
    public int Count => TokenIds.Length;

    /// <summary>Token ids; the sampled one first.</summary>
    public int[] TokenIds { get; }

    /// <summary>Log-probabilities, or logits in the modes of that name; dropped tokens are −∞.</summary>
    public float[] Values { get; }

    /// <summary>
    /// 1 is the best. The first entry's rank is the number of tokens at or above its value, unless it is among the best tokens asked for:
    /// then it is its place among them. The two differ only in ties.
    /// </summary>
    public int[] Ranks { get; }

    /// <summary>The value of the sampled token.</summary>
    public float SampledValue => Values[0];
}
