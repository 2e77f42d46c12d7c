using System;
using System.Collections.Generic;
using Quire.Models.Config;
using Quire.Tensors;

namespace Quire.Models.Architectures;

/// <summary>The keys that nearly every decoder's config.json shares, read with their limits.</summary>
internal static class CommonConfig
{
    /// <summary>Largest size of a layer's input or output.</summary>
    public const int MaxWidth = 1 << 20;

    private const int MaxVocabulary = 1 << 24;
    private const int MaxLayers = 4096;
    private const int MaxHeads = 4096;
    private const int MaxHeadDim = 4096;
    private const int MaxPositions = 1 << 30;
    private const int MaxExperts = 4096;

    /// <summary>Without <paramref name="fallback"/> the key must be there.</summary>
    public static int VocabularySize(ConfigSection config, int? fallback = null) => fallback is { } ofClass
        ? config.Int32("vocab_size", 1, MaxVocabulary, ofClass)
        : config.Int32("vocab_size", 1, MaxVocabulary);

    public static int HiddenSize(ConfigSection config) => config.Int32("hidden_size", 1, MaxWidth);

    public static int InnerSize(ConfigSection config, string key = "intermediate_size", int? fallback = null) =>
        config.OptionalInt32(key, 1, MaxWidth) ?? fallback ?? config.Int32(key, 1, MaxWidth);

    public static int LayerCount(ConfigSection config, string key = "num_hidden_layers") => config.Int32(key, 1, MaxLayers);

    public static int Positions(ConfigSection config, int fallback) => config.Int32("max_position_embeddings", 1, MaxPositions, fallback);

    /// <summary>
    /// Heads and their size. Heads must be there unless the class has a default. Missing key-value heads are those of the family's class where that fits the heads, else, and when they are null, as
    /// many as heads; a missing head size means hidden / heads.
    /// </summary>
    public static SelfAttentionSpec Attention(ConfigSection config, int? defaultHeadDim = null, int? defaultKvHeads = null, int? defaultHeads = null)
    {
        int heads = defaultHeads is { } headsOfClass
            ? config.Int32("num_attention_heads", 1, MaxHeads, headsOfClass)
            : config.Int32("num_attention_heads", 1, MaxHeads);
        bool classDefault = defaultKvHeads is { } ofClass && heads % ofClass == 0 && !config.HasKey("num_key_value_heads");
        int kvHeads = config.Int32("num_key_value_heads", 1, MaxHeads, classDefault ? defaultKvHeads!.Value : heads);
        if (heads % kvHeads != 0)
        {
            throw config.Invalid("num_key_value_heads", $"is {kvHeads}, which does not divide num_attention_heads, {heads}");
        }

        int hidden = HiddenSize(config);
        int headDim = config.OptionalInt32("head_dim", 1, MaxHeadDim) ?? defaultHeadDim ?? HeadDim(config, hidden, heads);
        return new SelfAttentionSpec { Heads = heads, KvHeads = kvHeads, HeadDim = headDim, Scale = (float)(1 / Math.Sqrt(headDim)) };
    }

    public static NormSpec RmsNorm(ConfigSection config, double defaultEpsilon, float weightOffset = 0) =>
        new(NormKind.Rms, (float)config.Double("rms_norm_eps", 0, 1, defaultEpsilon), weightOffset);

    /// <summary>The activation that <paramref name="key"/> names.</summary>
    public static Activation Activation(ConfigSection config, string key, Activation fallback) => config.String(key) switch
    {
        null => fallback,
        "silu" or "swish" => Tensors.Activation.Silu,
        "gelu_pytorch_tanh" or "gelu_new" or "gelu_fast" => Tensors.Activation.GeluTanh,
        "gelu" => Tensors.Activation.GeluErf,
        "relu" => Tensors.Activation.Relu,
        { } other => throw config.Invalid(key, $"is '{other}'; supported are silu, gelu, gelu_new, gelu_pytorch_tanh, relu"),
    };

    /// <summary>sliding_window, or <paramref name="fallback"/>; 0 means none.</summary>
    public static int Window(ConfigSection config, int fallback) => config.Int32("sliding_window", 0, MaxPositions, fallback);

    /// <summary>
    /// The window of every layer: <paramref name="window"/> where layer_types says sliding_attention or, without that list,
    /// <paramref name="slides"/> says so; 0 elsewhere.
    /// </summary>
    public static IReadOnlyList<int> Windows(ConfigSection config, int window, Func<int, bool> slides)
    {
        var windows = new int[LayerCount(config)];
        IReadOnlyList<string>? kinds = config.Strings("layer_types");
        if (kinds is not null && kinds.Count != windows.Length)
        {
            throw config.Invalid("layer_types", $"has {kinds.Count} entries, but num_hidden_layers is {windows.Length}");
        }

        for (int i = 0; i < windows.Length; i++)
        {
            bool sliding = kinds?[i] switch
            {
                null => slides(i),
                "sliding_attention" => true,
                "full_attention" => false,
                { } other => throw config.Invalid("layer_types", $"holds '{other}'; supported are full_attention and sliding_attention"),
            };
            windows[i] = sliding ? window : 0;
        }

        return windows;
    }

    /// <summary>Layers that are all alike and know no rotary positions.</summary>
    public static IReadOnlyList<LayerSpec> SameLayers(int count, FeedForwardSpec feedForward)
    {
        var layers = new LayerSpec[count];
        Array.Fill(layers, new LayerSpec { FeedForward = feedForward });
        return layers;
    }

    /// <summary>How many experts there are and compute a token; transformers 4 and 5 name their number differently.</summary>
    public static ExpertSpec Experts(ConfigSection config, int defaultCount, int defaultPerToken, bool normalised)
    {
        string key = config.Has("num_local_experts") ? "num_local_experts" : "num_experts";
        int count = config.Int32(key, 1, MaxExperts, defaultCount);
        int perToken = config.Int32("num_experts_per_tok", 1, MaxExperts, defaultPerToken);
        return perToken <= count
            ? new ExpertSpec(count, perToken, normalised)
            : throw config.Invalid("num_experts_per_tok", $"is {perToken}, more than the {count} experts of {key}");
    }

    /// <summary>The same decoder with other feed-forward blocks: made from the number of a layer and the block that it had.</summary>
    public static DecoderSpec WithFeedForward(DecoderSpec spec, Func<int, FeedForwardSpec, FeedForwardSpec> change)
    {
        var layers = new LayerSpec[spec.Layers.Count];
        for (int i = 0; i < layers.Length; i++)
        {
            layers[i] = spec.Layers[i] with { FeedForward = change(i, spec.Layers[i].FeedForward) };
        }

        return spec with { Layers = layers };
    }

    private static int HeadDim(ConfigSection config, int hidden, int heads) =>
        hidden % heads == 0
            ? hidden / heads
            : throw config.Invalid("num_attention_heads", $"is {heads}, which does not divide hidden_size, {hidden}, and there is no head_dim");
}
