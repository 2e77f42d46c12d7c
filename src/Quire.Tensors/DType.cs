using System;

namespace Quire.Tensors;

/// <summary>Element types of tensors, with the names that safetensors gives them.</summary>
public enum DType
{
    F32,
    F16,
    BF16,
    F8E4M3,
    F8E5M2,
    I8,
    U8,
    I32,
    I64,
}

/// <summary>Sizes and names of element types.</summary>
public static class DTypeExtensions
{
    /// <summary>Bytes of one element.</summary>
    public static int SizeInBytes(this DType type) => type switch
    {
        DType.F32 or DType.I32 => 4,
        DType.F16 or DType.BF16 => 2,
        DType.F8E4M3 or DType.F8E5M2 or DType.I8 or DType.U8 => 1,
        DType.I64 => 8,
        _ => throw new ArgumentOutOfRangeException(nameof(type), type, "unknown element type"),
    };

    /// <summary>The name that vLLM's options and logs use, such as <c>bfloat16</c>.</summary>
    public static string DisplayName(this DType type) => type switch
    {
        DType.F32 => "float32",
        DType.F16 => "float16",
        DType.BF16 => "bfloat16",
        DType.F8E4M3 => "fp8_e4m3",
        DType.F8E5M2 => "fp8_e5m2",
        DType.I8 => "int8",
        DType.U8 => "uint8",
        DType.I32 => "int32",
        DType.I64 => "int64",
        _ => throw new ArgumentOutOfRangeException(nameof(type), type, "unknown element type"),
    };
}
