using Quire.Models.Config;
using Quire.Models.Rope;
using Quire.Tensors;

namespace Quire.Models.Architectures;

/// <summary>
/// LlamaForCausalLM: Llama 1 to 3.3 and the many models of the same shape (Touvron et al., arXiv 2302.13971; Llama 3, arXiv 2407.21783).
/// </summary>
internal static class Llama
{
    private const int DefaultPositions = 2048;

    public static ModelDefinition Define(HfConfig config)
    {
        ConfigSection text = config.Text;
        bool attentionBias = text.Boolean("attention_bias", false);
        SelfAttentionSpec attention = CommonConfig.Attention(text) with { QkvBias = attentionBias, OutputBias = attentionBias };
        var feedForward = new FeedForwardSpec
        {
            InnerSize = CommonConfig.InnerSize(text),
            Activation = CommonConfig.Activation(text, Activation.Silu),
            Bias = text.Boolean("mlp_bias", false),
        };
        RopeSpec rope = RopeReader.Read(text, attention.HeadDim, 10_000);
        var spec = new DecoderSpec
        {
            Architecture = "LlamaForCausalLM",
            VocabularySize = CommonConfig.VocabularySize(text),
            HiddenSize = CommonConfig.HiddenSize(text),
            Attention = attention,
            Norm = CommonConfig.RmsNorm(text, 1e-6),
            Layers = CommonConfig.SameLayers(text, rope, feedForward),
            MaxPositions = CommonConfig.Positions(text, DefaultPositions),
            TiedEmbeddings = text.Boolean("tie_word_embeddings", false),
        };
        return new ModelDefinition(spec, new DecoderNames());
    }
}
