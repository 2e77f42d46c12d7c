using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Quire.Cpu.Simd;

namespace Quire.Cpu.Kernels.Panels;

/// <summary>GGUF's Q4_1 in panels: a block is a group, w = d · q + m.</summary>
internal readonly unsafe struct Q41Quants : IBlockQuants
{
    public static PanelFormat Format => PanelFormat.Q41;

    public static int Bits => 4;

    public static int ZeroPoint => 0;

    public static UnitScales Scales => UnitScales.None;

    public static bool HasMinima => true;

    public static int BlockGroups => 1;

    public static int ParameterBytes => ClassicScales.TwoBytes;

    public static void Expand(byte* parameters, BlockParameters* target) => ClassicScales.Two(parameters, target);
}

/// <summary>Q5_0: w = d · (q − 16).</summary>
internal readonly unsafe struct Q50Quants : IBlockQuants
{
    public static PanelFormat Format => PanelFormat.Q50;

    public static int Bits => 5;

    public static int ZeroPoint => 16;

    public static UnitScales Scales => UnitScales.None;

    public static bool HasMinima => false;

    public static int BlockGroups => 1;

    public static int ParameterBytes => ClassicScales.TwoBytes / 2;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Expand(byte* parameters, BlockParameters* target) => KScales.Halves((ushort*)parameters, target->Scale);
}

/// <summary>Q5_1: as Q4_1 with a fifth bit.</summary>
internal readonly unsafe struct Q51Quants : IBlockQuants
{
    public static PanelFormat Format => PanelFormat.Q51;

    public static int Bits => 5;

    public static int ZeroPoint => 0;

    public static UnitScales Scales => UnitScales.None;

    public static bool HasMinima => true;

    public static int BlockGroups => 1;

    public static int ParameterBytes => ClassicScales.TwoBytes;

    public static void Expand(byte* parameters, BlockParameters* target) => ClassicScales.Two(parameters, target);
}

/// <summary>A scale and an offset, which is a minimum of one with the sign turned.</summary>
internal static unsafe class ClassicScales
{
    /// <summary>d and m of 16 outputs.</summary>
    public const int TwoBytes = 2 * PanelLayout.PanelOutputs * sizeof(ushort);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Two(byte* parameters, BlockParameters* target)
    {
        ushort* offsets = (ushort*)parameters + PanelLayout.PanelOutputs;
        KScales.Halves((ushort*)parameters, target->Scale);
        (-Simd256.LoadHalf(offsets)).Store(target->Minimum);
        (-Simd256.LoadHalf(offsets + 8)).Store(target->Minimum + 8);
        Vector128.Create((byte)1).Store(target->Minima);
    }
}
