using Quire.Models.Config;
using Quire.Tensors;

namespace Quire.Models.Architectures;

/// <summary>
/// OPTForCausalLM: learned positions, LayerNorm, a feed-forward block without gate, biases everywhere (arXiv 2205.01068). The 350M model
/// norms after the blocks and has narrower embeddings.
/// </summary>
internal static class Opt
{
    /// <summary>The first rows of the position table are never used.</summary>
    private const int PositionOffset = 2;

    private const float Epsilon = 1e-5f;
    private const int DefaultPositions = 2048;

    private static readonly DecoderNames Names = new()
    {
        OtherBeginnings = [("model.", "")],
        Embedding = "model.decoder.embed_tokens",
        PositionEmbedding = "model.decoder.embed_positions",
        LayerPrefix = "model.decoder.layers.{0}.",
        AttentionNorm = "self_attn_layer_norm",
        AttentionOutput = "self_attn.out_proj",
        AfterAttentionNorm = "self_attn_layer_norm",
        FeedForwardNorm = "final_layer_norm",
        AfterFeedForwardNorm = "final_layer_norm",
        FeedForwardInput = ["fc1"],
        FeedForwardOutput = "fc2",
        FinalNorm = "model.decoder.final_layer_norm",
    };

    public static ModelDefinition Define(HfConfig config)
    {
        ConfigSection text = config.Text;
        int hidden = CommonConfig.HiddenSize(text);
        Require(text, "layer_norm_elementwise_affine", true);
        bool before = text.Boolean("do_layer_norm_before", true);
        int embedding = text.Int32("word_embed_proj_dim", 1, CommonConfig.MaxWidth, hidden);
        bool bias = text.Boolean("enable_bias", true);
        int positions = CommonConfig.Positions(text, DefaultPositions);
        var feedForward = new FeedForwardSpec
        {
            InnerSize = CommonConfig.InnerSize(text, "ffn_dim"),
            Activation = CommonConfig.Activation(text, "activation_function", Activation.Relu),
            Gated = false,
            Bias = bias,
        };
        var spec = new DecoderSpec
        {
            Architecture = "OPTForCausalLM",
            VocabularySize = CommonConfig.VocabularySize(text),
            HiddenSize = hidden,
            EmbeddingSize = embedding == hidden ? null : embedding,
            Attention = CommonConfig.Attention(text) with { QkvBias = bias, OutputBias = bias },
            Norm = new NormSpec(NormKind.LayerNorm, Epsilon, Bias: true),
            NormPlacement = before ? NormPlacement.Before : NormPlacement.AfterResidual,
            FinalNorm = before && !text.Boolean("_remove_final_layer_norm", false),
            Layers = CommonConfig.SameLayers(CommonConfig.LayerCount(text), feedForward),
            MaxPositions = positions,
            LearnedPositions = new LearnedPositions(positions + PositionOffset, PositionOffset),
            TiedEmbeddings = text.Boolean("tie_word_embeddings", true),
        };
        return new ModelDefinition(spec, Names);
    }

    private static void Require(ConfigSection text, string key, bool value)
    {
        if (text.Boolean(key, value) != value)
        {
            throw text.Invalid(key, $"is {(value ? "false" : "true")}; this variant is not supported");
        }
    }
}
