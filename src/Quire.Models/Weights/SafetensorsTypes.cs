using System.Collections.Generic;
using Quire.Tensors;

namespace Quire.Models.Weights;

/// <summary>Element types of the safetensors format (https://github.com/huggingface/safetensors, format section).</summary>
internal static class SafetensorsTypes
{
    /// <summary>All names that the format defines, for error messages.</summary>
    public static IReadOnlyList<string> Names { get; } =
    [
        "BOOL", "U8", "I8", "F8_E4M3", "F8_E5M2", "F8_E8M0", "U16", "I16", "F16", "BF16", "U32", "I32", "F32", "U64", "I64", "F64", "C64",
        "F4", "F6_E2M3", "F6_E3M2",
    ];

    /// <summary>Bits of one element; null for a name that the format does not define.</summary>
    public static int? Bits(string name) => name switch
    {
        "F4" => 4,
        "F6_E2M3" or "F6_E3M2" => 6,
        "BOOL" or "U8" or "I8" or "F8_E4M3" or "F8_E5M2" or "F8_E8M0" => 8,
        "U16" or "I16" or "F16" or "BF16" => 16,
        "U32" or "I32" or "F32" => 32,
        "U64" or "I64" or "F64" or "C64" => 64,
        _ => null,
    };

    /// <summary>The type to compute with; null where no operation takes it.</summary>
    public static DType? ToDType(string name) => name switch
    {
        "F32" => DType.F32,
        "F16" => DType.F16,
        "BF16" => DType.BF16,
        "F8_E4M3" => DType.F8E4M3,
        "F8_E5M2" => DType.F8E5M2,
        "I8" => DType.I8,
        "U8" => DType.U8,
        "I32" => DType.I32,
        "I64" => DType.I64,
        _ => null,
    };

    /// <summary>The name of a type in the format.</summary>
    public static string Name(DType type) => type switch
    {
        DType.F8E4M3 => "F8_E4M3",
        DType.F8E5M2 => "F8_E5M2",
        _ => type.ToString(),
    };
}
