using System;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Quire.Cpu.Kernels.Panels;

/// <summary>
/// Weights of BF16 on AVX2, multiplied as floats. One and two rows are multiplied straight from the packed pairs; for more a chunk of a
/// panel is expanded in the first-level cache. The widest tile has 12 accumulators, which cover the latency of two multiply-adds a cycle.
/// </summary>
internal readonly unsafe struct BFloat256 : IPanelKernel
{
    private const int Outputs = PanelLayout.PanelOutputs;
    private const int ChunkInputs = PanelChunks.Groups * PanelLayout.GroupInputs;

    /// <summary>Bytes of two inputs of a panel.</summary>
    private const int PairBytes = 4 * Outputs;

    public static PanelFormat Format => PanelFormat.BFloat16;

    public static long ScratchBytes => ChunkInputs * Outputs * sizeof(float);

    public static PanelInput Input(int rows) => new()
    {
        Form = PanelInputForm.Floats,
        BlockRows = rows <= 2 ? rows : rows is 5 or 6 or 11 or 12 or > 48 ? 6 : 4,
    };

    public static void ExpandRow(ref readonly PanelRows weight, int output, float* target) => weight.Expand(Format, output, target);

    public static void Multiply(ref readonly PanelOperands operands, int panel, int block, int blocks, float* sums, byte* scratch)
    {
        int inputs = operands.Groups * PanelLayout.GroupInputs;
        byte* weights = operands.Values + (nint)panel * inputs * (PairBytes / 2);
        PanelInput x = operands.X;
        byte* values = x.Values + block * x.BlockBytes;
        new Span<float>(sums, x.BlockRows * blocks * Outputs).Clear();
        switch (x.BlockRows)
        {
            case 1:
                One(weights, (float*)values, inputs, sums);
                return;
            case 2:
                Two(weights, (float*)values, inputs, sums);
                return;
        }

        float* expanded = (float*)scratch;
        for (int k = 0; k < inputs; k += ChunkInputs)
        {
            int count = Math.Min(ChunkInputs, inputs - k);
            Expand(weights + (nint)k * (PairBytes / 2), count, expanded);
            for (int i = 0; i < blocks; i++)
            {
                float* start = (float*)(values + i * x.BlockBytes) + (nint)k * x.BlockRows;
                float* target = sums + i * x.BlockRows * Outputs;
                if (x.BlockRows == 6)
                {
                    Six(expanded, start, count, target);
                }
                else
                {
                    Four(expanded, start, count, target);
                }
            }
        }
    }

    /// <summary>Two chunks at a time where there are two: four chains of additions instead of two.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void One(byte* w, float* x, int inputs, float* sums)
    {
        const nint Second = (nint)ChunkInputs * (PairBytes / 2);
        int k = 0;
        for (; k + 2 * ChunkInputs <= inputs; k += 2 * ChunkInputs, w += Second, x += ChunkInputs)
        {
            Vector256<float> a0 = default, a1 = default, b0 = default, b1 = default;
            for (int i = 0; i < ChunkInputs; i += 2, w += PairBytes, x += 2)
            {
                Vector256<float> v = Avx.BroadcastScalarToVector256(x);
                a0 = Fma.MultiplyAdd(v, Even(w), a0);
                a1 = Fma.MultiplyAdd(v, Even(w + 32), a1);
                v = Avx.BroadcastScalarToVector256(x + ChunkInputs);
                b0 = Fma.MultiplyAdd(v, Even(w + Second), b0);
                b1 = Fma.MultiplyAdd(v, Even(w + Second + 32), b1);
                v = Avx.BroadcastScalarToVector256(x + 1);
                a0 = Fma.MultiplyAdd(v, Odd(w), a0);
                a1 = Fma.MultiplyAdd(v, Odd(w + 32), a1);
                v = Avx.BroadcastScalarToVector256(x + ChunkInputs + 1);
                b0 = Fma.MultiplyAdd(v, Odd(w + Second), b0);
                b1 = Fma.MultiplyAdd(v, Odd(w + Second + 32), b1);
            }

            Add(a0, a1, sums);
            Add(b0, b1, sums);
        }

        for (; k < inputs; k += ChunkInputs)
        {
            Vector256<float> a0 = default, a1 = default;
            for (int i = Math.Min(ChunkInputs, inputs - k); i > 0; i -= 2, w += PairBytes, x += 2)
            {
                Vector256<float> v = Avx.BroadcastScalarToVector256(x);
                a0 = Fma.MultiplyAdd(v, Even(w), a0);
                a1 = Fma.MultiplyAdd(v, Even(w + 32), a1);
                v = Avx.BroadcastScalarToVector256(x + 1);
                a0 = Fma.MultiplyAdd(v, Odd(w), a0);
                a1 = Fma.MultiplyAdd(v, Odd(w + 32), a1);
            }

            Add(a0, a1, sums);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Two(byte* w, float* x, int inputs, float* sums)
    {
        for (int k = 0; k < inputs; k += ChunkInputs)
        {
            Vector256<float> a0 = default, a1 = default, b0 = default, b1 = default;
            for (int i = Math.Min(ChunkInputs, inputs - k); i > 0; i -= 2, w += PairBytes, x += 4)
            {
                Vector256<float> u = Avx.BroadcastScalarToVector256(x);
                Vector256<float> v = Avx.BroadcastScalarToVector256(x + 1);
                Vector256<float> w0 = Even(w);
                Vector256<float> w1 = Even(w + 32);
                a0 = Fma.MultiplyAdd(u, w0, a0);
                a1 = Fma.MultiplyAdd(u, w1, a1);
                b0 = Fma.MultiplyAdd(v, w0, b0);
                b1 = Fma.MultiplyAdd(v, w1, b1);
                u = Avx.BroadcastScalarToVector256(x + 2);
                v = Avx.BroadcastScalarToVector256(x + 3);
                w0 = Odd(w);
                w1 = Odd(w + 32);
                a0 = Fma.MultiplyAdd(u, w0, a0);
                a1 = Fma.MultiplyAdd(u, w1, a1);
                b0 = Fma.MultiplyAdd(v, w0, b0);
                b1 = Fma.MultiplyAdd(v, w1, b1);
            }

            Add(a0, a1, sums);
            Add(b0, b1, sums + Outputs);
        }
    }

    /// <summary>[inputs, 16] floats.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Expand(byte* w, int inputs, float* target)
    {
        for (int k = 0; k < inputs; k += 2, w += PairBytes, target += 2 * Outputs)
        {
            Even(w).Store(target);
            Even(w + 32).Store(target + 8);
            Odd(w).Store(target + Outputs);
            Odd(w + 32).Store(target + Outputs + 8);
        }
    }

    /// <summary>Four rows of x with an expanded chunk of 16 outputs, added to the sums.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Four(float* w, float* x, int inputs, float* sums)
    {
        Vector256<float> a0 = default, a1 = default, b0 = default, b1 = default;
        Vector256<float> c0 = default, c1 = default, d0 = default, d1 = default;
        for (int k = 0; k < inputs; k++, w += Outputs, x += 4)
        {
            Vector256<float> w0 = Vector256.Load(w);
            Vector256<float> w1 = Vector256.Load(w + 8);
            Vector256<float> v = Avx.BroadcastScalarToVector256(x);
            a0 = Fma.MultiplyAdd(v, w0, a0);
            a1 = Fma.MultiplyAdd(v, w1, a1);
            v = Avx.BroadcastScalarToVector256(x + 1);
            b0 = Fma.MultiplyAdd(v, w0, b0);
            b1 = Fma.MultiplyAdd(v, w1, b1);
            v = Avx.BroadcastScalarToVector256(x + 2);
            c0 = Fma.MultiplyAdd(v, w0, c0);
            c1 = Fma.MultiplyAdd(v, w1, c1);
            v = Avx.BroadcastScalarToVector256(x + 3);
            d0 = Fma.MultiplyAdd(v, w0, d0);
            d1 = Fma.MultiplyAdd(v, w1, d1);
        }

        Add(a0, a1, sums);
        Add(b0, b1, sums + Outputs);
        Add(c0, c1, sums + 2 * Outputs);
        Add(d0, d1, sums + 3 * Outputs);
    }

    /// <summary>The same with six rows.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Six(float* w, float* x, int inputs, float* sums)
    {
        Vector256<float> a0 = default, a1 = default, b0 = default, b1 = default;
        Vector256<float> c0 = default, c1 = default, d0 = default, d1 = default;
        Vector256<float> e0 = default, e1 = default, f0 = default, f1 = default;
        for (int k = 0; k < inputs; k++, w += Outputs, x += 6)
        {
            Vector256<float> w0 = Vector256.Load(w);
            Vector256<float> w1 = Vector256.Load(w + 8);
            Vector256<float> v = Avx.BroadcastScalarToVector256(x);
            a0 = Fma.MultiplyAdd(v, w0, a0);
            a1 = Fma.MultiplyAdd(v, w1, a1);
            v = Avx.BroadcastScalarToVector256(x + 1);
            b0 = Fma.MultiplyAdd(v, w0, b0);
            b1 = Fma.MultiplyAdd(v, w1, b1);
            v = Avx.BroadcastScalarToVector256(x + 2);
            c0 = Fma.MultiplyAdd(v, w0, c0);
            c1 = Fma.MultiplyAdd(v, w1, c1);
            v = Avx.BroadcastScalarToVector256(x + 3);
            d0 = Fma.MultiplyAdd(v, w0, d0);
            d1 = Fma.MultiplyAdd(v, w1, d1);
            v = Avx.BroadcastScalarToVector256(x + 4);
            e0 = Fma.MultiplyAdd(v, w0, e0);
            e1 = Fma.MultiplyAdd(v, w1, e1);
            v = Avx.BroadcastScalarToVector256(x + 5);
            f0 = Fma.MultiplyAdd(v, w0, f0);
            f1 = Fma.MultiplyAdd(v, w1, f1);
        }

        Add(a0, a1, sums);
        Add(b0, b1, sums + Outputs);
        Add(c0, c1, sums + 2 * Outputs);
        Add(d0, d1, sums + 3 * Outputs);
        Add(e0, e1, sums + 4 * Outputs);
        Add(f0, f1, sums + 5 * Outputs);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Add(Vector256<float> first, Vector256<float> second, float* sums)
    {
        (Vector256.Load(sums) + first).Store(sums);
        (Vector256.Load(sums + 8) + second).Store(sums + 8);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> Even(byte* pairs) => (Vector256.Load((uint*)pairs) << 16).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> Odd(byte* pairs) => (Vector256.Load((uint*)pairs) & Vector256.Create(0xFFFF_0000u)).AsSingle();
}
