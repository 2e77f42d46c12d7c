using System.Collections.Generic;
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
        return new ModelDefinition(Spec("LlamaForCausalLM", text, attention), new DecoderNames());
    }

    /// <summary>A decoder of Llama's shape, from which other families differ in a few values.</summary>
    /// <param name="architecture">Class name.</param>
    /// <param name="text">The language model's configuration.</param>
    /// <param name="attention">Its attention.</param>
    /// <param name="slidingWindows">One window a layer, or null for full attention.</param>
    /// <param name="defaultEpsilon">The family's rms_norm_eps.</param>
    /// <param name="defaultTheta">The family's rope_theta.</param>
    /// <param name="defaultPositions">The family's max_position_embeddings.</param>
    public static DecoderSpec Spec(
        string architecture,
        ConfigSection text,
        SelfAttentionSpec attention,
        IReadOnlyList<int>? slidingWindows = null,
        double defaultEpsilon = 1e-6,
        double defaultTheta = 10_000,
        int defaultPositions = DefaultPositions)
    {
        var feedForward = new FeedForwardSpec
        {
            InnerSize = CommonConfig.InnerSize(text),
            Activation = CommonConfig.Activation(text, "hidden_act", Activation.Silu),
            Bias = text.Boolean("mlp_bias", false),
        };
        RopeSpec rope = RopeReader.Read(text, attention.HeadDim, defaultTheta);
        var layers = new LayerSpec[CommonConfig.LayerCount(text)];
        for (int i = 0; i < layers.Length; i++)
        {
            layers[i] = new LayerSpec { Rope = rope, FeedForward = feedForward, SlidingWindow = slidingWindows?[i] ?? 0 };
        }

        return new DecoderSpec
        {
            Architecture = architecture,
            VocabularySize = CommonConfig.VocabularySize(text),
            HiddenSize = CommonConfig.HiddenSize(text),
            Attention = attention,
            Norm = CommonConfig.RmsNorm(text, defaultEpsilon),
            Layers = layers,
            MaxPositions = CommonConfig.Positions(text, defaultPositions),
            TiedEmbeddings = text.Boolean("tie_word_embeddings", false),
        };
    }
}
