using System.Collections.Generic;
using Quire.Tensors;

namespace Quire.Models.Lora;

/// <summary>How much room a model keeps for adapters.</summary>
/// <param name="MaxLoras">Adapters in one step: slots.</param>
/// <param name="MaxRank">Largest rank of an adapter.</param>
/// <param name="DType">auto (the activation type), float32, float16 or bfloat16: element type of the factors.</param>
/// <param name="TargetModules">Last names of the modules that adapters may change, such as q_proj; null for all linear layers.</param>
public sealed record LoraOptions(int MaxLoras, int MaxRank, string DType = "auto", IReadOnlyList<string>? TargetModules = null)
{
    /// <summary>Element type of the factors on a backend.</summary>
    public DType TypeOn(DType activationType) => DType switch
    {
        "float32" => Tensors.DType.F32,
        "float16" => Tensors.DType.F16,
        "bfloat16" => Tensors.DType.BF16,
        _ => activationType,
    };
}
