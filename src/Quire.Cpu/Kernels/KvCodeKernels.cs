using System;
using System.Runtime.CompilerServices;
using Quire.Cpu.Simd;
using Quire.Tensors;

namespace Quire.Cpu.Kernels;

/// <summary>Rotates q and k of one token if it is told to, then writes k and v as codes to the token's slot of a quantised cache.</summary>
internal unsafe struct StoreKvCodesKernel<TSimd, TVector> : IRowKernel<StoreKvCodesKernel<TSimd, TVector>>
    where TSimd : struct, ISimd<TVector>
    where TVector : unmanaged
{
    public FloatRows Q;
    public int QColumns;
    public FloatRows K;
    public FloatRows V;
    public bool Rotates;
    public int* Positions;
    public RopeAngles Angles;
    public int* Slots;
    public DType Type;
    public nint Keys;
    public nint Values;
    public nint KeyScales;
    public nint ValueScales;
    public float KeyScale;
    public float ValueScale;
    public nint BlockStride;
    public int KvHeads;
    public int HeadDim;
    public int BlockSize;

    public static void Apply(ref readonly StoreKvCodesKernel<TSimd, TVector> arguments, int row)
    {
        int headDim = arguments.HeadDim;
        float* k = arguments.K[row];
        if (arguments.Rotates)
        {
            int position = arguments.Positions[row];
            RopeKernel<TSimd, TVector>.Rotate(arguments.Q[row], arguments.QColumns, headDim, in arguments.Angles, position);
            RopeKernel<TSimd, TVector>.Rotate(k, arguments.KvHeads * headDim, headDim, in arguments.Angles, position);
        }

        int slot = arguments.Slots[row];
        if (slot < 0)
        {
            return;
        }

        float* v = arguments.V[row];
        nint target = slot / arguments.BlockSize * arguments.BlockStride + (nint)(slot % arguments.BlockSize) * headDim;
        for (int head = 0; head < arguments.KvHeads; head++)
        {
            nint index = target + (nint)head * arguments.BlockSize * headDim;
            var key = new ReadOnlySpan<float>(k + head * headDim, headDim);
            var value = new ReadOnlySpan<float>(v + head * headDim, headDim);
            KvQuantization.Store(key, arguments.Type, arguments.Keys, index, arguments.KeyScales, arguments.KeyScale);
            KvQuantization.Store(value, arguments.Type, arguments.Values, index, arguments.ValueScales, arguments.ValueScale);
        }
    }
}

/// <summary>Expands the codes of a quantised cache to the floats that they stand for.</summary>
internal static unsafe class KvCodes<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>
    where TVector : unmanaged
{
    /// <summary>target[i] = code[i] · scale.</summary>
    public static void Expand(DType type, byte* codes, float scale, float* target, int count)
    {
        switch (type)
        {
            case DType.I8:
                ExpandInt8(codes, scale, target, count);
                break;
            case DType.F8E4M3:
                ExpandE4M3(codes, scale, target, count);
                break;
            default:
                ExpandE5M2(codes, scale, target, count);
                break;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void ExpandInt8(byte* codes, float scale, float* target, int count)
    {
        TVector factor = TSimd.Create(scale);
        nint i = 0;
        for (; i <= count - TSimd.Count; i += TSimd.Count)
        {
            TSimd.Store(target + i, TSimd.Multiply(TSimd.ToFloats(TSimd.LoadSignedBytes(codes + i)), factor));
        }

        for (; i < count; i++)
        {
            target[i] = (sbyte)codes[i] * scale;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void ExpandE4M3(byte* codes, float scale, float* target, int count)
    {
        TVector factor = TSimd.Create(scale);
        nint i = 0;
        for (; i <= count - TSimd.Count; i += TSimd.Count)
        {
            TSimd.Store(target + i, TSimd.Multiply(TSimd.LoadFloat8(codes + i), factor));
        }

        for (; i < count; i++)
        {
            target[i] = FloatConversions.Float8E4M3ToSingle(codes[i]) * scale;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void ExpandE5M2(byte* codes, float scale, float* target, int count)
    {
        // As F16 numbers whose lower half is 0.
        const int Most = 16;
        TVector factor = TSimd.Create(scale);
        ushort* halves = stackalloc ushort[Most];
        nint i = 0;
        for (; i <= count - TSimd.Count; i += TSimd.Count)
        {
            for (nint j = 0; j < TSimd.Count; j++)
            {
                halves[j] = (ushort)(codes[i + j] << 8);
            }

            TSimd.Store(target + i, TSimd.Multiply(TSimd.LoadHalf(halves), factor));
        }

        for (; i < count; i++)
        {
            target[i] = FloatConversions.Float8E5M2ToSingle(codes[i]) * scale;
        }
    }
}
