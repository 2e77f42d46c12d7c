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

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
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
        var parameters = new AffineParameters(in operands, panel);
        Vector256<float> f0 = default, f1 = default;
        for (int start = 0; start < groups; start += blockGroups)
        {
            nint index = parameters.IndexOf(start / blockGroups);
            Vector256<int> z0 = parameters.MinusZero<TIntegers>(index);
            Vector256<int> z1 = parameters.MinusZero<TIntegers>(index + 8);
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

            f0 = Fma.MultiplyAdd(parameters.Scale(index), t0, f0);
            f1 = Fma.MultiplyAdd(parameters.Scale(index + 8), t1, f1);
        }

        f0.Store(sums);
        f1.Store(sums + 8);
    }
}

/// <summary>
/// Scales and zero points of the blocks of a panel: [groups of the checkpoint, 16]. A copy of what <see cref="PanelOperands"/> says, since those
/// lie on the stack of the thread that handed the work out, whose lines it goes on writing.
/// </summary>
internal readonly unsafe struct AffineParameters(ref readonly PanelOperands operands, int panel)
{
    private readonly nint _first = (nint)panel * operands.ParameterGroups * PanelLayout.PanelOutputs;
    private readonly ushort* _groupOfBlock = operands.GroupOfBlock;
    private readonly ushort* _scales = operands.Scales;
    private readonly byte* _zeros = operands.Zeros;
    private readonly DType _scaleType = operands.ScaleType;

    /// <summary>The place of the first output's parameters.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public nint IndexOf(int block) => _first + _groupOfBlock[block] * PanelLayout.PanelOutputs;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public Vector256<float> Scale(nint index) => _scaleType switch
    {
        DType.F16 => Simd256.LoadHalf(_scales + index),
        DType.BF16 => Simd256.LoadBFloat16(_scales + index),
        _ => Vector256.Load((float*)_scales + index),
    };

    /// <summary>What is added to each stored integer to get the weight without its scale.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public Vector256<int> MinusZero<TIntegers>(nint index)
        where TIntegers : struct, IAffineIntegers => _zeros == null
        ? Vector256.Create(TIntegers.Added - TIntegers.Half)
        : Vector256.Create(TIntegers.Added) - Avx2.ConvertToVector256Int32(_zeros + index);
}
