using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Quire.Cpu.Emit;

/// <summary>Instructions beyond those that .NET names, for assembled kernels.</summary>
/// <param name="Vectors512">AVX-512 F, BW, DQ and VL.</param>
/// <param name="IntegerProducts">AVX512_VNNI: products of bytes added into 32 bits.</param>
/// <param name="BFloat16Products">AVX512_BF16: products of pairs of BF16 added into F32; only if inputs may be rounded to BF16.</param>
internal readonly record struct ProcessorExtensions(bool Vectors512, bool IntegerProducts, bool BFloat16Products)
{
    /// <summary>
    /// Asks the processor (Intel SDM volume 2, CPUID leaf 7). That the system saves the registers follows from the runtime's using vectors of
    /// 512 bits, which can be switched off.
    /// </summary>
    /// <param name="tier">The tier in use: below 512 bits there are none.</param>
    /// <param name="options">What may be used.</param>
    public static ProcessorExtensions Detect(InstructionTier tier, CpuOptions options)
    {
        if (!options.AssembleKernels || tier < InstructionTier.Vector512 || !Vector512.IsHardwareAccelerated || !X86Base.X64.IsSupported || X86Base.CpuId(0, 0).Eax < 7)
        {
            return default;
        }

        (int subleaves, _, int ecx, _) = X86Base.CpuId(7, 0);
        bool bfloat16 = options.BFloat16Inputs && subleaves >= 1 && (X86Base.CpuId(7, 1).Eax & (1 << 5)) != 0;
        return new ProcessorExtensions(true, (ecx & (1 << 11)) != 0, bfloat16);
    }
}
