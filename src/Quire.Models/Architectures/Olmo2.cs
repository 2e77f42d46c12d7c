using Quire.Models.Config;

namespace Quire.Models.Architectures;

/// <summary>Olmo2ForCausalLM: norms after the blocks instead of before, and over all queries and all keys (arXiv 2501.00656).</summary>
internal static class Olmo2
{
    public static ModelDefinition Define(HfConfig config)
    {
        ConfigSection text = config.Text;
        bool bias = text.Boolean("attention_bias", false);
        SelfAttentionSpec attention = CommonConfig.Attention(text) with
        {
            QkvBias = bias,
            OutputBias = bias,
            QueryKeyNorm = QueryKeyNorm.AllHeads,
        };
        DecoderSpec spec = Llama.Spec("Olmo2ForCausalLM", text, attention, defaultEpsilon: 1e-5) with { NormPlacement = NormPlacement.After };
        return new ModelDefinition(spec, new DecoderNames());
    }
}
