using System;
using System.Runtime.Intrinsics;
using Quire.Tensors;

namespace Quire.Models.Weights;

/// <summary>
/// Fast uniform numbers for dummy weights: four xorshift64 generators (Marsaglia, 2003) side by side, sixteen bits of randomness a
/// number. Not for sampling.
/// </summary>
internal static unsafe class UniformGenerator
{
    /// <summary>Fills <paramref name="count"/> elements with numbers uniform on ±<paramref name="amplitude"/>.</summary>
    public static void Fill(nint data, DType type, int count, float amplitude, ulong seed)
    {
        Vector256<ulong> state = Seed(seed);
        Vector256<float> scale = Vector256.Create(amplitude / 32768f);
        var block = stackalloc float[16];
        for (int i = 0; i < count; i += 16)
        {
            state ^= Vector256.ShiftLeft(state, 13);
            state ^= Vector256.ShiftRightLogical(state, 7);
            state ^= Vector256.ShiftLeft(state, 17);
            (Vector256<int> low, Vector256<int> high) = Vector256.Widen(state.AsInt16());
            Vector256<float> first = Vector256.ConvertToSingle(low) * scale;
            Vector256<float> second = Vector256.ConvertToSingle(high) * scale;
            if (type == DType.BF16 && i + 16 <= count)
            {
                Vector256<uint> a = Vector256.ShiftRightLogical(first.AsUInt32(), 16);
                Vector256<uint> b = Vector256.ShiftRightLogical(second.AsUInt32(), 16);
                Vector256.Narrow(a, b).Store((ushort*)data + i);
                continue;
            }

            if (type == DType.F32 && i + 16 <= count)
            {
                first.Store((float*)data + i);
                second.Store((float*)data + i + 8);
                continue;
            }

            first.Store(block);
            second.Store(block + 8);
            for (int j = 0; j < Math.Min(16, count - i); j++)
            {
                Tensors.Reference.Elements.Store(data, type, i + j, Truncate(block[j], type));
            }
        }
    }

    private static Vector256<ulong> Seed(ulong seed)
    {
        ulong a = DummyWeights.Mix(seed);
        ulong b = DummyWeights.Mix(a);
        ulong c = DummyWeights.Mix(b);
        return Vector256.Create(a, b, c, DummyWeights.Mix(c)) | Vector256<ulong>.One;
    }

    /// <summary>Drops the lower half of a float for BF16, as the vector path does.</summary>
    private static float Truncate(float value, DType type) =>
        type == DType.BF16 ? BitConverter.UInt32BitsToSingle(BitConverter.SingleToUInt32Bits(value) & 0xFFFF_0000) : value;
}
