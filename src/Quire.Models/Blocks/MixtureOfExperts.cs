using Quire.Tensors;

namespace Quire.Models.Blocks;

/// <summary>
/// A feed-forward block of many experts of which a router picks a few for every token (Shazeer et al., arXiv 1701.06538; Jiang et al.,
/// Mixtral, arXiv 2401.04088).
/// </summary>
internal sealed class MixtureOfExperts(
    ITensorOps ops, FeedForwardSpec spec, LinearWeight router, ExpertWeights inputs, ExpertWeights outputs) : IFeedForward
{
    public void Forward(Tensor x, ForwardContext context, DecoderWorkspace workspace, Tensor y)
    {
        ExpertSpec experts = spec.Experts!;
        Tensor logits = workspace.RouterLogits(x.Rows, experts);
        Tensor ids = workspace.ExpertIds(x.Rows, experts);
        Tensor weights = workspace.ExpertWeights(x.Rows, experts);
        ops.Linear(x, router, logits);
        ops.RouteExperts(logits, experts.Normalised, ids, weights);

        // From here on a row is one token with one of its experts.
        int rows = x.Rows * experts.PerToken;
        Tensor projected = workspace.ExpertInput(rows, spec);
        ops.LinearExperts(x, inputs, ids, projected);
        Tensor inner = workspace.ExpertInner(rows, spec);
        ops.GatedActivation(spec.Activation, projected, inner);
        Tensor output = workspace.ExpertOutput(rows, spec);
        ops.LinearExperts(inner, outputs, ids, output);
        ops.CombineExperts(output, weights, y);
    }
}
