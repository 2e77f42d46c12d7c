using System;
using System.Collections.Generic;
using System.Globalization;
using Quire.Models.Config;
using Quire.Models.Quantization;
using Quire.Models.Lora;
using Quire.Models.Rope;
using Quire.Models.Weights;
using Quire.Tensors;

namespace Quire.Models;

/// <summary>
/// What a model will need, from its config.json alone: nothing is loaded. All figures are exact for the buffers that
/// <see cref="DecoderModel"/> allocates; a backend may add what its own layouts need.
/// </summary>
public sealed class ModelMemory
{
    private readonly HashSet<RopeSpec> _ropes = [];
    private readonly DecoderSlots _slots;

    /// <summary>The plan of a model whose weights have the type <paramref name="type"/>, unless <paramref name="scheme"/> quantises them.</summary>
    public ModelMemory(ModelDefinition definition, DType type, QuantizationScheme? scheme = null)
    {
        ArgumentNullException.ThrowIfNull(definition);
        Spec = definition.Spec;
        WeightType = type;
        Quantization = scheme;
        var slots = new DecoderSlots(definition);
        _slots = slots;
        foreach (TensorSlot slot in slots.All())
        {
            ParameterCount += slot.ElementCount;
            WeightBytes += scheme?.LayoutOf(slot) is { } layout ? layout.SizeInBytes(slot) : slot.ElementCount * type.SizeInBytes();
            MatrixParameterCount += slot.Role == WeightRole.Linear ? slot.ElementCount : 0;
        }

        if (Spec.TiedEmbeddings)
        {
            MatrixParameterCount += (long)Spec.VocabularySize * Spec.EmbeddingColumns;
        }

        foreach (LayerSpec layer in Spec.Layers)
        {
            if (layer.Rope is not null)
            {
                _ropes.Add(layer.Rope);
            }

            if (layer.FeedForward.Experts is { } experts)
            {
                // A token meets only the experts that it is sent to.
                long perExpert = (long)Spec.HiddenSize * (layer.FeedForward.InputSize + layer.FeedForward.InnerSize);
                MatrixParameterCount -= (experts.Count - experts.PerToken) * perExpert;
            }
        }
    }

    public DecoderSpec Spec { get; }

    public DType WeightType { get; }

    /// <summary>Numbers in the checkpoint; a tied output head counts once.</summary>
    public long ParameterCount { get; }

    /// <summary>
    /// Numbers that a token is multiplied with: all linear layers, of experts those that it is sent to, and the output head. A token costs about twice as many floating
    /// point operations, plus attention.
    /// </summary>
    public long MatrixParameterCount { get; }

    /// <summary>How linear layers are quantised; null when they are not.</summary>
    public QuantizationScheme? Quantization { get; }

    /// <summary>Bytes of all weights: in <see cref="WeightType"/>, packed as <see cref="Quantization"/> says, or in the blocks of a GGUF file.</summary>
    public long WeightBytes { get; private set; }

    /// <summary>The plan of a configuration.</summary>
    /// <param name="config">The configuration.</param>
    /// <param name="dtype">As <see cref="ModelOptions.DType"/>.</param>
    /// <param name="quantization">As <see cref="ModelOptions.Quantization"/>.</param>
    /// <param name="expands">True for a backend that expands packed weights to the model's type while loading.</param>
    public static ModelMemory From(HfConfig config, string dtype = "auto", string? quantization = null, bool expands = false)
    {
        DType type = ModelDType.Resolve(dtype, config);
        var memory = new ModelMemory(ArchitectureRegistry.Define(config, type), type, QuantizationMethods.Resolve(config, quantization));
        memory.WeightBytes = expands ? memory.ParameterCount * type.SizeInBytes() : config.PackedWeightBytes ?? memory.WeightBytes;
        return memory;
    }

    /// <summary>Bytes of keys and values of one token over all layers.</summary>
    public long KvBytesPerToken(DType type) =>
        new KvCacheShape(Spec.Layers.Count, Spec.Attention.KvHeads, Spec.Attention.HeadDim, 1, 1, type).BytesPerBlock;

    /// <summary>Bytes of the activation buffers of a step, logits included.</summary>
    /// <param name="activationType">As <see cref="IBackend.ActivationType"/>.</param>
    /// <param name="maxBatchedTokens">Most tokens of a step.</param>
    /// <param name="maxLogitRows">Most rows of logits.</param>
    public long ActivationBytes(DType activationType, int maxBatchedTokens, int maxLogitRows) =>
        DecoderWorkspace.SizeInBytes(Spec, activationType, maxBatchedTokens, maxLogitRows);

    /// <summary>Bytes of the slots for LoRA adapters.</summary>
    public long LoraBytes(LoraOptions lora, DType activationType)
    {
        ArgumentNullException.ThrowIfNull(lora);
        return new LoraTargets(_slots, lora.TargetModules).SizeInBytes(lora.MaxLoras, lora.MaxRank, lora.TypeOn(activationType));
    }

    /// <summary>Bytes of the tables of rotary embeddings for sequences of up to <paramref name="maxModelLength"/> tokens.</summary>
    public long RopeTableBytes(int maxModelLength)
    {
        long bytes = 0;
        foreach (RopeSpec rope in _ropes)
        {
            bytes += 2L * sizeof(float) * (rope.RotaryDim / 2) * maxModelLength;
        }

        return bytes;
    }

    /// <summary>One line, such as <c>LlamaForCausalLM, 1.10 B parameters in bfloat16, 22 layers of 2048, 32 heads (4 KV) of 64, vocabulary 32000</c>.</summary>
    public string Summary => string.Create(
        CultureInfo.InvariantCulture,
        $"{Spec.Architecture}, {Count(ParameterCount)} parameters in {WeightType.DisplayName()}{(Quantization is null ? "" : $" ({Quantization.Summary})")}, {Spec.Layers.Count} layers of {Spec.HiddenSize}, "
        + $"{Spec.Attention.Heads} heads ({Spec.Attention.KvHeads} KV) of {Spec.Attention.HeadDim}{Experts()}, vocabulary {Spec.VocabularySize}");

    private string Experts()
    {
        foreach (LayerSpec layer in Spec.Layers)
        {
            if (layer.FeedForward.Experts is { } experts)
            {
                return string.Create(CultureInfo.InvariantCulture, $", {experts.PerToken} of {experts.Count} experts");
            }
        }

        return "";
    }

    private static string Count(long value) => value switch
    {
        >= 1_000_000_000 => (value / 1e9).ToString("0.00", CultureInfo.InvariantCulture) + " B",
        >= 1_000_000 => (value / 1e6).ToString("0.0", CultureInfo.InvariantCulture) + " M",
        _ => (value / 1e3).ToString("0.0", CultureInfo.InvariantCulture) + " k",
    };
}
