using Quire.Tensors;

namespace Quire.Models.Blocks;

/// <summary>The block of a layer that treats each token by itself.</summary>
internal interface IFeedForward
{
    /// <summary>y = feedForward(x). x and y [tokens, hidden] may be the same.</summary>
    void Forward(Tensor x, ForwardContext context, DecoderWorkspace workspace, Tensor y);
}

/// <summary>A dense feed-forward block: gated (down(act(gate x) · up x)) or plain (down(act(up x))).</summary>
internal sealed class FeedForward(ITensorOps ops, FeedForwardSpec spec, Linear input, Linear output) : IFeedForward
{
    public void Forward(Tensor x, ForwardContext context, DecoderWorkspace workspace, Tensor y)
    {
        Tensor projected = workspace.FeedForwardInput(x.Rows, spec);
        input.Forward(x, context, projected);
        Tensor inner = projected;
        if (spec.Gated)
        {
            inner = workspace.FeedForwardInner(x.Rows, spec);
            ops.GatedActivation(spec.Activation, projected, inner);
        }
        else
        {
            ops.Activate(spec.Activation, inner);
        }

        output.Forward(inner, context, y);
        ops.Release(inner);
    }
}
