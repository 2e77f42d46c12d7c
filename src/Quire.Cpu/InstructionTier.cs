using System;

namespace Quire.Cpu;

/// <summary>Which width of vector instructions the kernels are compiled for. Wider is greater.</summary>
public enum InstructionTier
{
    /// <summary>One element at a time: any processor, and runtimes with hardware intrinsics switched off.</summary>
    Scalar,

    /// <summary>128 bits: SSE on x64, Advanced SIMD on Arm64.</summary>
    Vector128,

    /// <summary>256 bits with fused multiply-add: AVX2 and FMA.</summary>
    Vector256,

    /// <summary>512 bits: AVX-512.</summary>
    Vector512,
}

/// <summary>Names of <see cref="InstructionTier"/> as users write them.</summary>
public static class InstructionTierNames
{
    /// <summary>
    /// Reads the name of a tier: a microarchitecture level of the x86-64 psABI (<c>x86-64-v2</c>, <c>-v3</c>, <c>-v4</c>), a family of
    /// instructions (<c>sse</c>, <c>neon</c>, <c>avx2</c>, <c>avx512</c>) or <c>scalar</c>; upper and lower case alike.
    /// </summary>
    public static bool TryParse(string? name, out InstructionTier tier)
    {
        switch (name?.Trim().ToLowerInvariant())
        {
            case "scalar":
                tier = InstructionTier.Scalar;
                return true;
            case "x86-64" or "x86-64-v1" or "x86-64-v2" or "sse" or "neon" or "vector128":
                tier = InstructionTier.Vector128;
                return true;
            case "x86-64-v3" or "avx2" or "vector256":
                tier = InstructionTier.Vector256;
                return true;
            case "x86-64-v4" or "avx512" or "vector512":
                tier = InstructionTier.Vector512;
                return true;
            default:
                tier = default;
                return false;
        }
    }

    /// <summary>Short name for logs, such as "AVX2".</summary>
    public static string DisplayName(this InstructionTier tier) => tier switch
    {
        InstructionTier.Scalar => "scalar",
        InstructionTier.Vector128 => System.Runtime.Intrinsics.Arm.AdvSimd.IsSupported ? "Advanced SIMD" : "SSE",
        InstructionTier.Vector256 => "AVX2",
        InstructionTier.Vector512 => "AVX-512",
        _ => throw new ArgumentOutOfRangeException(nameof(tier), tier, "unknown instruction tier"),
    };
}
