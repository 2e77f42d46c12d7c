using System.Runtime.CompilerServices;
using Quire.Cpu.Simd;
using Quire.Tensors;

namespace Quire.Cpu.Kernels;

/// <summary>Rotates the heads of one row in place.</summary>
internal unsafe struct RopeKernel<TSimd, TVector> : IRowKernel<RopeKernel<TSimd, TVector>>
    where TSimd : struct, ISimd<TVector>
    where TVector : unmanaged
{
    public FloatRows X;
    public int Columns;
    public int* Positions;
    public RopeAngles Angles;
    public int HeadDim;

    public static void Apply(ref readonly RopeKernel<TSimd, TVector> arguments, int row) => Rotate(
        arguments.X[row], arguments.Columns, arguments.HeadDim, in arguments.Angles, arguments.Positions[row]);

    /// <summary>Rotates each head of x, <paramref name="columns"/> elements long, by the angles of a position.</summary>
    public static void Rotate(float* x, int columns, int headDim, ref readonly RopeAngles angles, int position)
    {
        float* cosines = angles.Cosines[position];
        float* sines = angles.Sines[position];
        int half = angles.RotaryDim / 2;
        for (int head = 0; head < columns; head += headDim)
        {
            if (angles.Interleaved)
            {
                RotatePairs(x + head, cosines, sines, half);
            }
            else
            {
                RotateHalves(x + head, cosines, sines, half);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void RotateHalves(float* x, float* cosines, float* sines, int half)
    {
        nint j = 0;
        for (; j <= half - TSimd.Count; j += TSimd.Count)
        {
            TVector a = TSimd.Load(x + j);
            TVector b = TSimd.Load(x + half + j);
            TVector cosine = TSimd.Load(cosines + j);
            TVector sine = TSimd.Load(sines + j);
            TSimd.Store(x + j, TSimd.Subtract(TSimd.Multiply(a, cosine), TSimd.Multiply(b, sine)));
            TSimd.Store(x + half + j, TSimd.Add(TSimd.Multiply(b, cosine), TSimd.Multiply(a, sine)));
        }

        for (; j < half; j++)
        {
            float a = x[j];
            float b = x[half + j];
            x[j] = a * cosines[j] - b * sines[j];
            x[half + j] = b * cosines[j] + a * sines[j];
        }
    }

    private static void RotatePairs(float* x, float* cosines, float* sines, int half)
    {
        for (int j = 0; j < half; j++)
        {
            float a = x[2 * j];
            float b = x[2 * j + 1];
            x[2 * j] = a * cosines[j] - b * sines[j];
            x[2 * j + 1] = b * cosines[j] + a * sines[j];
        }
    }
}

/// <summary>The part of a <see cref="RopeTable"/> that kernels read.</summary>
internal readonly struct RopeAngles(in RopeTable table)
{
    public readonly FloatRows Cosines = new(table.Cosines);
    public readonly FloatRows Sines = new(table.Sines);
    public readonly int RotaryDim = table.RotaryDim;
    public readonly bool Interleaved = table.Interleaved;
}

/// <summary>Rotates q and k of one token if it is told to, then writes k and v to the token's slot of the cache.</summary>
internal unsafe struct StoreKvKernel<TSimd, TVector, TElement> : IRowKernel<StoreKvKernel<TSimd, TVector, TElement>>
    where TSimd : struct, ISimd<TVector>
    where TVector : unmanaged
    where TElement : struct, IElement
{
    public FloatRows Q;
    public int QColumns;
    public FloatRows K;
    public FloatRows V;
    public bool Rotates;
    public int* Positions;
    public RopeAngles Angles;
    public int* Slots;
    public byte* Keys;
    public byte* Values;
    public nint BlockStride;
    public int KvHeads;
    public int HeadDim;
    public int BlockSize;

    public static void Apply(ref readonly StoreKvKernel<TSimd, TVector, TElement> arguments, int row)
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
            nint offset = (target + (nint)head * arguments.BlockSize * headDim) * TElement.Size;
            RowConversion<TSimd, TVector, TElement>.Narrow(k + head * headDim, arguments.Keys + offset, headDim);
            RowConversion<TSimd, TVector, TElement>.Narrow(v + head * headDim, arguments.Values + offset, headDim);
        }
    }
}
