using System;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Quire.Cpu.Kernels.Panels;

/// <summary>
/// The products of <see cref="Affine256{TIntegers}"/> for blocks of four rows: some blocks of a panel at a time are expanded to 16 bits in the
/// first-level cache, less their zero points, and multiplied with all rows.
/// </summary>
internal static unsafe class AffineTiles256<TIntegers>
    where TIntegers : struct, IAffineIntegers
{
    /// <summary>Groups that are expanded at a time: 16 KiB.</summary>
    public const int ChunkGroups = 16;

    private const int Outputs = PanelLayout.PanelOutputs;
    private const int Rows = 4;
    private const int ExpandedGroup = Outputs * PanelLayout.GroupInputs;
    private const int ExpandedBytes = ChunkGroups * ExpandedGroup * sizeof(short);

    public const long ScratchBytes = ExpandedBytes + ChunkGroups * Outputs * sizeof(float);

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Multiply(ref readonly PanelOperands operands, int panel, int block, int blocks, float* sums, byte* scratch)
    {
        PanelInput x = operands.X;
        int groups = operands.Groups;
        int blockGroups = operands.BlockGroups;
        int chunkGroups = ChunkGroups / blockGroups * blockGroups;
        byte* w = operands.Values + panel * (groups * (nint)TIntegers.GroupBytes);
        float* factors = (float*)(scratch + ExpandedBytes);
        for (int group = 0; group < groups; group += chunkGroups)
        {
            int count = Math.Min(chunkGroups, groups - group);
            Expand(in operands, w + group * (nint)TIntegers.GroupBytes, panel, group, count, (short*)scratch, factors);
            for (int i = 0; i < blocks; i++)
            {
                Chunk(
                    (short*)scratch,
                    factors,
                    x.Values + (block + i) * x.BlockBytes + (nint)group * PanelLayout.GroupInputs * sizeof(short) * Rows,
                    x.Scales + ((nint)(block + i) * groups + group) * Rows,
                    count,
                    blockGroups,
                    sums + i * Rows * Outputs);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Expand(ref readonly PanelOperands operands, byte* w, int panel, int group, int count, short* target, float* factors)
    {
        int blockGroups = operands.BlockGroups;
        var parameters = new AffineParameters(in operands, panel);
        for (int start = 0; start < count; start += blockGroups, factors += Outputs)
        {
            nint index = parameters.IndexOf((group + start) / blockGroups);
            parameters.Scale(index).Store(factors);
            parameters.Scale(index + 8).Store(factors + 8);
            Vector256<int> z0 = parameters.MinusZero<TIntegers>(index);
            Vector256<int> z1 = parameters.MinusZero<TIntegers>(index + 8);
            for (int i = 0; i < blockGroups; i++, w += TIntegers.GroupBytes, target += ExpandedGroup)
            {
                TIntegers.Expand(w, z0, z1, target);
            }
        }
    }

    /// <summary>Four rows of x with an expanded chunk of 16 outputs, added to the sums.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    [SkipLocalsInit]
    private static void Chunk(short* w, float* factors, byte* x, float* xScales, int groups, int blockGroups, float* sums)
    {
        float* t = stackalloc float[Rows * Outputs];
        for (int start = 0; start < groups; start += blockGroups, factors += Outputs)
        {
            Block(w, x, xScales, blockGroups, t);
            w += blockGroups * ExpandedGroup;
            x += blockGroups * PanelLayout.GroupInputs * sizeof(short) * Rows;
            xScales += blockGroups * Rows;
            Vector256<float> s0 = Vector256.Load(factors);
            Vector256<float> s1 = Vector256.Load(factors + 8);
            for (nint row = 0; row < Rows * Outputs; row += Outputs)
            {
                Fma.MultiplyAdd(s0, Vector256.Load(t + row), Vector256.Load(sums + row)).Store(sums + row);
                Fma.MultiplyAdd(s1, Vector256.Load(t + row + 8), Vector256.Load(sums + row + 8)).Store(sums + row + 8);
            }
        }
    }

    /// <summary>t = what the groups of a block add up to. A method of its own, so that the addresses of the inner loop stay in registers.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static void Block(short* w, byte* x, float* xScales, int groups, float* t)
    {
        for (nint i = 0; i < Rows * Outputs; i += 8)
        {
            Vector256<float>.Zero.Store(t + i);
        }

        for (int group = 0; group < groups; group++, xScales += Rows)
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

            Add(a0, a1, xScales, t);
            Add(b0, b1, xScales + 1, t + Outputs);
            Add(c0, c1, xScales + 2, t + 2 * Outputs);
            Add(d0, d1, xScales + 3, t + 3 * Outputs);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Add(Vector256<int> a0, Vector256<int> a1, float* xScale, float* t)
    {
        Vector256<float> s = Avx.BroadcastScalarToVector256(xScale);
        Fma.MultiplyAdd(Vector256.ConvertToSingle(a0), s, Vector256.Load(t)).Store(t);
        Fma.MultiplyAdd(Vector256.ConvertToSingle(a1), s, Vector256.Load(t + 8)).Store(t + 8);
    }
}
