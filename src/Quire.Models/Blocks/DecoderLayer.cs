using Quire.Tensors;

namespace Quire.Models.Blocks;

/// <summary>Attention and feed-forward, each joined to the residual stream, with norms before, after, or both.</summary>
internal sealed class DecoderLayer
{
    public Norm? AttentionNorm { get; init; }

    public required Attention Attention { get; init; }

    public Norm? AfterAttentionNorm { get; init; }

    public Norm? FeedForwardNorm { get; init; }

    public required IFeedForward FeedForward { get; init; }

    public Norm? AfterFeedForwardNorm { get; init; }

    /// <summary>Whether the norms after a block are for the stream that its output has joined, instead of for the output.</summary>
    public bool NormsStream { get; init; }

    public void Forward(ref ResidualStream stream, ForwardContext context, in KvCacheLayer cache, in KvGroupBatch batch, DecoderWorkspace workspace)
    {
        Attention.Forward(stream.Enter(AttentionNorm), context, cache, batch, workspace, stream.Branch);
        Leave(ref stream, AfterAttentionNorm);
        FeedForward.Forward(stream.Enter(FeedForwardNorm), context, workspace, stream.Branch);
        Leave(ref stream, AfterFeedForwardNorm);
    }

    private void Leave(ref ResidualStream stream, Norm? norm)
    {
        if (NormsStream)
        {
            stream.LeaveAndNorm(norm!);
        }
        else
        {
            stream.Leave(norm);
        }
    }
}
