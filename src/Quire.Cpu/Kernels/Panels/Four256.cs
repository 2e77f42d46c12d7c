using System;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Quire.Cpu.Simd;

namespace Quire.Cpu.Kernels.Panels;

/// <summary>
/// Weights of 4 bits on AVX2, as whole numbers from 0 to 15. A group is added up in 16 bits: 15 · 127 · 2 · 8 &lt; 2¹⁵, and the offset of x
/// that the sums begin with keeps every lane below 8 · 127 · 16 in the end; what is beyond in between wraps around and comes back.
/// </summary>
internal readonly unsafe struct Four256 : IPanelKernel
{
    /// <summary>Groups that are expanded at a time: 16 KiB.</summary>
    private const int ChunkGroups = 32;

    private const int GroupBytes = PanelLayout.PanelOutputs * PanelLayout.GroupInputs / 2;
    private const int ExpandedBytes = ChunkGroups * GroupBytes * 2;
    private const int Outputs = PanelLayout.PanelOutputs;

    public static PanelFormat Format => PanelFormat.Integers4;

    public static long ScratchBytes => ExpandedBytes + ChunkGroups * Outputs * sizeof(float);

    public static PanelInput Input(int rows) => new() { Form = PanelInputForm.Bytes, BlockRows = rows <= 2 ? rows : 4 };

    public static void ExpandRow(ref readonly PanelRows weight, int output, float* target) => weight.Expand(Format, output, target);

    public static void Multiply(ref readonly PanelOperands operands, int panel, int block, int blocks, float* sums, byte* scratch)
    {
        int groups = operands.Groups;
        byte* quants = operands.Values + (nint)panel * groups * GroupBytes;
        ushort* scales = operands.Scales + (nint)panel * groups * Outputs;
        PanelInput x = operands.X;
        nint parameters = (nint)block * groups * x.BlockRows;
        byte* values = x.Values + block * x.BlockBytes;
        switch (x.BlockRows)
        {
            case 1:
                One(quants, scales, values, x.Scales + parameters, x.Offsets + parameters, groups, sums);
                return;
            case 2:
                Two(quants, scales, values, x.Scales + parameters, x.Offsets + parameters, groups, sums);
                return;
        }

        float* expandedScales = (float*)(scratch + ExpandedBytes);
        new Span<float>(sums, 4 * blocks * Outputs).Clear();
        for (int group = 0; group < groups; group += ChunkGroups)
        {
            int count = Math.Min(ChunkGroups, groups - group);
            Expand(quants + (nint)group * GroupBytes, count, scratch);
            HalfScales.Expand(scales + (nint)group * Outputs, count, expandedScales);
            for (int i = 0; i < blocks; i++)
            {
                nint index = parameters + ((nint)i * groups + group) * 4;
                Four(
                    scratch,
                    expandedScales,
                    values + i * x.BlockBytes + (nint)group * PanelLayout.GroupInputs * 4,
                    x.Scales + index,
                    x.Offsets + index,
                    count,
                    sums + i * 4 * Outputs);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void One(byte* w, ushort* scales, byte* x, float* xScales, int* xOffsets, int groups, float* sums)
    {
        Vector256<byte> low = Vector256.Create((byte)15);
        Vector256<float> f0 = default, f1 = default;
        for (int group = 0; group < groups; group++, w += GroupBytes, x += PanelLayout.GroupInputs)
        {
            Vector256<short> a0 = Avx2.BroadcastScalarToVector256(xOffsets + group).AsInt16();
            Vector256<short> a1 = a0;
            for (nint quad = 0; quad < PanelLayout.GroupQuads / 2; quad++)
            {
                Vector256<sbyte> u = Avx2.BroadcastScalarToVector256((int*)x + quad).AsSByte();
                Vector256<sbyte> v = Avx2.BroadcastScalarToVector256((int*)x + quad + 4).AsSByte();
                Vector256<byte> w0 = Vector256.Load(w + 64 * quad);
                Vector256<byte> w1 = Vector256.Load(w + 64 * quad + 32);
                a0 += Avx2.MultiplyAddAdjacent(w0 & low, u);
                a1 += Avx2.MultiplyAddAdjacent(w1 & low, u);
                a0 += Avx2.MultiplyAddAdjacent((w0.AsUInt16() >> 4).AsByte() & low, v);
                a1 += Avx2.MultiplyAddAdjacent((w1.AsUInt16() >> 4).AsByte() & low, v);
            }

            Vector256<float> s = Avx.BroadcastScalarToVector256(xScales + group);
            f0 = Fma.MultiplyAdd(Sum(a0), Simd256.LoadHalf(scales + group * Outputs) * s, f0);
            f1 = Fma.MultiplyAdd(Sum(a1), Simd256.LoadHalf(scales + group * Outputs + 8) * s, f1);
        }

        f0.Store(sums);
        f1.Store(sums + 8);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Two(byte* w, ushort* scales, byte* x, float* xScales, int* xOffsets, int groups, float* sums)
    {
        Vector256<byte> low = Vector256.Create((byte)15);
        Vector256<float> f0 = default, f1 = default, g0 = default, g1 = default;
        for (int group = 0; group < groups; group++, w += GroupBytes, x += 2 * PanelLayout.GroupInputs)
        {
            Vector256<short> a0 = Avx2.BroadcastScalarToVector256(xOffsets + 2 * group).AsInt16();
            Vector256<short> a1 = a0;
            Vector256<short> b0 = Avx2.BroadcastScalarToVector256(xOffsets + 2 * group + 1).AsInt16();
            Vector256<short> b1 = b0;
            for (nint quad = 0; quad < PanelLayout.GroupQuads / 2; quad++)
            {
                Vector256<byte> w0 = Vector256.Load(w + 64 * quad);
                Vector256<byte> w1 = Vector256.Load(w + 64 * quad + 32);
                Vector256<sbyte> u = Avx2.BroadcastScalarToVector256((int*)x + 2 * quad).AsSByte();
                Vector256<sbyte> v = Avx2.BroadcastScalarToVector256((int*)x + 2 * quad + 1).AsSByte();
                a0 += Avx2.MultiplyAddAdjacent(w0 & low, u);
                a1 += Avx2.MultiplyAddAdjacent(w1 & low, u);
                b0 += Avx2.MultiplyAddAdjacent(w0 & low, v);
                b1 += Avx2.MultiplyAddAdjacent(w1 & low, v);
                w0 = (w0.AsUInt16() >> 4).AsByte() & low;
                w1 = (w1.AsUInt16() >> 4).AsByte() & low;
                u = Avx2.BroadcastScalarToVector256((int*)x + 2 * quad + 8).AsSByte();
                v = Avx2.BroadcastScalarToVector256((int*)x + 2 * quad + 9).AsSByte();
                a0 += Avx2.MultiplyAddAdjacent(w0, u);
                a1 += Avx2.MultiplyAddAdjacent(w1, u);
                b0 += Avx2.MultiplyAddAdjacent(w0, v);
                b1 += Avx2.MultiplyAddAdjacent(w1, v);
            }

            Vector256<float> s = Avx.BroadcastScalarToVector256(xScales + 2 * group);
            Vector256<float> t = Avx.BroadcastScalarToVector256(xScales + 2 * group + 1);
            Vector256<float> scale = Simd256.LoadHalf(scales + group * Outputs);
            f0 = Fma.MultiplyAdd(Sum(a0), scale * s, f0);
            g0 = Fma.MultiplyAdd(Sum(b0), scale * t, g0);
            scale = Simd256.LoadHalf(scales + group * Outputs + 8);
            f1 = Fma.MultiplyAdd(Sum(a1), scale * s, f1);
            g1 = Fma.MultiplyAdd(Sum(b1), scale * t, g1);
        }

        f0.Store(sums);
        f1.Store(sums + 8);
        g0.Store(sums + 16);
        g1.Store(sums + 24);
    }

    /// <summary>One byte a weight, the quads of a group in order.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Expand(byte* quants, int groups, byte* target)
    {
        Vector256<byte> low = Vector256.Create((byte)15);
        for (int group = 0; group < groups; group++, quants += GroupBytes, target += 2 * GroupBytes)
        {
            for (nint i = 0; i < GroupBytes; i += 32)
            {
                Vector256<byte> pairs = Vector256.Load(quants + i);
                (pairs & low).Store(target + i);
                ((pairs.AsUInt16() >> 4).AsByte() & low).Store(target + GroupBytes + i);
            }
        }
    }

    /// <summary>Four rows of x with an expanded chunk of 16 outputs, added to the sums.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Four(byte* w, float* scales, byte* x, float* xScales, int* xOffsets, int groups, float* sums)
    {
        for (int group = 0; group < groups; group++, scales += Outputs, xScales += 4, xOffsets += 4)
        {
            Vector256<short> a0 = Avx2.BroadcastScalarToVector256(xOffsets).AsInt16();
            Vector256<short> b0 = Avx2.BroadcastScalarToVector256(xOffsets + 1).AsInt16();
            Vector256<short> c0 = Avx2.BroadcastScalarToVector256(xOffsets + 2).AsInt16();
            Vector256<short> d0 = Avx2.BroadcastScalarToVector256(xOffsets + 3).AsInt16();
            Vector256<short> a1 = a0, b1 = b0, c1 = c0, d1 = d0;
            for (nint quad = 0; quad < PanelLayout.GroupQuads; quad += 2, w += 128, x += 32)
            {
                Vector256<byte> w0 = Vector256.Load(w);
                Vector256<byte> w1 = Vector256.Load(w + 32);
                Vector256<sbyte> v = Avx2.BroadcastScalarToVector256((int*)x).AsSByte();
                a0 += Avx2.MultiplyAddAdjacent(w0, v);
                a1 += Avx2.MultiplyAddAdjacent(w1, v);
                v = Avx2.BroadcastScalarToVector256((int*)x + 1).AsSByte();
                b0 += Avx2.MultiplyAddAdjacent(w0, v);
                b1 += Avx2.MultiplyAddAdjacent(w1, v);
                v = Avx2.BroadcastScalarToVector256((int*)x + 2).AsSByte();
                c0 += Avx2.MultiplyAddAdjacent(w0, v);
                c1 += Avx2.MultiplyAddAdjacent(w1, v);
                v = Avx2.BroadcastScalarToVector256((int*)x + 3).AsSByte();
                d0 += Avx2.MultiplyAddAdjacent(w0, v);
                d1 += Avx2.MultiplyAddAdjacent(w1, v);

                w0 = Vector256.Load(w + 64);
                w1 = Vector256.Load(w + 96);
                v = Avx2.BroadcastScalarToVector256((int*)x + 4).AsSByte();
                a0 += Avx2.MultiplyAddAdjacent(w0, v);
                a1 += Avx2.MultiplyAddAdjacent(w1, v);
                v = Avx2.BroadcastScalarToVector256((int*)x + 5).AsSByte();
                b0 += Avx2.MultiplyAddAdjacent(w0, v);
                b1 += Avx2.MultiplyAddAdjacent(w1, v);
                v = Avx2.BroadcastScalarToVector256((int*)x + 6).AsSByte();
                c0 += Avx2.MultiplyAddAdjacent(w0, v);
                c1 += Avx2.MultiplyAddAdjacent(w1, v);
                v = Avx2.BroadcastScalarToVector256((int*)x + 7).AsSByte();
                d0 += Avx2.MultiplyAddAdjacent(w0, v);
                d1 += Avx2.MultiplyAddAdjacent(w1, v);
            }

            Vector256<short> ones = Vector256.Create((short)1);
            Vector256<float> s0 = Vector256.Load(scales);
            Vector256<float> s1 = Vector256.Load(scales + 8);
            Accumulate256.Add(Avx2.MultiplyAddAdjacent(a0, ones), Avx2.MultiplyAddAdjacent(a1, ones), s0, s1, xScales, sums);
            Accumulate256.Add(Avx2.MultiplyAddAdjacent(b0, ones), Avx2.MultiplyAddAdjacent(b1, ones), s0, s1, xScales + 1, sums + Outputs);
            Accumulate256.Add(Avx2.MultiplyAddAdjacent(c0, ones), Avx2.MultiplyAddAdjacent(c1, ones), s0, s1, xScales + 2, sums + 2 * Outputs);
            Accumulate256.Add(Avx2.MultiplyAddAdjacent(d0, ones), Avx2.MultiplyAddAdjacent(d1, ones), s0, s1, xScales + 3, sums + 3 * Outputs);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> Sum(Vector256<short> pairs) =>
        Vector256.ConvertToSingle(Avx2.MultiplyAddAdjacent(pairs, Vector256.Create((short)1)));
}
