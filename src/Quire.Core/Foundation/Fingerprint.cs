using System.Numerics;

namespace Quire.Core.Foundation;

/// <summary>
/// A stable 64-bit mix for comparing plans between runs, processes and machines. It is not a defence against an adversary:
/// what decides whose cache is reused is hashed with SHA-256 (<see cref="KvCache.BlockHash"/>).
/// The rounds are those of SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", OOPSLA 2014).
/// </summary>
public struct Fingerprint
{
    private ulong _state;

    /// <summary>The value of everything that was added, in order.</summary>
    public readonly ulong Value => Finish(_state);

    public void Add(long value) => _state = Finish(BitOperations.RotateLeft(_state, 23) + (ulong)value + 0x9E3779B97F4A7C15UL);

    public void Add(bool value) => Add(value ? 1L : 0L);

    private static ulong Finish(ulong z)
    {
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9UL;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EBUL;
        return z ^ (z >> 31);
    }
}
