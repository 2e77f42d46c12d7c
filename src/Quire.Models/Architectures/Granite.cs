using Quire.Models.Config;

namespace Quire.Models.Architectures;

/// <summary>GraniteForCausalLM: Llama's shape with multipliers on embeddings, attention scores, residuals and logits.</summary>
internal static class Granite
{
    private const double Smallest = 1e-6;
    private const double Largest = 1e6;

    public static ModelDefinition Define(HfConfig config)
    {
        ConfigSection text = config.Text;
        bool bias = text.Boolean("attention_bias", false);
        SelfAttentionSpec attention = CommonConfig.Attention(text) with
        {
            QkvBias = bias,
            OutputBias = bias,
            Scale = (float)text.Double("attention_multiplier", Smallest, Largest, 1),
        };
        DecoderSpec spec = Llama.Spec("GraniteForCausalLM", text, attention) with
        {
            EmbeddingScale = (float)text.Double("embedding_multiplier", Smallest, Largest, 1),
            ResidualScale = (float)text.Double("residual_multiplier", Smallest, Largest, 1),
            LogitScale = (float)(1 / text.Double("logits_scaling", Smallest, Largest, 1)),
        };
        return new ModelDefinition(spec, new DecoderNames());
    }
}
