using System;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Quire.Cpu.Kernels.Panels;

/// <summary>
/// The products of <see cref="Blocks256{TQuants}"/> for blocks of four rows: some blocks of a panel at a time are expanded in the first-level
/// cache, a byte a weight, and multiplied with all rows.
/// </summary>
internal static unsafe class BlockTiles256<TQuants>
    where TQuants : struct, IBlockQuants
{
    /// <summary>Groups that are expanded at a time: 16 KiB.</summary>
    private const int ChunkGroups = 32;

    private const int Outputs = PanelLayout.PanelOutputs;
    private const int Rows = 4;
    private const int LowBytes = Outputs * PanelLayout.GroupInputs / 2;
    private const int ExpandedGroup = 2 * LowBytes;
    private const int ExpandedBytes = ChunkGroups * ExpandedGroup;

    /// <summary>Of each group: pairs of its scales for the first half and the second, and minima as floats.</summary>
    private const int ScaleBytes = 2 * Outputs * sizeof(int);
    private const int MinimumBytes = Outputs * sizeof(float);

    /// <summary>Of each block: the factors of scales and of minima.</summary>
    private const int FactorBytes = 2 * Outputs * sizeof(float);

    public const long ScratchBytes = ExpandedBytes + ChunkGroups * (ScaleBytes + MinimumBytes + FactorBytes);

    private static bool HasHalves => TQuants.Bits != 4;

    private static int UnitQuads => HasHalves ? PanelLayout.GroupQuads / 2 : PanelLayout.GroupQuads;

    private static int GroupBytes => Outputs * PanelLayout.GroupInputs / 8 * TQuants.Bits;

    /// <param name="operands">x in blocks of four rows.</param>
    /// <param name="w">The panel.</param>
    /// <param name="block">First block of rows.</param>
    /// <param name="blocks">Blocks of rows.</param>
    /// <param name="sums">[rows, 16], cleared.</param>
    /// <param name="scratch">Memory of this worker.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Multiply(ref readonly PanelOperands operands, byte* w, int block, int blocks, float* sums, byte* scratch)
    {
        PanelInput x = operands.X;
        int groups = operands.Groups;
        int blockGroups = operands.BlockGroups;
        int chunkGroups = ChunkGroups / blockGroups * blockGroups;
        nint blockBytes = TQuants.ParameterBytes + (nint)blockGroups * GroupBytes;
        for (int group = 0; group < groups; group += chunkGroups)
        {
            int count = Math.Min(chunkGroups, groups - group);
            for (int i = 0; i < count; i += blockGroups, w += blockBytes)
            {
                Expand(w, i, i / blockGroups, blockGroups, scratch);
            }

            for (int i = 0; i < blocks; i++)
            {
                nint first = (nint)(block + i) * groups + group;
                Chunk(
                    scratch,
                    x.Values + (block + i) * x.BlockBytes + (nint)group * PanelLayout.GroupInputs * Rows,
                    x.Scales + first * Rows,
                    x.Offsets + first * Rows * (HasHalves ? 2 : 1),
                    x.Sums + first * Rows,
                    count,
                    blockGroups,
                    sums + i * Rows * Outputs);
            }
        }
    }

    /// <summary>One byte a weight, the quads of a group in order; pairs of scales; minima; factors.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    [SkipLocalsInit]
    private static void Expand(byte* w, int firstGroup, int block, int blockGroups, byte* scratch)
    {
        BlockParameters parameters;
        TQuants.Expand(w, &parameters);
        w += TQuants.ParameterBytes;
        byte* scales = scratch + ExpandedBytes + firstGroup * ScaleBytes;
        float* minima = (float*)(scratch + ExpandedBytes + ChunkGroups * ScaleBytes) + firstGroup * Outputs;
        float* factors = (float*)(scratch + ExpandedBytes + ChunkGroups * (ScaleBytes + MinimumBytes)) + block * 2 * Outputs;
        for (nint i = 0; i < Outputs; i += 8)
        {
            Vector256.Load(parameters.Scale + i).Store(factors + i);
            if (TQuants.HasMinima)
            {
                Vector256.Load(parameters.Minimum + i).Store(factors + Outputs + i);
            }
        }

        byte* unitScales = parameters.UnitScales;
        byte* target = scratch + firstGroup * ExpandedGroup;
        for (int group = 0; group < blockGroups; group++, w += GroupBytes, target += ExpandedGroup)
        {
            if (TQuants.Scales != UnitScales.None)
            {
                for (int half = 0; half < (TQuants.Scales == UnitScales.OfHalves ? 2 : 1); half++, unitScales += Outputs)
                {
                    (Vector256<short> s0, Vector256<short> s1) = UnitScale<TQuants>.Pairs(unitScales);
                    s0.Store((short*)(scales + group * ScaleBytes + half * 64));
                    s1.Store((short*)(scales + group * ScaleBytes + half * 64 + 32));
                }
            }

            if (TQuants.HasMinima)
            {
                byte* bytes = parameters.Minima + group * Outputs;
                Vector256.ConvertToSingle(Avx2.ConvertToVector256Int32(bytes)).Store(minima + group * Outputs);
                Vector256.ConvertToSingle(Avx2.ConvertToVector256Int32(bytes + 8)).Store(minima + group * Outputs + 8);
            }

            if (TQuants.Bits == 3)
            {
                ExpandThrees(w, target);
            }
            else
            {
                ExpandGroup(w, target);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void ExpandGroup(byte* w, byte* target)
    {
        Vector256<byte> low = Vector256.Create((byte)15);
        Vector256<byte> high = Vector256.Create((byte)(TQuants.Bits == 5 ? 0x10 : 0x30));
        for (nint lane = 0; lane < 64; lane += 32)
        {
            Vector256<ushort> h = TQuants.Bits == 4 ? default : Vector256.Load(w + LowBytes + lane).AsUInt16();
            Vector256<ushort> g = TQuants.Bits == 4 ? default : TQuants.Bits == 5 ? h >>> 4 : Vector256.Load(w + LowBytes + 64 + lane).AsUInt16();
            for (nint quad = 0; quad < 4; quad++)
            {
                Vector256<byte> pairs = Vector256.Load(w + 64 * quad + lane);
                Vector256<byte> first = pairs & low;
                Vector256<byte> second = (pairs.AsUInt16() >>> 4).AsByte() & low;
                if (TQuants.Bits > 4)
                {
                    first |= (h << 4).AsByte() & high;
                    second |= (g << 4).AsByte() & high;
                    h >>>= TQuants.Bits - 4;
                    g >>>= TQuants.Bits - 4;
                }

                first.Store(target + 64 * quad + lane);
                second.Store(target + LowBytes + 64 * quad + lane);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void ExpandThrees(byte* w, byte* target)
    {
        Vector256<byte> low = Vector256.Create((byte)3);
        Vector256<byte> high = Vector256.Create((byte)4);
        for (nint lane = 0; lane < 64; lane += 32)
        {
            Vector256<ushort> l = Vector256.Load(w + lane).AsUInt16();
            Vector256<ushort> m = Vector256.Load(w + 64 + lane).AsUInt16();
            Vector256<ushort> h = Vector256.Load(w + 128 + lane).AsUInt16();
            Vector256<ushort> g = h >>> 4;
            for (nint quad = 0; quad < 4; quad++)
            {
                ((l.AsByte() & low) | ((h << 2).AsByte() & high)).Store(target + 64 * quad + lane);
                ((m.AsByte() & low) | ((g << 2).AsByte() & high)).Store(target + LowBytes + 64 * quad + lane);
                l >>>= 2;
                m >>>= 2;
                h >>>= 1;
                g >>>= 1;
            }
        }
    }

    /// <summary>Four rows of x with an expanded chunk of 16 outputs, added to the sums.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    [SkipLocalsInit]
    private static void Chunk(byte* w, byte* x, float* xScales, int* xOffsets, float* xSums, int groups, int blockGroups, float* sums)
    {
        float* t = stackalloc float[Rows * Outputs];
        byte* scales = w + ExpandedBytes;
        float* minima = (float*)(w + ExpandedBytes + ChunkGroups * ScaleBytes);
        float* factors = (float*)(w + ExpandedBytes + ChunkGroups * (ScaleBytes + MinimumBytes));
        for (int start = 0; start < groups; start += blockGroups, factors += 2 * Outputs)
        {
            Block(w, x, xScales, xOffsets, scales, blockGroups, t);
            w += blockGroups * ExpandedGroup;
            x += blockGroups * PanelLayout.GroupInputs * Rows;
            xScales += blockGroups * Rows;
            xOffsets += blockGroups * Rows * (HasHalves ? 2 : 1);
            scales += blockGroups * ScaleBytes;
            Vector256<float> s0 = Vector256.Load(factors);
            Vector256<float> s1 = Vector256.Load(factors + 8);
            for (nint row = 0; row < Rows * Outputs; row += Outputs)
            {
                Fma.MultiplyAdd(s0, Vector256.Load(t + row), Vector256.Load(sums + row)).Store(sums + row);
                Fma.MultiplyAdd(s1, Vector256.Load(t + row + 8), Vector256.Load(sums + row + 8)).Store(sums + row + 8);
            }

            if (TQuants.HasMinima)
            {
                Minima(minima, factors + Outputs, xSums, blockGroups, sums);
                minima += blockGroups * Outputs;
                xSums += blockGroups * Rows;
            }
        }
    }

    /// <summary>t = what the units of a block add up to. A method of its own, so that the addresses of the inner loop stay in registers.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static void Block(byte* w, byte* x, float* xScales, int* xOffsets, byte* scales, int groups, float* t)
    {
        for (nint i = 0; i < Rows * Outputs; i += 8)
        {
            Vector256<float>.Zero.Store(t + i);
        }

        for (int group = 0; group < groups; group++, scales += ScaleBytes, xScales += Rows)
        {
            Unit(w, x, xOffsets, scales, xScales, t);
            w += UnitQuads * 64;
            x += UnitQuads * 4 * Rows;
            xOffsets += Rows;
            if (HasHalves)
            {
                Unit(w, x, xOffsets, TQuants.Scales == UnitScales.OfHalves ? scales + 64 : scales, xScales, t);
                w += UnitQuads * 64;
                x += UnitQuads * 4 * Rows;
                xOffsets += Rows;
            }
        }
    }

    /// <summary>t[row] += the unit's products · its scale · that of x.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Unit(byte* w, byte* x, int* xOffsets, byte* scales, float* xScales, float* t)
    {
        Vector256<short> a0 = default, b0 = default, c0 = default, d0 = default;
        if (TQuants.ZeroPoint != 0)
        {
            a0 = Avx2.BroadcastScalarToVector256(xOffsets).AsInt16();
            b0 = Avx2.BroadcastScalarToVector256(xOffsets + 1).AsInt16();
            c0 = Avx2.BroadcastScalarToVector256(xOffsets + 2).AsInt16();
            d0 = Avx2.BroadcastScalarToVector256(xOffsets + 3).AsInt16();
        }

        Vector256<short> a1 = a0, b1 = b0, c1 = c0, d1 = d0;
        for (int quad = 0; quad < UnitQuads; quad += 2, w += 128, x += 8 * Rows)
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
        Vector256<short> s0 = TQuants.Scales == UnitScales.None ? ones : Vector256.Load((short*)scales);
        Vector256<short> s1 = TQuants.Scales == UnitScales.None ? ones : Vector256.Load((short*)scales + 16);
        Add(a0, a1, s0, s1, xScales, t);
        Add(b0, b1, s0, s1, xScales + 1, t + Outputs);
        Add(c0, c1, s0, s1, xScales + 2, t + 2 * Outputs);
        Add(d0, d1, s0, s1, xScales + 3, t + 3 * Outputs);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Add(Vector256<short> a0, Vector256<short> a1, Vector256<short> s0, Vector256<short> s1, float* xScale, float* t)
    {
        Vector256<float> s = Avx.BroadcastScalarToVector256(xScale);
        Fma.MultiplyAdd(Vector256.ConvertToSingle(Avx2.MultiplyAddAdjacent(a0, s0)), s, Vector256.Load(t)).Store(t);
        Fma.MultiplyAdd(Vector256.ConvertToSingle(Avx2.MultiplyAddAdjacent(a1, s1)), s, Vector256.Load(t + 8)).Store(t + 8);
    }

    /// <summary>Takes the minima of a block from the sums of four rows.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static void Minima(float* minima, float* factor, float* xSums, int groups, float* sums)
    {
        Vector256<float> a0 = default, b0 = default, c0 = default, d0 = default;
        Vector256<float> a1 = default, b1 = default, c1 = default, d1 = default;
        for (int group = 0; group < groups; group++, minima += Outputs, xSums += Rows)
        {
            Vector256<float> m0 = Vector256.Load(minima);
            Vector256<float> m1 = Vector256.Load(minima + 8);
            Vector256<float> s = Avx.BroadcastScalarToVector256(xSums);
            a0 = Fma.MultiplyAdd(m0, s, a0);
            a1 = Fma.MultiplyAdd(m1, s, a1);
            s = Avx.BroadcastScalarToVector256(xSums + 1);
            b0 = Fma.MultiplyAdd(m0, s, b0);
            b1 = Fma.MultiplyAdd(m1, s, b1);
            s = Avx.BroadcastScalarToVector256(xSums + 2);
            c0 = Fma.MultiplyAdd(m0, s, c0);
            c1 = Fma.MultiplyAdd(m1, s, c1);
            s = Avx.BroadcastScalarToVector256(xSums + 3);
            d0 = Fma.MultiplyAdd(m0, s, d0);
            d1 = Fma.MultiplyAdd(m1, s, d1);
        }

        Subtract(a0, a1, factor, sums);
        Subtract(b0, b1, factor, sums + Outputs);
        Subtract(c0, c1, factor, sums + 2 * Outputs);
        Subtract(d0, d1, factor, sums + 3 * Outputs);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Subtract(Vector256<float> u0, Vector256<float> u1, float* factor, float* sums)
    {
        Fma.MultiplyAddNegated(Vector256.Load(factor), u0, Vector256.Load(sums)).Store(sums);
        Fma.MultiplyAddNegated(Vector256.Load(factor + 8), u1, Vector256.Load(sums + 8)).Store(sums + 8);
    }
}
