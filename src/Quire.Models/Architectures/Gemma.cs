using System;
using System.Collections.Generic;
using Quire.Models.Config;
using Quire.Models.Rope;
using Quire.Tensors;

namespace Quire.Models.Architectures;

/// <summary>
/// Gemma2ForCausalLM (arXiv 2408.00118) and Gemma3ForCausalLM (arXiv 2503.19786): norms before and after the blocks with 1 + weight,
/// scaled embeddings, alternating windows; Gemma 2 with soft caps, Gemma 3 with norms of queries and keys and two rotary embeddings.
/// </summary>
internal static class Gemma
{
    private const int DefaultHeadDim = 256;
    private const int DefaultWindow = 4096;
    private const int DefaultHeads = 8;
    private const int DefaultKvHeads = 4;
    private const int DefaultPattern = 6;
    private const int Gemma2Positions = 8192;
    private const int Gemma2Vocabulary = 256_000;
    private const int Gemma3Positions = 131_072;

    /// <summary>The text_config of published multimodal models leaves it out.</summary>
    private const int Gemma3Vocabulary = 262_208;

    private static readonly DecoderNames Names = new() { FeedForwardNorm = "pre_feedforward_layernorm" };

    /// <summary>The names of the multimodal wrapper, as transformers 4 and 5 write them.</summary>
    private static readonly DecoderNames WrapperNames = Names with
    {
        OtherBeginnings =
        [
            ("model.", "language_model.model."), ("lm_head.", "language_model.lm_head."),
            ("model.", "model.language_model."), ("lm_head.", "model.language_model.lm_head."),
        ],
        IgnoredBeginnings = ["vision_tower.", "multi_modal_projector.", "model.vision_tower.", "model.multi_modal_projector."],
    };

    public static ModelDefinition DefineGemma2(HfConfig config, DType type)
    {
        ConfigSection text = config.Text;
        IReadOnlyList<int> windows = CommonConfig.Windows(text, CommonConfig.Window(text, DefaultWindow), static layer => layer % 2 == 0);
        SelfAttentionSpec attention = Attention(text) with { LogitSoftCap = SoftCap(text, "attn_logit_softcapping", 50) };
        RopeSpec rope = RopeReader.Read(text, attention.HeadDim, 10_000);
        DecoderSpec spec = Spec("Gemma2ForCausalLM", text, type, attention, windows, _ => rope, Gemma2Positions, Gemma2Vocabulary) with
        {
            LogitSoftCap = SoftCap(text, "final_logit_softcapping", 30),
        };
        return new ModelDefinition(spec, Names);
    }

    public static ModelDefinition DefineGemma3(HfConfig config, DType type) => DefineGemma3("Gemma3ForCausalLM", Names, config, type);

    /// <summary>Gemma3ForConditionalGeneration: the language model of a model that also sees; pictures are not computed.</summary>
    public static ModelDefinition DefineGemma3Wrapper(HfConfig config, DType type) =>
        DefineGemma3("Gemma3ForConditionalGeneration", WrapperNames, config, type);

    private static ModelDefinition DefineGemma3(string architecture, DecoderNames names, HfConfig config, DType type)
    {
        ConfigSection text = config.Text;
        string patternKey = text.Has("sliding_window_pattern") ? "sliding_window_pattern" : "_sliding_window_pattern";
        int pattern = text.Int32(patternKey, 1, int.MaxValue, DefaultPattern);
        IReadOnlyList<int> windows = CommonConfig.Windows(text, CommonConfig.Window(text, DefaultWindow), layer => (layer + 1) % pattern != 0);
        SelfAttentionSpec attention = Attention(text) with
        {
            QueryKeyNorm = QueryKeyNorm.PerHead,
            LogitSoftCap = SoftCap(text, "attn_logit_softcapping", 0),
        };
        RopeSpec global = RopeReader.Read(text, attention.HeadDim, 1_000_000);
        RopeSpec local = LocalRope(text, global);
        DecoderSpec spec = Spec(architecture, text, type, attention, windows, window => window > 0 ? local : global, Gemma3Positions, Gemma3Vocabulary) with
        {
            LogitSoftCap = SoftCap(text, "final_logit_softcapping", 0),
        };
        return new ModelDefinition(spec, names);
    }

    private static DecoderSpec Spec(
        string architecture, ConfigSection text, DType type, SelfAttentionSpec attention, IReadOnlyList<int> windows, Func<int, RopeSpec> ropeOf,
        int defaultPositions, int defaultVocabulary)
    {
        var feedForward = new FeedForwardSpec
        {
            InnerSize = CommonConfig.InnerSize(text),
            Activation = CommonConfig.Activation(text, "hidden_activation", Activation.GeluTanh),
        };
        var layers = new LayerSpec[windows.Count];
        for (int i = 0; i < layers.Length; i++)
        {
            layers[i] = new LayerSpec { Rope = ropeOf(windows[i]), FeedForward = feedForward, SlidingWindow = windows[i] };
        }

        int hidden = CommonConfig.HiddenSize(text);
        return new DecoderSpec
        {
            Architecture = architecture,
            VocabularySize = CommonConfig.VocabularySize(text, defaultVocabulary),
            HiddenSize = hidden,
            Attention = attention,
            Norm = CommonConfig.RmsNorm(text, 1e-6, weightOffset: 1),
            NormPlacement = NormPlacement.BeforeAndAfter,
            Layers = layers,
            MaxPositions = CommonConfig.Positions(text, defaultPositions),
            EmbeddingScale = Rounded(Math.Sqrt(hidden), type),
            TiedEmbeddings = text.Boolean("tie_word_embeddings", true),
        };
    }

    private static SelfAttentionSpec Attention(ConfigSection text)
    {
        bool bias = text.Boolean("attention_bias", false);
        double scalar = text.Double("query_pre_attn_scalar", 1e-3, 1e6, DefaultHeadDim);
        return CommonConfig.Attention(text, DefaultHeadDim, DefaultKvHeads, DefaultHeads) with { QkvBias = bias, OutputBias = bias, Scale = (float)(1 / Math.Sqrt(scalar)) };
    }

    /// <summary>The embedding of layers with a window: a base of its own and no scaling.</summary>
    private static RopeSpec LocalRope(ConfigSection text, RopeSpec global)
    {
        double theta = text.Double("rope_local_base_freq", 1 + 1e-6, 1e15, 10_000);
        return text.Section("rope_parameters")?.Section("sliding_attention") is not null
            ? RopeReader.Read(text, global.RotaryDim, theta, "sliding_attention")
            : new RopeSpec { Theta = theta, RotaryDim = global.RotaryDim, MaxPositions = global.MaxPositions };
    }

    /// <summary>A key that is null means no cap; an absent one means the default of the class.</summary>
    private static float SoftCap(ConfigSection text, string key, double fallback) =>
        (float)(text.HasKey(key) ? text.Double(key, 0, 1e6, 0) : fallback);

    /// <summary>The embedding factor is rounded to the model's type before it is used.</summary>
    private static float Rounded(double value, DType type) => type switch
    {
        DType.BF16 => FloatConversions.BFloat16ToSingle(FloatConversions.SingleToBFloat16((float)value)),
        DType.F16 => FloatConversions.HalfToSingle(FloatConversions.SingleToHalf((float)value)),
        _ => (float)value,
    };
}
