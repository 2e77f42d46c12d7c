using System.Collections.Generic;
using Quire.Models.Config;

namespace Quire.Models.Architectures;

/// <summary>MixtralForCausalLM: Mistral's shape with a mixture of experts in every layer (Jiang et al., arXiv 2401.04088).</summary>
internal static class Mixtral
{
    private const double DefaultEpsilon = 1e-5;
    private const double DefaultTheta = 1_000_000;
    private const int DefaultPositions = 131_072;
    private const int DefaultKvHeads = 8;
    private const int DefaultExperts = 8;
    private const int DefaultPerToken = 2;

    private static readonly DecoderNames Names = new()
    {
        Router = "block_sparse_moe.gate",
        ExpertPrefix = "block_sparse_moe.experts.{0}.",
        ExpertInput = ["w1", "w3"],
        ExpertOutput = "w2",
    };

    public static ModelDefinition Define(HfConfig config)
    {
        ConfigSection text = config.Text;
        IReadOnlyList<int> windows = CommonConfig.Windows(text, CommonConfig.Window(text, 0), static _ => true);
        DecoderSpec spec = Llama.Spec(
            "MixtralForCausalLM", text, CommonConfig.Attention(text, defaultKvHeads: DefaultKvHeads), windows, DefaultEpsilon, DefaultTheta, DefaultPositions);
        ExpertSpec experts = CommonConfig.Experts(text, DefaultExperts, DefaultPerToken, normalised: true);
        return new ModelDefinition(CommonConfig.WithFeedForward(spec, (_, dense) => dense with { Experts = experts }), Names);
    }
}
