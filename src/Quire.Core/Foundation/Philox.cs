using System;

namespace Quire.Core.Foundation;

/// <summary>
/// Philox 4x32 with 10 rounds: four random 32-bit words as a pure function of a 128-bit counter and a 64-bit key.
/// Source: Salmon, Moraes, Dror, Shaw, "Parallel Random Numbers: As Easy as 1, 2, 3", SC 2011.
/// A draw depends on (seed, stream, position) only, so it does not change with the batch, with preemption or with the order of requests.
/// </summary>
public static class Philox
{
    private const uint Multiplier0 = 0xD2511F53;
    private const uint Multiplier1 = 0xCD9E8D57;
    private const uint Weyl0 = 0x9E3779B9;
    private const uint Weyl1 = 0xBB67AE85;

    /// <summary>The four words of one counter value.</summary>
    public readonly record struct Block(uint X0, uint X1, uint X2, uint X3);

    /// <summary>The bijection itself: counter words c0 … c3 (least significant first) under the key k0, k1.</summary>
    public static Block Generate(uint c0, uint c1, uint c2, uint c3, uint k0, uint k1)
    {
        for (int round = 0; round < 10; round++)
        {
            ulong product0 = (ulong)Multiplier0 * c0;
            ulong product1 = (ulong)Multiplier1 * c2;
            uint next0 = (uint)(product1 >> 32) ^ c1 ^ k0;
            uint next2 = (uint)(product0 >> 32) ^ c3 ^ k1;
            c1 = (uint)product1;
            c3 = (uint)product0;
            c0 = next0;
            c2 = next2;
            k0 += Weyl0;
            k1 += Weyl1;
        }

        return new Block(c0, c1, c2, c3);
    }

    /// <summary>The words of a draw: the seed is the key, position and stream are the counter.</summary>
    public static Block Generate(ulong seed, ulong stream, ulong position) =>
        Generate((uint)position, (uint)(position >> 32), (uint)stream, (uint)(stream >> 32), (uint)seed, (uint)(seed >> 32));

    /// <summary>A number in [0, 1) with 53 random bits.</summary>
    public static double UniformDouble(ulong seed, ulong stream, ulong position)
    {
        Block block = Generate(seed, stream, position);
        return ((((ulong)block.X1 << 32) | block.X0) >> 11) * (1.0 / (1UL << 53));
    }

    /// <summary>A number in [0, 1) with 24 random bits.</summary>
    public static float UniformSingle(uint word) => (word >> 8) * (1.0f / (1u << 24));

    /// <summary>A number in (0, 1), safe for a logarithm.</summary>
    public static float OpenUniformSingle(uint word) => ((word >> 9) + 0.5f) * (1.0f / (1u << 23));

    /// <summary>
    /// Fills <paramref name="destination"/> with numbers in (0, 1); element i takes word i % 4 of position i / 4 + <paramref name="firstPosition"/>.
    /// </summary>
    public static void FillOpenUniform(ulong seed, ulong stream, ulong firstPosition, Span<float> destination)
    {
        int i = 0;
        for (; i + 4 <= destination.Length; i += 4)
        {
            Block block = Generate(seed, stream, firstPosition++);
            destination[i] = OpenUniformSingle(block.X0);
            destination[i + 1] = OpenUniformSingle(block.X1);
            destination[i + 2] = OpenUniformSingle(block.X2);
            destination[i + 3] = OpenUniformSingle(block.X3);
        }

        if (i < destination.Length)
        {
            Block block = Generate(seed, stream, firstPosition);
            destination[i] = OpenUniformSingle(block.X0);
            if (i + 1 < destination.Length)
                destination[i + 1] = OpenUniformSingle(block.X1);
            if (i + 2 < destination.Length)
                destination[i + 2] = OpenUniformSingle(block.X2);
        }
    }
}
