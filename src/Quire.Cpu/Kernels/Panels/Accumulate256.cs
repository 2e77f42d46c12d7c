using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Quire.Cpu.Simd;

namespace Quire.Cpu.Kernels.Panels;

/// <summary>What the AVX2 kernels do with the integer sums of a group.</summary>
internal static unsafe class Accumulate256
{
    /// <summary>sums[0 .. 16) += float(a) · (scales · xScale), fused.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Add(
        Vector256<int> a0, Vector256<int> a1, Vector256<float> scale0, Vector256<float> scale1, float* xScale, float* sums)
    {
        Vector256<float> s = Avx.BroadcastScalarToVector256(xScale);
        Fma.MultiplyAdd(Vector256.ConvertToSingle(a0), scale0 * s, Vector256.Load(sums)).Store(sums);
        Fma.MultiplyAdd(Vector256.ConvertToSingle(a1), scale1 * s, Vector256.Load(sums + 8)).Store(sums + 8);
    }
}

/// <summary>Scales of panels, kept in F16.</summary>
internal static unsafe class HalfScales
{
    /// <summary>Expands the scales of some groups of a panel.</summary>
    public static void Expand(ushort* scales, int groups, float* target)
    {
        for (nint i = 0; i < groups * PanelLayout.PanelOutputs; i += 8)
        {
            Simd256.LoadHalf(scales + i).Store(target + i);
        }
    }
}
