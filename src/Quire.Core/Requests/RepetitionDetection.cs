using System;

namespace Quire.Core.Requests;

/// <summary>
/// Ends a request whose last output tokens are one pattern again and again. A pattern of p tokens, p from
/// max(1, <paramref name="MinPatternSize"/>) to <paramref name="MaxPatternSize"/>, must stand <paramref name="MinCount"/> times at the end.
/// </summary>
/// <param name="MaxPatternSize">Longest pattern in tokens; 0 turns the detection off.</param>
/// <param name="MinPatternSize">Shortest pattern in tokens; 0 means 1.</param>
/// <param name="MinCount">How often the pattern must stand at the end, at least 2.</param>
public sealed record RepetitionDetection(int MaxPatternSize = 0, int MinPatternSize = 0, int MinCount = 0)
{
    public Refusal? Validate()
    {
        if (MaxPatternSize < 0 || MinPatternSize < 0 || MinPatternSize > MaxPatternSize)
        {
            return new Refusal(RefusalCode.InvalidValue, "repetition_detection",
                "max_pattern_size, min_pattern_size must be >=0, with min_pattern_size <= max_pattern_size. "
                + "Set both to 0 to disable repetitive pattern detection.");
        }

        if (MaxPatternSize > 0 && MinCount < 2)
        {
            return new Refusal(RefusalCode.InvalidValue, "repetition_detection",
                "min_count must be >= 2 to detect repetitive patterns in engine output. "
                + "If you do not wish to detect repetitive patterns, set max_pattern_size to 0.");
        }

        return null;
    }

    /// <summary>Whether the end of <paramref name="output"/> is a pattern that stands at least <see cref="MinCount"/> times.</summary>
    public bool IsRepeating(ReadOnlySpan<int> output)
    {
        if (MaxPatternSize == 0)
            return false;
        for (int size = Math.Max(1, MinPatternSize); size <= MaxPatternSize; size++)
        {
            long needed = (long)size * MinCount;
            if (needed > output.Length)
                return false;

            // The tail has period `size` exactly when it equals itself shifted by one pattern.
            ReadOnlySpan<int> tail = output[^(int)needed..];
            if (tail[size..].SequenceEqual(tail[..^size]))
                return true;
        }

        return false;
    }
}
