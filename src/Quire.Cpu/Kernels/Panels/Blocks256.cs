using System;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Quire.Cpu.Kernels.Panels;

/// <summary>
/// Products of <see cref="IBlockQuants"/> on AVX2. A unit is added up in 16 bits: of 4-bit weights 15 · 127 · 2 · 8 and of 5-bit ones
/// 31 · 127 · 2 · 4 are below 2¹⁵; where weights are stored above their value, sums begin with the offset of x, which keeps every lane
/// within 32 · 127 · 8 in the end; what is beyond in between wraps around and comes back.
/// </summary>
internal readonly unsafe struct Blocks256<TQuants> : IPanelKernel
    where TQuants : struct, IBlockQuants
{
    private const int Outputs = PanelLayout.PanelOutputs;
    private const int LowBytes = Outputs * PanelLayout.GroupInputs / 2;

    public static PanelFormat Format => TQuants.Format;

    public static long ScratchBytes => BlockTiles256<TQuants>.ScratchBytes;

    private static bool HasHalves => TQuants.Bits != 4;

    private static int GroupBytes => Outputs * PanelLayout.GroupInputs / 8 * TQuants.Bits;

    public static PanelInput Input(int rows) => new()
    {
        Form = PanelInputForm.Bytes,
        BlockRows = rows <= 2 ? 1 : 4,
        HasHalfOffsets = HasHalves,
        HasSums = TQuants.HasMinima,
    };

    public static void ExpandRow(ref readonly PanelRows weight, int output, float* target) => weight.ExpandBlocks<TQuants>(output, target);

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Multiply(ref readonly PanelOperands operands, int panel, int block, int blocks, float* sums, byte* scratch)
    {
        new Span<float>(sums, operands.X.BlockRows * blocks * Outputs).Clear();
        int panelBlocks = operands.Groups / operands.BlockGroups;
        byte* weights = operands.Values + panel * (panelBlocks * (nint)(TQuants.ParameterBytes + operands.BlockGroups * GroupBytes));
        if (operands.X.BlockRows > 1)
        {
            BlockTiles256<TQuants>.Multiply(in operands, weights, block, blocks, sums, scratch);
            return;
        }

        for (int i = 0; i < blocks; i++)
        {
            One(in operands, weights, block + i, sums + i * Outputs);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    [SkipLocalsInit]
    private static void One(ref readonly PanelOperands operands, byte* w, int row, float* sums)
    {
        BlockParameters parameters;
        int groups = operands.Groups;
        int blockGroups = operands.BlockGroups;
        byte* x = operands.X.Values + row * operands.X.BlockBytes;
        float* xScales = operands.X.Scales + (nint)row * groups;
        float* xSums = operands.X.Sums + (nint)row * groups;
        int* xOffsets = operands.X.Offsets + (nint)row * groups * (HasHalves ? 2 : 1);
        for (int start = 0; start < groups; start += blockGroups)
        {
            TQuants.Expand(w, &parameters);
            w += TQuants.ParameterBytes;
            byte* unitScales = parameters.UnitScales;
            Vector256<float> t0 = default, t1 = default;
            for (int group = 0; group < blockGroups; group++, w += GroupBytes, x += PanelLayout.GroupInputs, xScales++)
            {
                Vector256<float> s = Avx.BroadcastScalarToVector256(xScales);
                if (TQuants.Bits == 4)
                {
                    (Vector256<short> a0, Vector256<short> a1) = Fours(w, x);
                    (Vector256<short> s0, Vector256<short> s1) = UnitScale<TQuants>.Pairs(unitScales);
                    t0 = Fma.MultiplyAdd(Vector256.ConvertToSingle(Avx2.MultiplyAddAdjacent(a0, s0)), s, t0);
                    t1 = Fma.MultiplyAdd(Vector256.ConvertToSingle(Avx2.MultiplyAddAdjacent(a1, s1)), s, t1);
                    unitScales += Outputs;
                    continue;
                }

                Vector256<short> o0 = TQuants.ZeroPoint == 0 ? default : Avx2.BroadcastScalarToVector256(xOffsets).AsInt16();
                Vector256<short> o1 = TQuants.ZeroPoint == 0 ? default : Avx2.BroadcastScalarToVector256(xOffsets + 1).AsInt16();
                xOffsets += 2;
                (Vector256<short> b0, Vector256<short> c0) = TQuants.Bits == 3 ? Threes(w, x, o0, o1) : Halves(w, x, o0, o1);
                (Vector256<short> b1, Vector256<short> c1) = TQuants.Bits == 3 ? Threes(w + 32, x, o0, o1) : Halves(w + 32, x, o0, o1);
                (Vector256<short> u0, Vector256<short> u1) = UnitScale<TQuants>.Pairs(unitScales);
                t0 = Fma.MultiplyAdd(Vector256.ConvertToSingle(Avx2.MultiplyAddAdjacent(b0, u0)), s, t0);
                t1 = Fma.MultiplyAdd(Vector256.ConvertToSingle(Avx2.MultiplyAddAdjacent(b1, u1)), s, t1);
                if (TQuants.Scales == UnitScales.OfHalves)
                {
                    (u0, u1) = UnitScale<TQuants>.Pairs(unitScales + Outputs);
                    unitScales += Outputs;
                }

                t0 = Fma.MultiplyAdd(Vector256.ConvertToSingle(Avx2.MultiplyAddAdjacent(c0, u0)), s, t0);
                t1 = Fma.MultiplyAdd(Vector256.ConvertToSingle(Avx2.MultiplyAddAdjacent(c1, u1)), s, t1);
                unitScales += Outputs;
            }

            Vector256<float> f0 = Fma.MultiplyAdd(Vector256.Load(parameters.Scale), t0, Vector256.Load(sums));
            Vector256<float> f1 = Fma.MultiplyAdd(Vector256.Load(parameters.Scale + 8), t1, Vector256.Load(sums + 8));
            if (TQuants.HasMinima)
            {
                Vector256<float> u0 = default, u1 = default;
                byte* minima = parameters.Minima;
                for (int group = 0; group < blockGroups; group++, minima += Outputs, xSums++)
                {
                    Vector256<float> sum = Avx.BroadcastScalarToVector256(xSums);
                    u0 = Fma.MultiplyAdd(Vector256.ConvertToSingle(Avx2.ConvertToVector256Int32(minima)), sum, u0);
                    u1 = Fma.MultiplyAdd(Vector256.ConvertToSingle(Avx2.ConvertToVector256Int32(minima + 8)), sum, u1);
                }

                f0 = Fma.MultiplyAddNegated(Vector256.Load(parameters.Minimum), u0, f0);
                f1 = Fma.MultiplyAddNegated(Vector256.Load(parameters.Minimum + 8), u1, f1);
            }

            f0.Store(sums);
            f1.Store(sums + 8);
        }
    }

    /// <summary>A group of 4-bit weights of 16 outputs.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static (Vector256<short> First, Vector256<short> Second) Fours(byte* w, byte* x)
    {
        Vector256<byte> low = Vector256.Create((byte)15);
        Vector256<short> a0 = default, a1 = default;
        for (nint quad = 0; quad < PanelLayout.GroupQuads / 2; quad++)
        {
            Vector256<sbyte> u = Avx2.BroadcastScalarToVector256((int*)x + quad).AsSByte();
            Vector256<sbyte> v = Avx2.BroadcastScalarToVector256((int*)x + quad + 4).AsSByte();
            Vector256<byte> w0 = Vector256.Load(w + 64 * quad);
            Vector256<byte> w1 = Vector256.Load(w + 64 * quad + 32);
            a0 += Avx2.MultiplyAddAdjacent(w0 & low, u);
            a1 += Avx2.MultiplyAddAdjacent(w1 & low, u);
            a0 += Avx2.MultiplyAddAdjacent((w0.AsUInt16() >>> 4).AsByte() & low, v);
            a1 += Avx2.MultiplyAddAdjacent((w1.AsUInt16() >>> 4).AsByte() & low, v);
        }

        return (a0, a1);
    }

    /// <summary>The two halves of a group of 5- or 6-bit weights of 8 outputs.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static (Vector256<short> First, Vector256<short> Second) Halves(byte* w, byte* x, Vector256<short> a, Vector256<short> b)
    {
        Vector256<byte> low = Vector256.Create((byte)15);
        Vector256<byte> high = Vector256.Create((byte)(TQuants.Bits == 5 ? 0x10 : 0x30));
        Vector256<ushort> h = Vector256.Load(w + LowBytes).AsUInt16();
        Vector256<ushort> g = TQuants.Bits == 5 ? h : Vector256.Load(w + LowBytes + 64).AsUInt16();
        Vector256<byte> q = Vector256.Load(w);
        Vector256<ushort> c = h << 4;
        Vector256<ushort> d = TQuants.Bits == 5 ? g : g << 4;
        a += Avx2.MultiplyAddAdjacent((q & low) | (c.AsByte() & high), Quad(x, 0));
        b += Avx2.MultiplyAddAdjacent(((q.AsUInt16() >>> 4).AsByte() & low) | (d.AsByte() & high), Quad(x, 4));
        q = Vector256.Load(w + 64);
        c = TQuants.Bits == 5 ? h << 3 : h << 2;
        d = TQuants.Bits == 5 ? g >>> 1 : g << 2;
        a += Avx2.MultiplyAddAdjacent((q & low) | (c.AsByte() & high), Quad(x, 1));
        b += Avx2.MultiplyAddAdjacent(((q.AsUInt16() >>> 4).AsByte() & low) | (d.AsByte() & high), Quad(x, 5));
        q = Vector256.Load(w + 128);
        c = TQuants.Bits == 5 ? h << 2 : h;
        d = TQuants.Bits == 5 ? g >>> 2 : g;
        a += Avx2.MultiplyAddAdjacent((q & low) | (c.AsByte() & high), Quad(x, 2));
        b += Avx2.MultiplyAddAdjacent(((q.AsUInt16() >>> 4).AsByte() & low) | (d.AsByte() & high), Quad(x, 6));
        q = Vector256.Load(w + 192);
        c = TQuants.Bits == 5 ? h << 1 : h >>> 2;
        d = TQuants.Bits == 5 ? g >>> 3 : g >>> 2;
        a += Avx2.MultiplyAddAdjacent((q & low) | (c.AsByte() & high), Quad(x, 3));
        b += Avx2.MultiplyAddAdjacent(((q.AsUInt16() >>> 4).AsByte() & low) | (d.AsByte() & high), Quad(x, 7));
        return (a, b);
    }

    /// <summary>The two halves of a group of 3-bit weights of 8 outputs.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static (Vector256<short> First, Vector256<short> Second) Threes(byte* w, byte* x, Vector256<short> a, Vector256<short> b)
    {
        Vector256<byte> low = Vector256.Create((byte)3);
        Vector256<byte> high = Vector256.Create((byte)4);
        Vector256<ushort> l = Vector256.Load(w).AsUInt16();
        Vector256<ushort> m = Vector256.Load(w + 64).AsUInt16();
        Vector256<ushort> h = Vector256.Load(w + 128).AsUInt16();
        a += Avx2.MultiplyAddAdjacent((l.AsByte() & low) | ((h << 2).AsByte() & high), Quad(x, 0));
        b += Avx2.MultiplyAddAdjacent((m.AsByte() & low) | ((h >>> 2).AsByte() & high), Quad(x, 4));
        a += Avx2.MultiplyAddAdjacent(((l >>> 2).AsByte() & low) | ((h << 1).AsByte() & high), Quad(x, 1));
        b += Avx2.MultiplyAddAdjacent(((m >>> 2).AsByte() & low) | ((h >>> 3).AsByte() & high), Quad(x, 5));
        a += Avx2.MultiplyAddAdjacent(((l >>> 4).AsByte() & low) | (h.AsByte() & high), Quad(x, 2));
        b += Avx2.MultiplyAddAdjacent(((m >>> 4).AsByte() & low) | ((h >>> 4).AsByte() & high), Quad(x, 6));
        a += Avx2.MultiplyAddAdjacent(((l >>> 6).AsByte() & low) | ((h >>> 1).AsByte() & high), Quad(x, 3));
        b += Avx2.MultiplyAddAdjacent(((m >>> 6).AsByte() & low) | ((h >>> 5).AsByte() & high), Quad(x, 7));
        return (a, b);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<sbyte> Quad(byte* x, nint quad) => Avx2.BroadcastScalarToVector256((int*)x + quad).AsSByte();
}

/// <summary>Scales of a unit as factors of pairs of 16 bits.</summary>
internal static unsafe class UnitScale<TQuants>
    where TQuants : struct, IBlockQuants
{
    /// <summary>Of 16 outputs, each twice.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static (Vector256<short> First, Vector256<short> Second) Pairs(byte* scales)
    {
        if (TQuants.Scales == UnitScales.None)
        {
            Vector256<short> ones = Vector256.Create((short)1);
            return (ones, ones);
        }

        Vector256<byte> both = Avx2.BroadcastVector128ToVector256(scales);
        if (TQuants.Scales == UnitScales.OfGroups)
        {
            // A byte with the top bit set makes a zero.
            return (
                Avx2.Shuffle(both, Vector256.Create(0x8000_8000u, 0x8001_8001, 0x8002_8002, 0x8003_8003, 0x8004_8004, 0x8005_8005, 0x8006_8006, 0x8007_8007).AsByte()).AsInt16(),
                Avx2.Shuffle(both, Vector256.Create(0x8008_8008u, 0x8009_8009, 0x800A_800A, 0x800B_800B, 0x800C_800C, 0x800D_800D, 0x800E_800E, 0x800F_800F).AsByte()).AsInt16());
        }

        return (
            Avx2.Shuffle(both, Vector256.Create(0x0080_0080u, 0x0180_0180, 0x0280_0280, 0x0380_0380, 0x0480_0480, 0x0580_0580, 0x0680_0680, 0x0780_0780).AsByte()).AsInt16() >> 8,
            Avx2.Shuffle(both, Vector256.Create(0x0880_0880u, 0x0980_0980, 0x0A80_0A80, 0x0B80_0B80, 0x0C80_0C80, 0x0D80_0D80, 0x0E80_0E80, 0x0F80_0F80).AsByte()).AsInt16() >> 8);
    }
}
