using System;
using System.Collections.Generic;
using Quire.Models.Config;
using Quire.Tensors;

namespace Quire.Models;

/// <summary>Which element type the weights of a model get: the rules of vLLM's dtype option.</summary>
public static class ModelDType
{
    /// <summary>Names that the option takes.</summary>
    public static IReadOnlyList<string> Names { get; } = ["auto", "bfloat16", "float16", "half", "float32", "float"];

    private static readonly string[] NoHalfModels = ["gemma2", "gemma3", "gemma3_text", "glm4"];

    /// <summary>
    /// The type for <paramref name="requested"/>. auto takes the checkpoint's own, but bfloat16 when that is float32.
    /// </summary>
    /// <exception cref="CheckpointException">An unknown name, or float16 for a family that overflows in it.</exception>
    public static DType Resolve(string requested, HfConfig config)
    {
        ArgumentNullException.ThrowIfNull(config);
        DType type = requested.ToUpperInvariant() switch
        {
            "AUTO" => Auto(config),
            "BFLOAT16" => DType.BF16,
            "FLOAT16" or "HALF" => DType.F16,
            "FLOAT32" or "FLOAT" => DType.F32,
            _ => throw new CheckpointException(
                CheckpointProblem.Configuration, $"Unknown dtype: '{requested}'; valid are {string.Join(", ", Names)}"),
        };
        if (type == DType.F16 && Array.IndexOf(NoHalfModels, config.ModelType) >= 0)
        {
            throw new CheckpointException(
                CheckpointProblem.Configuration,
                $"The model type '{config.ModelType}' does not support float16. Reason: Numerical instability. Please use bfloat16 or float32 instead.");
        }

        return type;
    }

    private static DType Auto(HfConfig config)
    {
        // A family that overflows in float16 is computed in bfloat16 although its file says float16.
        bool noHalf = Array.IndexOf(NoHalfModels, config.ModelType) >= 0;
        return config.DTypeName switch
        {
            null or "float32" or "float" or "torch.float32" or "auto" => DType.BF16,
            "bfloat16" or "torch.bfloat16" => DType.BF16,
            "float16" or "half" or "torch.float16" => noHalf ? DType.BF16 : DType.F16,
            { } other => throw new CheckpointException(
                CheckpointProblem.Configuration,
                $"{HfConfig.FileName}: dtype is '{other}', which weights cannot be computed in; set dtype to bfloat16, float16 or float32"),
        };
    }
}
