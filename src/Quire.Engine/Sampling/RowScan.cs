using System;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Quire.Engine.Sampling;

/// <summary>
/// Passes over one row of logits, in blocks of <see cref="BlockLength"/>. The block maxima of the first pass let later ones skip most of
/// the row. A result depends on the row alone, never on where it stands in a batch.
/// </summary>
internal static class RowScan
{
    public const int BlockLength = 64;

    /// <summary>exp of anything below is 0 here: the smallest normal float is about e^−87.34.</summary>
    public const float SmallestExponent = -87.3365f;

    public static int BlockCount(int length) => (length + BlockLength - 1) / BlockLength;

    /// <summary>Fills the maximum of each block and returns that of the row: NaN when any value is NaN.</summary>
    public static float BlockMaxima(ReadOnlySpan<float> row, Span<float> maxima)
    {
        ref float start = ref MemoryMarshal.GetReference(row);
        Vector256<float> ordered = Vector256<float>.AllBitsSet;
        float best = float.NegativeInfinity;
        int fullBlocks = row.Length / BlockLength;
        for (int block = 0; block < fullBlocks; block++)
        {
            float maximum = BlockMaximum(ref Unsafe.Add(ref start, block * BlockLength), ref ordered);
            maxima[block] = maximum;
            best = maximum > best ? maximum : best;
        }

        if (fullBlocks * BlockLength < row.Length)
        {
            Span<float> padded = stackalloc float[BlockLength];
            padded.Fill(float.NegativeInfinity);
            row[(fullBlocks * BlockLength)..].CopyTo(padded);
            float maximum = BlockMaximum(ref MemoryMarshal.GetReference(padded), ref ordered);
            maxima[fullBlocks] = maximum;
            best = maximum > best ? maximum : best;
        }

        return ordered.ExtractMostSignificantBits() == 0xFF ? best : float.NaN;
    }

    /// <summary>The lowest id whose logit is the row's maximum.</summary>
    public static int FirstMaximum(ReadOnlySpan<float> row, ReadOnlySpan<float> maxima, float maximum)
    {
        int block = maxima.IndexOf(maximum);
        int first = block * BlockLength;
        ReadOnlySpan<float> values = row.Slice(first, Math.Min(BlockLength, row.Length - first));
        return first + values.IndexOf(maximum);
    }

    /// <summary>
    /// Fills the sum of the weights of each block and returns the total, summed block by block.
    /// The weight of a logit x is exp((x − maximum) · scale), and 0 below <paramref name="floor"/>.
    /// </summary>
    public static double BlockSums(
        ReadOnlySpan<float> row, ReadOnlySpan<float> maxima, float maximum, float scale, float floor, Span<double> sums)
    {
        Span<float> padded = stackalloc float[BlockLength];
        double total = 0;
        for (int block = 0; block < maxima.Length; block++)
        {
            double sum = 0;
            if (maxima[block] >= floor && (maxima[block] - maximum) * scale >= SmallestExponent)
            {
                int first = block * BlockLength;
                scoped ReadOnlySpan<float> values = row.Slice(first, Math.Min(BlockLength, row.Length - first));
                if (values.Length < BlockLength)
                {
                    padded.Fill(float.NegativeInfinity);
                    values.CopyTo(padded);
                    values = padded;
                }

                sum = BlockSum(ref MemoryMarshal.GetReference(values), maximum, scale, floor);
            }

            sums[block] = sum;
            total += sum;
        }

        return total;
    }

    /// <summary>The weights of any number of logits, as in <see cref="BlockSums"/>; equal logits have equal weights.</summary>
    public static void Weights(ReadOnlySpan<float> values, float maximum, float scale, float floor, Span<float> weights)
    {
        var maxima = Vector256.Create(maximum);
        var scales = Vector256.Create(scale);
        var floors = Vector256.Create(floor);
        int i = 0;
        for (; i + Vector256<float>.Count <= values.Length; i += Vector256<float>.Count)
            Weight(Vector256.Create(values[i..]), maxima, scales, floors).CopyTo(weights[i..]);
        if (i == values.Length)
            return;
        Span<float> padded = stackalloc float[Vector256<float>.Count];
        padded.Fill(float.NegativeInfinity);
        values[i..].CopyTo(padded);
        Weight(Vector256.Create<float>(padded), maxima, scales, floors).CopyTo(padded);
        padded[..(values.Length - i)].CopyTo(weights[i..]);
    }

    /// <summary>How many values are at or above a bound; −∞ never counts unless the bound is −∞.</summary>
    public static int CountFrom(ReadOnlySpan<float> row, float bound)
    {
        var bounds = Vector256.Create(bound);
        Vector256<int> counts = default;
        int i = 0;
        for (; i + Vector256<float>.Count <= row.Length; i += Vector256<float>.Count)
            counts -= Vector256.GreaterThanOrEqual(Vector256.Create(row[i..]), bounds).AsInt32();
        int count = Vector256.Sum(counts);
        for (; i < row.Length; i++)
            count += row[i] >= bound ? 1 : 0;
        return count;
    }

    /// <summary>The sum of the <see cref="Weights"/> of the values at or above a bound, and how many they are.</summary>
    public static double MassFrom(ReadOnlySpan<float> row, ReadOnlySpan<float> weights, float bound, out int count)
    {
        var bounds = Vector256.Create(bound);
        Vector256<int> counts = default;
        Vector256<double> totals = default;
        int i = 0;
        while (i + BlockLength <= row.Length)
        {
            // Floats within a block, doubles over the blocks.
            Vector256<float> sums = default;
            for (int end = i + BlockLength; i < end; i += Vector256<float>.Count)
            {
                Vector256<float> taken = Vector256.GreaterThanOrEqual(Vector256.Create(row[i..]), bounds);
                sums += Vector256.Create(weights[i..]) & taken;
                counts -= taken.AsInt32();
            }

            totals += Vector256.WidenLower(sums) + Vector256.WidenUpper(sums);
        }

        double total = Vector256.Sum(totals);
        count = Vector256.Sum(counts);
        for (; i < row.Length; i++)
        {
            if (row[i] < bound)
                continue;
            total += weights[i];
            count++;
        }

        return total;
    }

    /// <summary>Sets everything below <paramref name="floor"/> to −∞.</summary>
    public static void MaskBelow(Span<float> row, float floor)
    {
        var floors = Vector256.Create(floor);
        var masked = Vector256.Create(float.NegativeInfinity);
        int i = 0;
        for (; i + Vector256<float>.Count <= row.Length; i += Vector256<float>.Count)
        {
            var values = Vector256.Create<float>(row[i..]);
            Vector256.ConditionalSelect(Vector256.LessThan(values, floors), masked, values).CopyTo(row[i..]);
        }

        for (; i < row.Length; i++)
        {
            if (row[i] < floor)
                row[i] = float.NegativeInfinity;
        }
    }

    private static float BlockMaximum(ref float block, ref Vector256<float> ordered)
    {
        Vector256<float> maximum = Vector256.LoadUnsafe(ref block);
        Vector256<float> numbers = Vector256.Equals(maximum, maximum);
        for (int i = Vector256<float>.Count; i < BlockLength; i += Vector256<float>.Count)
        {
            Vector256<float> values = Vector256.LoadUnsafe(ref block, (nuint)i);
            numbers &= Vector256.Equals(values, values);
            maximum = Vector256.MaxNative(maximum, values);
        }

        ordered &= numbers;
        Vector128<float> half = Vector128.MaxNative(maximum.GetLower(), maximum.GetUpper());
        half = Vector128.MaxNative(half, Vector128.Shuffle(half, Vector128.Create(2, 3, 0, 1)));
        half = Vector128.MaxNative(half, Vector128.Shuffle(half, Vector128.Create(1, 0, 3, 2)));
        return half.ToScalar();
    }

    private static float BlockSum(ref float block, float maximum, float scale, float floor)
    {
        var maxima = Vector256.Create(maximum);
        var scales = Vector256.Create(scale);
        var floors = Vector256.Create(floor);
        Vector256<float> even = default;
        Vector256<float> odd = default;
        for (int i = 0; i < BlockLength; i += 2 * Vector256<float>.Count)
        {
            even += Weight(Vector256.LoadUnsafe(ref block, (nuint)i), maxima, scales, floors);
            odd += Weight(Vector256.LoadUnsafe(ref block, (nuint)(i + Vector256<float>.Count)), maxima, scales, floors);
        }

        return Vector256.Sum(even + odd);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> Weight(
        Vector256<float> values, Vector256<float> maximum, Vector256<float> scale, Vector256<float> floor) =>
        Exp((values - maximum) * scale) & Vector256.GreaterThanOrEqual(values, floor);

    /// <summary>
    /// exp(x) for x ≤ 0 within 2 units in the last place, exactly 1 at 0 and 0 below <see cref="SmallestExponent"/>: the argument is
    /// reduced by multiples of ln 2 and the rest put into the polynomial of Cephes' <c>expf</c> (S. L. Moshier, Cephes Math Library).
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> Exp(Vector256<float> x)
    {
        // Adding 1.5 · 2^23 rounds to an integer, which then stands in the low bits.
        var rounding = Vector256.Create(12582912f);
        Vector256<float> inRange = Vector256.GreaterThanOrEqual(x, Vector256.Create(SmallestExponent));
        Vector256<float> clamped = Vector256.MaxNative(x, Vector256.Create(SmallestExponent));
        Vector256<float> shifted = Vector256.FusedMultiplyAdd(clamped, Vector256.Create(1.44269504088896341f), rounding);
        Vector256<float> multiple = shifted - rounding;
        Vector256<float> rest = Vector256.FusedMultiplyAdd(multiple, Vector256.Create(-0.693359375f), clamped);
        rest = Vector256.FusedMultiplyAdd(multiple, Vector256.Create(2.12194440e-4f), rest);
        Vector256<float> y = Vector256.Create(1.9875691500e-4f);
        y = Vector256.FusedMultiplyAdd(y, rest, Vector256.Create(1.3981999507e-3f));
        y = Vector256.FusedMultiplyAdd(y, rest, Vector256.Create(8.3334519073e-3f));
        y = Vector256.FusedMultiplyAdd(y, rest, Vector256.Create(4.1665795894e-2f));
        y = Vector256.FusedMultiplyAdd(y, rest, Vector256.Create(1.6666665459e-1f));
        y = Vector256.FusedMultiplyAdd(y, rest, Vector256.Create(5.0000001201e-1f));
        y = Vector256.FusedMultiplyAdd(y, rest * rest, rest + Vector256<float>.One);
        Vector256<int> exponent = Vector256.ShiftLeft(shifted.AsInt32(), 23) + Vector256.Create(0x3F800000);
        return (y * exponent.AsSingle()) & inRange;
    }
}
