using System;

namespace Quire.Engine.Sampling;

/// <summary>Floats (not NaN) as integers in the same order.</summary>
internal static class FloatOrder
{
    /// <summary>A sort key: higher values first, among equal ones the lower index first.</summary>
    public static ulong DescendingKey(float value, int index) => ((ulong)~Ascending(value) << 32) | (uint)index;

    public static int IndexOf(ulong key) => (int)(uint)key;

    /// <summary>The float in the middle of all floats between two: 32 halvings find any value, whatever their range.</summary>
    public static bool TryHalve(float low, float end, out float middle)
    {
        uint first = Ascending(low);
        uint last = Ascending(end);
        uint half = first + ((last - first) / 2);
        middle = BitConverter.UInt32BitsToSingle((half & 0x80000000) != 0 ? half ^ 0x80000000 : ~half);
        return half > first;
    }

    private static uint Ascending(float value)
    {
        // Adding 0 makes −0 into +0, which is equal to it.
        uint bits = BitConverter.SingleToUInt32Bits(value + 0f);
        return (bits & 0x80000000) != 0 ? ~bits : bits | 0x80000000;
    }
}
