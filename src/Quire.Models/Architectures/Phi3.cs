using Quire.Models.Config;

namespace Quire.Models.Architectures;

/// <summary>Phi3ForCausalLM: Llama's shape with fused projections in the checkpoint (arXiv 2404.14219); Phi-4-mini too.</summary>
internal static class Phi3
{
    public static ModelDefinition Define(HfConfig config)
    {
        const int DefaultPositions = 4096;
        ConfigSection text = config.Text;
        var windows = CommonConfig.Windows(text, CommonConfig.Window(text, 0), static _ => true);
        return new ModelDefinition(
            Llama.Spec("Phi3ForCausalLM", text, CommonConfig.Attention(text), windows, defaultEpsilon: 1e-5, defaultPositions: DefaultPositions),
            new DecoderNames { Qkv = ["self_attn.qkv_proj"], FeedForwardInput = ["mlp.gate_up_proj"] });
    }
}
