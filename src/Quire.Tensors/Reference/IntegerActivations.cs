using System;

namespace Quire.Tensors.Reference;

/// <summary>
/// How a backend may round the inputs of a quantised layer so that it multiplies integers: groups of 32 inputs become integers from
/// −127 to 127 with a scale of their own, the greatest magnitude of the group over 127. It is the rounding of GGUF's Q8_0 with a scale in
/// F32. Where a format of weights asks for inputs as they are, the integers go to ±32,767 instead. Products of integers are exact, so a result differs from the reference by this rounding alone.
/// </summary>
public static class IntegerActivations
{
    /// <summary>Inputs that share a scale.</summary>
    public const int GroupInputs = 32;

    /// <summary>The greatest integer of 8 bits.</summary>
    public const int Most = 127;

    /// <summary>The greatest integer of 16 bits.</summary>
    public const int MostWide = 32767;

    /// <summary>Times the greatest integer: below this magnitude the factor overflows, and such a group counts as zero.</summary>
    private const float Least = 1e-37f;

    /// <summary>The scale of a group, and the factor that its elements are multiplied with before they are rounded.</summary>
    /// <param name="greatest">The greatest magnitude of the group; NaN if any element is NaN.</param>
    /// <param name="scale">0 for a group of zeros; NaN where the greatest is not finite, so that every product of the row is NaN.</param>
    /// <param name="most">The greatest integer.</param>
    public static float Scale(float greatest, out float scale, int most = Most)
    {
        if (!float.IsFinite(greatest))
        {
            scale = float.NaN;
            return 0;
        }

        float least = Least * most;
        scale = greatest < least ? 0 : greatest / most;
        return greatest < least ? 0 : most / greatest;
    }

    /// <summary>Replaces a row by what its rounded form stands for. The last group may be shorter.</summary>
    public static void Round(Span<float> row, int most = Most)
    {
        for (int start = 0; start < row.Length; start += GroupInputs)
        {
            Span<float> group = row[start..Math.Min(row.Length, start + GroupInputs)];
            float greatest = 0;
            foreach (float value in group)
            {
                greatest = MathF.Max(greatest, MathF.Abs(value));
            }

            float factor = Scale(greatest, out float scale, most);
            for (int i = 0; i < group.Length; i++)
            {
                group[i] = scale == 0 || float.IsNaN(scale) ? scale : MathF.Round(group[i] * factor) * scale;
            }
        }
    }
}
