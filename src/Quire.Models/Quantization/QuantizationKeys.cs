using System;
using System.Collections.Generic;
using System.Text.RegularExpressions;
using Quire.Models.Config;

namespace Quire.Models.Quantization;

/// <summary>Values and names that several quantisation formats write alike.</summary>
internal static class QuantizationKeys
{
    private const int MaxGroupSize = 1 << 20;

    private static readonly TimeSpan PatternTimeout = TimeSpan.FromMilliseconds(200);

    /// <summary>A group size: −1 for one group of all inputs.</summary>
    public static int GroupSize(ConfigSection config, string key, int fallback = -1)
    {
        int size = config.Int32(key, -1, MaxGroupSize, fallback);
        return size == 0 ? throw config.Invalid(key, "is 0; a group has at least one input, and -1 means all inputs") : size;
    }

    public static string Describe(int groupSize) => groupSize < 0 ? "one group a row" : $"groups of {groupSize}";

    /// <summary>
    /// True when a list of modules names this one: in full, as an enclosing module, or by its last parts, such as <c>lm_head</c>,
    /// <c>model.layers.0</c> or <c>mlp.gate</c>.
    /// </summary>
    public static bool Names(IReadOnlyList<string> list, string module)
    {
        foreach (string entry in list)
        {
            if (entry.Length > 0 && $".{module}.".Contains($".{entry.Trim('.')}.", StringComparison.Ordinal))
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>Whether a regular expression matches from the start of a name, as Python's <c>re.match</c>.</summary>
    /// <exception cref="CheckpointException">It is not valid, or takes too long.</exception>
    public static bool Matches(string pattern, string module, ConfigSection config, string key)
    {
        try
        {
            return Regex.IsMatch(module, $@"\A(?:{pattern})", RegexOptions.CultureInvariant, PatternTimeout);
        }
        catch (ArgumentException error)
        {
            throw config.Invalid(key, $"holds '{pattern}', which is not a regular expression: {error.Message}");
        }
        catch (RegexMatchTimeoutException)
        {
            throw config.Invalid(key, $"holds '{pattern}', which takes too long on '{module}'");
        }
    }
}
