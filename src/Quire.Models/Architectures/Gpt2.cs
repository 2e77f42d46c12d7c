using System;
using Quire.Models.Config;
using Quire.Tensors;

namespace Quire.Models.Architectures;

/// <summary>GPT2LMHeadModel (Radford et al., 2019): OPT's shape with fused and transposed matrices under names of its own.</summary>
internal static class Gpt2
{
    private const int MaxWidth = 1 << 20;
    private const int DefaultPositions = 1024;

    private static readonly DecoderNames Names = new()
    {
        OtherBeginnings = [("transformer.", "")],
        TransposedLayers = true,
        Embedding = "transformer.wte",
        PositionEmbedding = "transformer.wpe",
        LayerPrefix = "transformer.h.{0}.",
        AttentionNorm = "ln_1",
        Qkv = ["attn.c_attn"],
        AttentionOutput = "attn.c_proj",
        FeedForwardNorm = "ln_2",
        FeedForwardInput = ["mlp.c_fc"],
        FeedForwardOutput = "mlp.c_proj",
        FinalNorm = "transformer.ln_f",

        // Causal masks, which old checkpoints keep as tensors.
        IgnoredEndings = [".attn.bias", ".attn.masked_bias"],
    };

    public static ModelDefinition Define(HfConfig config)
    {
        ConfigSection text = config.Text;
        int hidden = text.Int32("n_embd", 1, MaxWidth);
        int heads = text.Int32("n_head", 1, MaxWidth);
        int positions = text.Int32("n_positions", 1, 1 << 30, DefaultPositions);
        if (hidden % heads != 0)
        {
            throw text.Invalid("n_head", $"is {heads}, which does not divide n_embd, {hidden}");
        }

        var feedForward = new FeedForwardSpec
        {
            InnerSize = text.Int32("n_inner", 1, MaxWidth, 4 * hidden),
            Activation = CommonConfig.Activation(text, "activation_function", Activation.GeluTanh),
            Gated = false,
            Bias = true,
        };
        bool scaled = text.Boolean("scale_attn_weights", true);
        bool byLayer = text.Boolean("scale_attn_by_inverse_layer_idx", false);
        var layers = new LayerSpec[CommonConfig.LayerCount(text, "n_layer")];
        for (int i = 0; i < layers.Length; i++)
        {
            layers[i] = new LayerSpec { FeedForward = feedForward, ScoreFactor = byLayer ? 1f / (i + 1) : 1 };
        }

        var spec = new DecoderSpec
        {
            Architecture = "GPT2LMHeadModel",
            VocabularySize = CommonConfig.VocabularySize(text),
            HiddenSize = hidden,
            Attention = new SelfAttentionSpec
            {
                Heads = heads,
                KvHeads = heads,
                HeadDim = hidden / heads,
                Scale = scaled ? (float)(1 / Math.Sqrt(hidden / heads)) : 1,
                QkvBias = true,
                OutputBias = true,
            },
            Norm = new NormSpec(NormKind.LayerNorm, (float)text.Double("layer_norm_epsilon", 0, 1, 1e-5), Bias: true),
            Layers = layers,
            MaxPositions = positions,
            LearnedPositions = new LearnedPositions(positions, 0),
            TiedEmbeddings = text.Boolean("tie_word_embeddings", true),
        };
        return new ModelDefinition(spec, Names);
    }
}
