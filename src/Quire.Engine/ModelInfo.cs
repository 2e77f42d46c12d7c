using System;
using System.Collections.Generic;
using Quire.Models.Config;

namespace Quire.Engine;

/// <summary>What a front end tells its users about the model that is loaded.</summary>
public sealed record ModelInfo
{
    /// <summary>Names that requests may use; answers and metrics carry the first.</summary>
    public required IReadOnlyList<string> ServedNames { get; init; }

    /// <summary>The path that the model was loaded from, as it was given.</summary>
    public required string Path { get; init; }

    /// <summary>Class name of the checkpoint, such as LlamaForCausalLM.</summary>
    public required string Architecture { get; init; }

    /// <summary>Most tokens of a prompt and its output together.</summary>
    public required int MaxModelLen { get; init; }

    /// <summary>Logits of a position; ids from here up do not exist.</summary>
    public required int VocabularySize { get; init; }

    /// <summary>Element type of the weights, such as bfloat16.</summary>
    public required string DType { get; init; }

    /// <summary>When it was loaded.</summary>
    public required DateTimeOffset Created { get; init; }

    public required long ParameterCount { get; init; }

    /// <summary>Bytes of the weights as they are held.</summary>
    public required long WeightBytes { get; init; }

    /// <summary>The tokens that end a text; the first is the tokenizer's own.</summary>
    public required IReadOnlyList<int> EosTokenIds { get; init; }

    /// <summary>Sampling defaults that the model brings along.</summary>
    public required GenerationConfig GenerationDefaults { get; init; }
}
