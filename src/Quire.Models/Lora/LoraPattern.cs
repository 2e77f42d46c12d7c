using System;
using System.Collections.Generic;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace Quire.Models.Lora;

/// <summary>
/// rank_pattern or alpha_pattern: a value for the modules whose name ends with a pattern. The first pattern that matches counts; it is a
/// regular expression over whole parts of the name, and one that begins with ^ has to match from the beginning.
/// </summary>
internal sealed class LoraPattern
{
    private const int MaxPatterns = 4096;
    private const int MaxPatternLength = 512;

    private readonly List<(Regex Pattern, double Value)> _entries = [];

    private LoraPattern()
    {
    }

    /// <summary>The greatest value, or null without any.</summary>
    public double? Largest { get; private set; }

    /// <exception cref="CheckpointException">Not an object of numbers in the range, or a pattern that is no regular expression.</exception>
    public static LoraPattern Read(JsonElement root, string key, double minimum, double maximum)
    {
        var pattern = new LoraPattern();
        if (!root.TryGetProperty(key, out JsonElement table) || table.ValueKind == JsonValueKind.Null)
        {
            return pattern;
        }

        if (table.ValueKind != JsonValueKind.Object)
        {
            throw Invalid(key, "must be an object of names and numbers");
        }

        foreach (JsonProperty entry in table.EnumerateObject())
        {
            bool isNumber = entry.Value.ValueKind == JsonValueKind.Number;
            if (!isNumber || !entry.Value.TryGetDouble(out double value) || !(value >= minimum && value <= maximum) || (minimum > 0 && value != Math.Floor(value)))
            {
                throw Invalid(key, FormattableString.Invariant($"of {LoraConfig.Shorten(entry.Name)} must be a number from {minimum} to {maximum}"));
            }

            pattern.Add(key, entry.Name, value);
        }

        return pattern;
    }

    /// <summary>The value of a module, or null when no pattern names it.</summary>
    public double? Find(string module)
    {
        foreach ((Regex pattern, double value) in _entries)
        {
            if (pattern.IsMatch(module))
            {
                return value;
            }
        }

        return null;
    }

    private void Add(string key, string text, double value)
    {
        if (_entries.Count == MaxPatterns || text.Length > MaxPatternLength)
        {
            throw Invalid(key, $"may hold at most {MaxPatterns} patterns of at most {MaxPatternLength} characters");
        }

        try
        {
            // Without backtracking a hostile pattern costs time in proportion to the name and no more.
            string anchored = text.StartsWith('^') ? text : $@"^(.*\.)?({text})$";
            _entries.Add((new Regex(anchored, RegexOptions.NonBacktracking | RegexOptions.CultureInvariant), value));
        }
        catch (Exception error) when (error is ArgumentException or NotSupportedException)
        {
            throw Invalid(key, $"holds '{LoraConfig.Shorten(text)}', which cannot be used as a pattern: {error.Message}");
        }

        Largest = Math.Max(Largest ?? value, value);
    }

    private static CheckpointException Invalid(string key, string message) => new(CheckpointProblem.Configuration, $"{LoraConfig.FileName}: {key} {message}");
}
