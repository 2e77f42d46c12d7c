using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Quire.Cpu.Simd;

namespace Quire.Cpu.Kernels.Panels;

/// <summary>GGUF's Q4_K in panels: of each block d, dmin and the twelve bytes of packed scales and minima, for 16 outputs each.</summary>
internal readonly unsafe struct Q4KQuants : IBlockQuants
{
    public static PanelFormat Format => PanelFormat.Q4K;

    public static int Bits => 4;

    public static int ZeroPoint => 0;

    public static UnitScales Scales => UnitScales.OfGroups;

    public static bool HasMinima => true;

    public static int BlockGroups => BlockParameters.MaxGroups;

    public static int ParameterBytes => KScales.Bytes;

    public static void Expand(byte* parameters, BlockParameters* target) => KScales.Expand(parameters, target);
}

/// <summary>Q5_K: as Q4_K with a fifth bit.</summary>
internal readonly unsafe struct Q5KQuants : IBlockQuants
{
    public static PanelFormat Format => PanelFormat.Q5K;

    public static int Bits => 5;

    public static int ZeroPoint => 0;

    public static UnitScales Scales => UnitScales.OfGroups;

    public static bool HasMinima => true;

    public static int BlockGroups => BlockParameters.MaxGroups;

    public static int ParameterBytes => KScales.Bytes;

    public static void Expand(byte* parameters, BlockParameters* target) => KScales.Expand(parameters, target);
}

/// <summary>Q6_K: d, then a scale for each half of a group; weights are stored 32 higher.</summary>
internal readonly unsafe struct Q6KQuants : IBlockQuants
{
    private const int HalfBytes = PanelLayout.PanelOutputs * sizeof(ushort);

    public static PanelFormat Format => PanelFormat.Q6K;

    public static int Bits => 6;

    public static int ZeroPoint => 32;

    public static UnitScales Scales => UnitScales.OfHalves;

    public static bool HasMinima => false;

    public static int BlockGroups => BlockParameters.MaxGroups;

    public static int ParameterBytes => HalfBytes + 16 * PanelLayout.PanelOutputs;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Expand(byte* parameters, BlockParameters* target)
    {
        KScales.Halves((ushort*)parameters, target->Scale);
        for (nint i = 0; i < 16 * PanelLayout.PanelOutputs; i += 32)
        {
            Vector256.Load(parameters + HalfBytes + i).Store(target->UnitScales + i);
        }
    }
}

/// <summary>Q3_K: d, then the twelve bytes of packed scales of half groups; weights are stored 4 higher.</summary>
internal readonly unsafe struct Q3KQuants : IBlockQuants
{
    private const int HalfBytes = PanelLayout.PanelOutputs * sizeof(ushort);

    public static PanelFormat Format => PanelFormat.Q3K;

    public static int Bits => 3;

    public static int ZeroPoint => 4;

    public static UnitScales Scales => UnitScales.OfHalves;

    public static bool HasMinima => false;

    public static int BlockGroups => BlockParameters.MaxGroups;

    public static int ParameterBytes => HalfBytes + 12 * PanelLayout.PanelOutputs;

    /// <summary>Of scale s four bits are half of byte s mod 8 and two bits are in byte 8 + s mod 4; all are stored 32 higher.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Expand(byte* parameters, BlockParameters* target)
    {
        const int Outputs = PanelLayout.PanelOutputs;
        KScales.Halves((ushort*)parameters, target->Scale);
        byte* packed = parameters + HalfBytes;
        Vector256<byte> four = Vector256.Create((byte)15);
        Vector256<byte> high = Vector256.Create((byte)0x30);
        Vector256<byte> offset = Vector256.Create((byte)32);
        for (nint s = 0; s < 4 * Outputs; s += 2 * Outputs)
        {
            Vector256<byte> a = Vector256.Load(packed + s);
            Vector256<byte> b = Vector256.Load(packed + 4 * Outputs + s);
            Vector256<ushort> two = Vector256.Load(packed + 8 * Outputs + s).AsUInt16();
            (((a & four) | ((two << 4).AsByte() & high)) - offset).Store(target->UnitScales + s);
            (((b & four) | ((two << 2).AsByte() & high)) - offset).Store(target->UnitScales + 4 * Outputs + s);
            ((((a.AsUInt16() >>> 4).AsByte() & four) | (two.AsByte() & high)) - offset).Store(target->UnitScales + 8 * Outputs + s);
            ((((b.AsUInt16() >>> 4).AsByte() & four) | ((two >>> 2).AsByte() & high)) - offset).Store(target->UnitScales + 12 * Outputs + s);
        }
    }
}

/// <summary>The parameters of Q4_K and Q5_K.</summary>
internal static unsafe class KScales
{
    private const int HalfBytes = PanelLayout.PanelOutputs * sizeof(ushort);

    /// <summary>d, dmin, and the packed bytes, each [16 outputs].</summary>
    public const int Bytes = 2 * HalfBytes + 12 * PanelLayout.PanelOutputs;

    /// <summary>Sixteen F16 numbers to floats.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Halves(ushort* source, float* target)
    {
        Simd256.LoadHalf(source).Store(target);
        Simd256.LoadHalf(source + 8).Store(target + 8);
    }

    /// <summary>Six bits each; those of the last four groups are put together from four bits and the leftovers of the first eight bytes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Expand(byte* parameters, BlockParameters* target)
    {
        const int Outputs = PanelLayout.PanelOutputs;
        Halves((ushort*)parameters, target->Scale);
        Halves((ushort*)(parameters + HalfBytes), target->Minimum);
        byte* packed = parameters + 2 * HalfBytes;
        Vector256<byte> six = Vector256.Create((byte)63);
        Vector256<byte> four = Vector256.Create((byte)15);
        Vector256<byte> high = Vector256.Create((byte)0x30);
        for (nint j = 0; j < 4 * Outputs; j += 2 * Outputs)
        {
            Vector256<byte> scales = Vector256.Load(packed + j);
            Vector256<byte> minima = Vector256.Load(packed + 4 * Outputs + j);
            Vector256<byte> later = Vector256.Load(packed + 8 * Outputs + j);
            (scales & six).Store(target->UnitScales + j);
            (minima & six).Store(target->Minima + j);
            ((later & four) | ((scales.AsUInt16() >>> 2).AsByte() & high)).Store(target->UnitScales + 4 * Outputs + j);
            (((later.AsUInt16() >>> 4).AsByte() & four) | ((minima.AsUInt16() >>> 2).AsByte() & high)).Store(target->Minima + 4 * Outputs + j);
        }
    }
}
