using System;
using System.Collections.Generic;

namespace Quire.Models.Weights;

/// <summary>What a tensor is for, which decides how it is initialised when there is no checkpoint.</summary>
public enum WeightRole
{
    Embedding,
    Linear,
    Bias,
    NormWeight,
    NormBias,
}

/// <summary>A tensor that a model needs: its name in the checkpoint and the shape that config.json implies.</summary>
/// <param name="Name">Full name in the checkpoint.</param>
/// <param name="Rows">Output features of a matrix; 1 for a vector.</param>
/// <param name="Columns">Input features of a matrix; length of a vector.</param>
/// <param name="Role">What it is for.</param>
/// <param name="Transposed">True when the checkpoint stores [Columns, Rows].</param>
public sealed record TensorSlot(string Name, int Rows, int Columns, WeightRole Role, bool Transposed = false)
{
    /// <summary>True when the checkpoint stores [Columns] instead of [Rows, Columns].</summary>
    public bool IsVector => Role is not (WeightRole.Embedding or WeightRole.Linear);

    public long ElementCount => (long)Rows * Columns;

    /// <summary>True for the output head and other layers before or after the stack.</summary>
    public bool IsOutsideLayers { get; init; }

    /// <summary>True for what chooses experts, which no format quantises.</summary>
    public bool IsRouter { get; init; }

    /// <summary>The name of the layer: <see cref="Name"/> without its last part.</summary>
    public string Module => Name[..Math.Max(0, Name.LastIndexOf('.'))];

    /// <summary>The shape that the checkpoint must state.</summary>
    public IReadOnlyList<long> Shape => IsVector ? [Columns] : Transposed ? [Columns, Rows] : [Rows, Columns];
}

/// <summary>A linear layer: parts stacked along the output features, with or without biases.</summary>
/// <param name="Name">For messages.</param>
/// <param name="Parts">One slot a part.</param>
/// <param name="Biases">One slot a part, or null.</param>
public sealed record LinearSlot(string Name, IReadOnlyList<TensorSlot> Parts, IReadOnlyList<TensorSlot>? Biases);

/// <summary>The weight of a norm and its bias, when it has one.</summary>
public sealed record NormSlot(TensorSlot Weight, TensorSlot? Bias);

/// <summary>The weights of a mixture of experts.</summary>
/// <param name="Router">[experts, hidden].</param>
/// <param name="Inputs">The input projection of every expert.</param>
/// <param name="Outputs">The output projection of every expert.</param>
public sealed record ExpertSlots(LinearSlot Router, IReadOnlyList<LinearSlot> Inputs, IReadOnlyList<LinearSlot> Outputs);

/// <summary>All weights of one layer; null for what the architecture does not have.</summary>
public sealed record LayerSlots
{
    public NormSlot? AttentionNorm { get; init; }

    public required LinearSlot Qkv { get; init; }

    public NormSlot? QueryNorm { get; init; }

    public NormSlot? KeyNorm { get; init; }

    public required LinearSlot AttentionOutput { get; init; }

    public NormSlot? AfterAttentionNorm { get; init; }

    public NormSlot? FeedForwardNorm { get; init; }

    /// <summary>Null in layers with experts.</summary>
    public LinearSlot? FeedForwardInput { get; init; }

    /// <summary>Null in layers with experts.</summary>
    public LinearSlot? FeedForwardOutput { get; init; }

    /// <summary>Null in dense layers.</summary>
    public ExpertSlots? Experts { get; init; }

    public NormSlot? AfterFeedForwardNorm { get; init; }
}
