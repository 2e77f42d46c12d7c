using System;
using System.Collections.Generic;
using Quire.Models.Rope;

namespace Quire.Models.Gguf;

/// <summary>Writes what a <see cref="DecoderSpec"/> says as the keys of a GGUF file: the way back of <see cref="GgufConfig"/>.</summary>
internal sealed class GgufModelKeys(GgufWriter writer, GgufArchitecture architecture, DecoderSpec spec)
{
    private const int Gemma2LargeLayers = 46;
    private const int Gemma3LargeLayers = 62;
    private const int Gemma3Pattern = 6;

    /// <summary>Tensors that hold factors of rotary frequencies, to be written as F32 vectors.</summary>
    public List<(string Name, float[] Values)> RopeFactors { get; } = [];

    /// <exception cref="CheckpointException">The model has something that GGUF cannot express.</exception>
    public void Write()
    {
        SelfAttentionSpec attention = spec.Attention;
        Set("vocab_size", spec.VocabularySize);
        Set("context_length", spec.MaxPositions);
        Set("embedding_length", spec.HiddenSize);
        Set("block_count", spec.Layers.Count);
        Set("feed_forward_length", SameInnerSize());
        Set("attention.head_count", attention.Heads);
        Set("attention.head_count_kv", attention.KvHeads);
        if (spec.Norm.Kind == NormKind.LayerNorm)
        {
            Set("attention.layer_norm_epsilon", spec.Norm.Epsilon);
        }
        else
        {
            Set("attention.layer_norm_rms_epsilon", spec.Norm.Epsilon);
            Set("attention.key_length", attention.HeadDim);
            Set("attention.value_length", attention.HeadDim);
        }

        WriteExperts();
        WriteWindow();
        WriteFamily();
        WriteRope();
    }

    private void WriteExperts()
    {
        if (spec.Layers[0].FeedForward.Experts is not { } experts)
        {
            return;
        }

        if (!experts.Normalised)
        {
            throw Inexpressible("the weights of the chosen experts are not normalised");
        }

        Set("expert_count", experts.Count);
        Set("expert_used_count", experts.PerToken);
        Set("expert_feed_forward_length", SameInnerSize());
    }

    private void WriteWindow()
    {
        int window = 0;
        foreach (LayerSpec layer in spec.Layers)
        {
            window = Math.Max(window, layer.SlidingWindow);
        }

        if (window == 0)
        {
            return;
        }

        int pattern = architecture.Name == "gemma3" ? Pattern() : 0;
        if (pattern is not (0 or Gemma3Pattern))
        {
            // No published model needs this, and readers that do not know the key assume the usual pattern.
            Set("attention.sliding_window_pattern", pattern);
        }

        for (int i = 0; i < spec.Layers.Count; i++)
        {
            bool slides = architecture.Name switch
            {
                "gemma2" => i % 2 == 0,
                "gemma3" => (i + 1) % pattern != 0,
                _ => true,
            };
            if (slides != spec.Layers[i].SlidingWindow > 0)
            {
                throw Inexpressible($"layer {i} {(slides ? "has no" : "has a")} sliding window, other than every model of the architecture {architecture.Name} in GGUF");
            }
        }

        Set("attention.sliding_window", window);
    }

    /// <summary>Which layer is the first without a window, counted from 1; one more than there are when all have one.</summary>
    private int Pattern()
    {
        for (int i = 0; i < spec.Layers.Count; i++)
        {
            if (spec.Layers[i].SlidingWindow == 0)
            {
                return i + 1;
            }
        }

        return Math.Max(Gemma3Pattern, spec.Layers.Count + 1);
    }

    private void WriteFamily()
    {
        SelfAttentionSpec attention = spec.Attention;
        int scalar = attention.HeadDim;
        switch (architecture.Name)
        {
            case "gemma2":
                scalar = spec.Layers.Count == Gemma2LargeLayers ? spec.HiddenSize / attention.Heads : scalar;
                Set("attn_logit_softcapping", attention.LogitSoftCap);
                Set("final_logit_softcapping", spec.LogitSoftCap);
                break;
            case "gemma3":
                scalar = spec.Layers.Count == Gemma3LargeLayers ? spec.HiddenSize / attention.Heads : scalar;
                if (spec.LogitSoftCap > 0)
                {
                    Set("final_logit_softcapping", spec.LogitSoftCap);
                }

                break;
            case "granite":
                Set("embedding_scale", spec.EmbeddingScale);
                Set("residual_scale", spec.ResidualScale);
                Set("logit_scale", 1 / spec.LogitScale);
                Set("attention.scale", attention.Scale);
                return;
        }

        if (Math.Abs(attention.Scale * Math.Sqrt(scalar) - 1) > 1e-6)
        {
            // Readers that do not know the key for this architecture take the usual scale.
            Set("attention.scale", attention.Scale);
        }
    }

    private void WriteRope()
    {
        if (GlobalRope() is not { } rope)
        {
            return;
        }

        Set("rope.dimension_count", rope.RotaryDim);
        Set("rope.freq_base", rope.Theta);
        switch (rope.Kind)
        {
            case RopeKind.Default:
                break;
            case RopeKind.Linear:
                Set("rope.scaling.type", "linear");
                Set("rope.scaling.factor", rope.Factor);
                break;
            case RopeKind.Llama3:
                RopeFactors.Add(("rope_freqs.weight", Divisors(rope)));
                break;
            case RopeKind.Yarn when rope is { MScale: null, Truncate: true }:
                Set("rope.scaling.type", "yarn");
                Set("rope.scaling.factor", rope.Factor);
                Set("rope.scaling.original_context_length", rope.OriginalMaxPositions);
                Set("rope.scaling.attn_factor", rope.AttentionFactorMultiplier * (rope.AttentionFactor is { } factor ? factor / (0.1 * Math.Log(rope.Factor) + 1) : 1));
                Set("rope.scaling.yarn_beta_fast", rope.BetaFast);
                Set("rope.scaling.yarn_beta_slow", rope.BetaSlow);
                break;
            case RopeKind.LongRope:
                Set("rope.scaling.original_context_length", rope.OriginalMaxPositions);
                Set("rope.scaling.attn_factor", RopeFrequencies.AttentionFactor(rope));
                RopeFactors.Add(("rope_factors_long.weight", [.. Singles(rope.LongFactors)]));
                RopeFactors.Add(("rope_factors_short.weight", [.. Singles(rope.ShortFactors)]));
                break;
            default:
                throw Inexpressible($"the rotary scaling {rope.Kind} has no form there");
        }
    }

    /// <summary>The embedding of layers without a window; that of the others may only be what readers assume.</summary>
    private RopeSpec? GlobalRope()
    {
        RopeSpec? rope = spec.Layers[^1].Rope;
        RopeSpec? local = null;
        foreach (LayerSpec layer in spec.Layers)
        {
            if (layer.SlidingWindow == 0)
            {
                rope = layer.Rope;
            }
            else
            {
                local = layer.Rope;
            }
        }

        if (architecture.Name == "gemma3" && local is not null)
        {
            Set("rope.freq_base_swa", local.Theta);
        }
        else if (local is not null && local != rope)
        {
            throw Inexpressible("layers differ in their rotary embeddings");
        }

        return rope;
    }

    private static float[] Divisors(RopeSpec rope)
    {
        double[] plain = RopeFrequencies.Compute(rope with { Kind = RopeKind.Default }, rope.MaxPositions);
        double[] scaled = RopeFrequencies.Compute(rope, rope.MaxPositions);
        var divisors = new float[plain.Length];
        for (int i = 0; i < divisors.Length; i++)
        {
            divisors[i] = (float)(plain[i] / scaled[i]);
        }

        return divisors;
    }

    private static IEnumerable<float> Singles(IReadOnlyList<double> values)
    {
        foreach (double value in values)
        {
            yield return (float)value;
        }
    }

    private int SameInnerSize()
    {
        int size = spec.Layers[0].FeedForward.InnerSize;
        foreach (LayerSpec layer in spec.Layers)
        {
            if (layer.FeedForward.InnerSize != size || layer.FeedForward.Experts != spec.Layers[0].FeedForward.Experts)
            {
                throw Inexpressible("layers differ in the size of their feed-forward blocks");
            }
        }

        return size;
    }

    private static CheckpointException Inexpressible(string problem) =>
        new(CheckpointProblem.Unsupported, $"the model cannot be written as GGUF: {problem}");

    private void Set(string key, int value) => writer.Set(architecture.Name + "." + key, value);

    private void Set(string key, double value) => writer.Set(architecture.Name + "." + key, value);

    private void Set(string key, string value) => writer.Set(architecture.Name + "." + key, value);
}
