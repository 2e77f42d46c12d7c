using System;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Quire.Cpu.Simd;

namespace Quire.Cpu.Kernels.Panels;

/// <summary>
/// Weights of 8 bits on AVX2. One and two rows are multiplied straight from the packed bytes; since the bytes of one side must be
/// unsigned, the sign of a weight is moved to x, and no pair exceeds 128 · 127 · 2 &lt; 2¹⁵. For more rows a chunk of a panel is expanded to
/// 16 bits in the first-level cache, which needs half of the instructions a product.
/// </summary>
internal readonly unsafe struct Eight256 : IPanelKernel
{
    /// <summary>Groups that are expanded at a time: 16 KiB.</summary>
    private const int ChunkGroups = 16;

    private const int ExpandedGroup = PanelLayout.PanelOutputs * PanelLayout.GroupInputs;
    private const int ExpandedBytes = ChunkGroups * ExpandedGroup * sizeof(short);
    private const int Outputs = PanelLayout.PanelOutputs;

    public static PanelFormat Format => PanelFormat.Integers8;

    public static long ScratchBytes => ExpandedBytes + ChunkGroups * Outputs * sizeof(float);

    public static PanelInput Input(int rows) =>
        rows <= 2 ? new() { Form = PanelInputForm.Bytes, BlockRows = rows } : new() { Form = PanelInputForm.Words, BlockRows = 4 };

    public static void ExpandRow(ref readonly PanelRows weight, int output, float* target) => weight.Expand(Format, output, target);

    public static void Multiply(ref readonly PanelOperands operands, int panel, int block, int blocks, float* sums, byte* scratch)
    {
        int groups = operands.Groups;
        byte* quants = operands.Values + (nint)panel * groups * ExpandedGroup;
        ushort* scales = operands.Scales + (nint)panel * groups * Outputs;
        PanelInput x = operands.X;
        nint parameters = (nint)block * groups * x.BlockRows;
        byte* values = x.Values + block * x.BlockBytes;
        switch (x.BlockRows)
        {
            case 1:
                One(quants, scales, values, x.Scales + parameters, groups, sums);
                return;
            case 2:
                Two(quants, scales, values, x.Scales + parameters, groups, sums);
                return;
        }

        short* expanded = (short*)scratch;
        float* expandedScales = (float*)(scratch + ExpandedBytes);
        new Span<float>(sums, 4 * blocks * Outputs).Clear();
        for (int group = 0; group < groups; group += ChunkGroups)
        {
            int count = Math.Min(ChunkGroups, groups - group);
            Expand(quants + (nint)group * ExpandedGroup, count, expanded);
            HalfScales.Expand(scales + (nint)group * Outputs, count, expandedScales);
            for (int i = 0; i < blocks; i++)
            {
                Four(
                    expanded,
                    expandedScales,
                    values + i * x.BlockBytes + (nint)group * PanelLayout.GroupInputs * 8,
                    x.Scales + parameters + ((nint)i * groups + group) * 4,
                    count,
                    sums + i * 4 * Outputs);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void One(byte* w, ushort* scales, byte* x, float* xScales, int groups, float* sums)
    {
        Vector256<short> ones = Vector256.Create((short)1);
        Vector256<float> f0 = default, f1 = default;
        for (int group = 0; group < groups; group++, w += ExpandedGroup, x += PanelLayout.GroupInputs)
        {
            Vector256<int> a0 = default, a1 = default;
            for (nint quad = 0; quad < PanelLayout.GroupQuads; quad++)
            {
                Vector256<sbyte> v = Avx2.BroadcastScalarToVector256((int*)x + quad).AsSByte();
                Vector256<sbyte> w0 = Vector256.Load((sbyte*)w + 64 * quad);
                Vector256<sbyte> w1 = Vector256.Load((sbyte*)w + 64 * quad + 32);
                a0 += Pairs(w0, v, ones);
                a1 += Pairs(w1, v, ones);
            }

            Vector256<float> s = Avx.BroadcastScalarToVector256(xScales + group);
            f0 = Fma.MultiplyAdd(Vector256.ConvertToSingle(a0), Simd256.LoadHalf(scales + group * Outputs) * s, f0);
            f1 = Fma.MultiplyAdd(Vector256.ConvertToSingle(a1), Simd256.LoadHalf(scales + group * Outputs + 8) * s, f1);
        }

        f0.Store(sums);
        f1.Store(sums + 8);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Two(byte* w, ushort* scales, byte* x, float* xScales, int groups, float* sums)
    {
        Vector256<short> ones = Vector256.Create((short)1);
        Vector256<float> f0 = default, f1 = default, g0 = default, g1 = default;
        for (int group = 0; group < groups; group++, w += ExpandedGroup, x += 2 * PanelLayout.GroupInputs)
        {
            Vector256<int> a0 = default, a1 = default, b0 = default, b1 = default;
            for (nint quad = 0; quad < PanelLayout.GroupQuads; quad++)
            {
                Vector256<sbyte> v = Avx2.BroadcastScalarToVector256((int*)x + 2 * quad).AsSByte();
                Vector256<sbyte> u = Avx2.BroadcastScalarToVector256((int*)x + 2 * quad + 1).AsSByte();
                Vector256<sbyte> w0 = Vector256.Load((sbyte*)w + 64 * quad);
                a0 += Pairs(w0, v, ones);
                b0 += Pairs(w0, u, ones);
                Vector256<sbyte> w1 = Vector256.Load((sbyte*)w + 64 * quad + 32);
                a1 += Pairs(w1, v, ones);
                b1 += Pairs(w1, u, ones);
            }

            Vector256<float> s = Avx.BroadcastScalarToVector256(xScales + 2 * group);
            Vector256<float> t = Avx.BroadcastScalarToVector256(xScales + 2 * group + 1);
            Vector256<float> scale = Simd256.LoadHalf(scales + group * Outputs);
            f0 = Fma.MultiplyAdd(Vector256.ConvertToSingle(a0), scale * s, f0);
            g0 = Fma.MultiplyAdd(Vector256.ConvertToSingle(b0), scale * t, g0);
            scale = Simd256.LoadHalf(scales + group * Outputs + 8);
            f1 = Fma.MultiplyAdd(Vector256.ConvertToSingle(a1), scale * s, f1);
            g1 = Fma.MultiplyAdd(Vector256.ConvertToSingle(b1), scale * t, g1);
        }

        f0.Store(sums);
        f1.Store(sums + 8);
        g0.Store(sums + 16);
        g1.Store(sums + 24);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<int> Pairs(Vector256<sbyte> w, Vector256<sbyte> x, Vector256<short> ones) =>
        Avx2.MultiplyAddAdjacent(Avx2.MultiplyAddAdjacent(Avx2.Abs(w), Avx2.Sign(x, w)), ones);

    /// <summary>Of each quad first the inputs 0 and 2 of the 16 outputs, then 1 and 3, as 16-bit numbers.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Expand(byte* quants, int groups, short* target)
    {
        for (nint i = 0; i < groups * ExpandedGroup; i += 64)
        {
            Vector256<short> first = Vector256.Load((short*)(quants + i));
            Vector256<short> second = Vector256.Load((short*)(quants + i + 32));
            (first << 8 >> 8).Store(target + i);
            (second << 8 >> 8).Store(target + i + 16);
            (first >> 8).Store(target + i + 32);
            (second >> 8).Store(target + i + 48);
        }
    }

    /// <summary>Four rows of x with an expanded chunk of 16 outputs, added to the sums.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Four(short* w, float* scales, byte* x, float* xScales, int groups, float* sums)
    {
        for (int group = 0; group < groups; group++, scales += Outputs, xScales += 4)
        {
            Vector256<int> a0 = default, a1 = default, b0 = default, b1 = default;
            Vector256<int> c0 = default, c1 = default, d0 = default, d1 = default;
            for (nint quad = 0; quad < PanelLayout.GroupQuads; quad++, w += 64, x += 32)
            {
                Vector256<short> w0 = Vector256.Load(w);
                Vector256<short> w1 = Vector256.Load(w + 16);
                Vector256<short> v = Avx2.BroadcastScalarToVector256((int*)x).AsInt16();
                a0 += Avx2.MultiplyAddAdjacent(v, w0);
                a1 += Avx2.MultiplyAddAdjacent(v, w1);
                v = Avx2.BroadcastScalarToVector256((int*)x + 2).AsInt16();
                b0 += Avx2.MultiplyAddAdjacent(v, w0);
                b1 += Avx2.MultiplyAddAdjacent(v, w1);
                v = Avx2.BroadcastScalarToVector256((int*)x + 4).AsInt16();
                c0 += Avx2.MultiplyAddAdjacent(v, w0);
                c1 += Avx2.MultiplyAddAdjacent(v, w1);
                v = Avx2.BroadcastScalarToVector256((int*)x + 6).AsInt16();
                d0 += Avx2.MultiplyAddAdjacent(v, w0);
                d1 += Avx2.MultiplyAddAdjacent(v, w1);

                w0 = Vector256.Load(w + 32);
                w1 = Vector256.Load(w + 48);
                v = Avx2.BroadcastScalarToVector256((int*)x + 1).AsInt16();
                a0 += Avx2.MultiplyAddAdjacent(v, w0);
                a1 += Avx2.MultiplyAddAdjacent(v, w1);
                v = Avx2.BroadcastScalarToVector256((int*)x + 3).AsInt16();
                b0 += Avx2.MultiplyAddAdjacent(v, w0);
                b1 += Avx2.MultiplyAddAdjacent(v, w1);
                v = Avx2.BroadcastScalarToVector256((int*)x + 5).AsInt16();
                c0 += Avx2.MultiplyAddAdjacent(v, w0);
                c1 += Avx2.MultiplyAddAdjacent(v, w1);
                v = Avx2.BroadcastScalarToVector256((int*)x + 7).AsInt16();
                d0 += Avx2.MultiplyAddAdjacent(v, w0);
                d1 += Avx2.MultiplyAddAdjacent(v, w1);
            }

            Vector256<float> s0 = Vector256.Load(scales);
            Vector256<float> s1 = Vector256.Load(scales + 8);
            Accumulate256.Add(a0, a1, s0, s1, xScales, sums);
            Accumulate256.Add(b0, b1, s0, s1, xScales + 1, sums + Outputs);
            Accumulate256.Add(c0, c1, s0, s1, xScales + 2, sums + 2 * Outputs);
            Accumulate256.Add(d0, d1, s0, s1, xScales + 3, sums + 3 * Outputs);
        }
    }
}
