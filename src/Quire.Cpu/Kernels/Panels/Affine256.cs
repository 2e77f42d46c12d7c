using System;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Quire.Cpu.Simd;
using Quire.Tensors;

namespace Quire.Cpu.Kernels.Panels;

/// <summary>
/// Integers of 4 or 8 bits with a scale and a zero point for each group of the checkpoint, times inputs of 16 bits, on AVX2. The sum of an
/// output and a row is, over the blocks in order, <c>sum = fma(scale, t, sum)</c> with t = fma(float(integer sum of a group), xScale, t) from
/// zero. Integers are exact in 32 bits: 255 · 32767 · 32 &lt; 2³¹.
/// </summary>
internal readonly unsafe struct Affine256<TIntegers> : IPanelKernel
    where TIntegers : struct, IAffineIntegers
{
    private const int Outputs = PanelLayout.PanelOutputs;

    public static PanelFormat Format => TIntegers.Format;

    public static long ScratchBytes => AffineTiles256<TIntegers>.ScratchBytes;

    public static PanelInput Input(int rows) => new() { Form = PanelInputForm.Wide, BlockRows = rows <= 2 ? 1 : 4 };

    public static void ExpandRow(ref readonly PanelRows weight, int output, float* target) =>
        throw new NotSupportedException("a weight of grouped integers is no embedding");

    public static void Multiply(ref readonly PanelOperands operands, int panel, int block, int blocks, float* sums, byte* scratch)
    {
        new Span<float>(sums, operands.X.BlockRows * blocks * Outputs).Clear();
        if (operands.X.BlockRows > 1)
        {
            AffineTiles256<TIntegers>.Multiply(in operands, panel, block, blocks, sums, scratch);
            return;
        }

        for (int i = 0; i < blocks; i++)
        {
            One(in operands, panel, block + i, sums + i * Outputs);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void One(ref readonly PanelOperands operands, int panel, int row, float* sums)
    {
        int groups = operands.Groups;
        int blockGroups = operands.BlockGroups;
        byte* w = operands.Values + panel * (groups * (nint)TIntegers.GroupBytes);
        byte* x = operands.X.Values + row * operands.X.BlockBytes;
        float* xScales = operands.X.Scales + (nint)row * groups;
        int* xSums = operands.X.Offsets + (nint)row * groups;
        Vector256<float> f0 = default, f1 = default;
        for (int start = 0; start < groups; start += blockGroups)
        {
            nint parameters = AffineParameters.IndexOf(in operands, panel, start / blockGroups);
            Vector256<int> z0 = AffineParameters.MinusZero<TIntegers>(in operands, parameters);
            Vector256<int> z1 = AffineParameters.MinusZero<TIntegers>(in operands, parameters + 8);
            Vector256<float> t0 = default, t1 = default;
            for (int group = 0; group < blockGroups; group++, xScales++, xSums++)
            {
                Vector256<int> sum = Avx2.BroadcastScalarToVector256(xSums);
                Vector256<int> a0 = z0 * sum;
                Vector256<int> a1 = z1 * sum;
                TIntegers.Group(w, (int*)x, ref a0, ref a1);
                w += TIntegers.GroupBytes;
                x += PanelLayout.GroupInputs * sizeof(short);
                Vector256<float> s = Avx.BroadcastScalarToVector256(xScales);
                t0 = Fma.MultiplyAdd(Vector256.ConvertToSingle(a0), s, t0);
                t1 = Fma.MultiplyAdd(Vector256.ConvertToSingle(a1), s, t1);
            }

            f0 = Fma.MultiplyAdd(AffineParameters.Scale(in operands, parameters), t0, f0);
            f1 = Fma.MultiplyAdd(AffineParameters.Scale(in operands, parameters + 8), t1, f1);
        }

        f0.Store(sums);
        f1.Store(sums + 8);
    }
}

/// <summary>Scales and zero points of a block of a panel: [panels, groups of the checkpoint, 16].</summary>
internal static unsafe class AffineParameters
{
    /// <summary>The place of the first output's parameters.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static nint IndexOf(ref readonly PanelOperands operands, int panel, int block) =>
        ((nint)panel * operands.ParameterGroups + operands.GroupOfBlock[block]) * PanelLayout.PanelOutputs;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Scale(ref readonly PanelOperands operands, nint index) => operands.ScaleType switch
    {
        DType.F16 => Simd256.LoadHalf(operands.Scales + index),
        DType.BF16 => Simd256.LoadBFloat16(operands.Scales + index),
        _ => Vector256.Load((float*)operands.Scales + index),
    };

    /// <summary>What is added to each stored integer to get the weight without its scale.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> MinusZero<TIntegers>(ref readonly PanelOperands operands, nint index)
        where TIntegers : struct, IAffineIntegers => operands.Zeros == null
        ? Vector256.Create(TIntegers.Added - TIntegers.Half)
        : Vector256.Create(TIntegers.Added) - Avx2.ConvertToVector256Int32(operands.Zeros + index);
}
