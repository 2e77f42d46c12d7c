using System;
using System.Collections.Generic;
using System.Globalization;
using System.Text.Json;

namespace Quire.Models.Config;

/// <summary>
/// One JSON object of a model's configuration, read through getters that check type and range. A key that is null counts as absent.
/// Every error names the file, the full key, the value and the limit.
/// </summary>
public sealed class ConfigSection
{
    private readonly JsonElement _element;
    private readonly string _file;
    private readonly string _path;

    internal ConfigSection(JsonElement element, string file, string path = "")
    {
        _element = element;
        _file = file;
        _path = path;
    }

    /// <summary>True when the key is there and not null.</summary>
    public bool Has(string key) => Find(key) is not null;

    /// <summary>True when the key is there, even as null: some classes give null and absence different meanings.</summary>
    public bool HasKey(string key) => _element.TryGetProperty(key, out _);

    /// <summary>An integer that must be there, in [minimum, maximum].</summary>
    public int Int32(string key, int minimum, int maximum) =>
        OptionalInt32(key, minimum, maximum) ?? throw Missing(key);

    /// <summary>An integer in [minimum, maximum], or <paramref name="fallback"/> when the key is absent.</summary>
    public int Int32(string key, int minimum, int maximum, int fallback) => OptionalInt32(key, minimum, maximum) ?? fallback;

    /// <summary>An integer in [minimum, maximum], or null when the key is absent.</summary>
    public int? OptionalInt32(string key, int minimum, int maximum) =>
        Find(key) is { } value ? CheckedInt32(value, key, minimum, maximum) : null;

    /// <summary>A number in [minimum, maximum], or <paramref name="fallback"/> when the key is absent.</summary>
    public double Double(string key, double minimum, double maximum, double fallback) => OptionalDouble(key, minimum, maximum) ?? fallback;

    /// <summary>A number in [minimum, maximum], or null when the key is absent.</summary>
    public double? OptionalDouble(string key, double minimum, double maximum) =>
        Find(key) is { } value ? CheckedDouble(value, key, minimum, maximum) : null;

    /// <summary>A boolean, or <paramref name="fallback"/> when the key is absent.</summary>
    public bool Boolean(string key, bool fallback) => Find(key) switch
    {
        null => fallback,
        { ValueKind: JsonValueKind.True } => true,
        { ValueKind: JsonValueKind.False } => false,
        { } other => throw WrongType(key, other, "true or false"),
    };

    /// <summary>A string, or null when the key is absent.</summary>
    public string? String(string key) => Find(key) switch
    {
        null => null,
        { ValueKind: JsonValueKind.String } value => value.GetString(),
        { } other => throw WrongType(key, other, "a string"),
    };

    /// <summary>A list of strings, or null when the key is absent.</summary>
    public IReadOnlyList<string>? Strings(string key)
    {
        if (List(key) is not { } list)
        {
            return null;
        }

        var values = new List<string>();
        foreach (JsonElement item in list.EnumerateArray())
        {
            values.Add(item.ValueKind == JsonValueKind.String ? item.GetString()! : throw WrongType(key, item, "a list of strings"));
        }

        return values;
    }

    /// <summary>A list of strings, or of such lists, as one list; null when the key is absent.</summary>
    public IReadOnlyList<string>? FlatStrings(string key)
    {
        if (List(key) is not { } list)
        {
            return null;
        }

        var values = new List<string>();
        foreach (JsonElement item in list.EnumerateArray())
        {
            IEnumerable<JsonElement> inner = item.ValueKind == JsonValueKind.Array ? item.EnumerateArray() : [item];
            foreach (JsonElement text in inner)
            {
                values.Add(text.ValueKind == JsonValueKind.String ? text.GetString()! : throw WrongType(key, text, "a list of strings"));
            }
        }

        return values;
    }

    /// <summary>A list of numbers in [minimum, maximum], or null when the key is absent.</summary>
    public IReadOnlyList<double>? Doubles(string key, double minimum, double maximum)
    {
        if (List(key) is not { } list)
        {
            return null;
        }

        var values = new List<double>();
        foreach (JsonElement item in list.EnumerateArray())
        {
            values.Add(CheckedDouble(item, key, minimum, maximum));
        }

        return values;
    }

    /// <summary>One integer or a list of them, as token ids are written; empty when the key is absent.</summary>
    public IReadOnlyList<int> OneOrManyInt32(string key, int minimum, int maximum)
    {
        if (Find(key) is not { } value)
        {
            return [];
        }

        if (value.ValueKind != JsonValueKind.Array)
        {
            return [CheckedInt32(value, key, minimum, maximum)];
        }

        var values = new List<int>();
        foreach (JsonElement item in value.EnumerateArray())
        {
            values.Add(CheckedInt32(item, key, minimum, maximum));
        }

        return values;
    }

    /// <summary>A nested object, or null when the key is absent.</summary>
    public ConfigSection? Section(string key) => Find(key) switch
    {
        null => null,
        { ValueKind: JsonValueKind.Object } value => new ConfigSection(value, _file, _path + key + "."),
        { } other => throw WrongType(key, other, "an object"),
    };

    /// <summary>True when every value of this object is itself an object: a table per layer kind.</summary>
    public bool HoldsOnlySections()
    {
        bool any = false;
        foreach (JsonProperty property in _element.EnumerateObject())
        {
            any = true;
            if (property.Value.ValueKind != JsonValueKind.Object)
            {
                return false;
            }
        }

        return any;
    }

    /// <summary>Names of all keys.</summary>
    public IEnumerable<string> Keys()
    {
        foreach (JsonProperty property in _element.EnumerateObject())
        {
            yield return property.Name;
        }
    }

    /// <summary>An error about the value of a key.</summary>
    public CheckpointException Invalid(string key, string message) =>
        new(CheckpointProblem.Configuration, $"{_file}: {_path}{key} {message}");

    private CheckpointException Missing(string key) => Invalid(key, "is missing and has no default");

    private CheckpointException WrongType(string key, JsonElement value, string expected) =>
        Invalid(key, $"must be {expected}, but is {Shorten(value)}");

    private JsonElement? Find(string key) =>
        _element.TryGetProperty(key, out JsonElement value) && value.ValueKind != JsonValueKind.Null ? value : null;

    private JsonElement? List(string key)
    {
        JsonElement? value = Find(key);
        return value is { ValueKind: not JsonValueKind.Array } other ? throw WrongType(key, other, "a list") : value;
    }

    private int CheckedInt32(JsonElement value, string key, int minimum, int maximum)
    {
        // Some checkpoints write whole numbers as 4096.0.
        if (value.ValueKind != JsonValueKind.Number || !value.TryGetDouble(out double number) || number != Math.Truncate(number))
        {
            throw WrongType(key, value, "a whole number");
        }

        return number >= minimum && number <= maximum
            ? (int)number
            : throw Invalid(key, string.Create(CultureInfo.InvariantCulture, $"is {Shorten(value)}, which is not between {minimum} and {maximum}"));
    }

    private double CheckedDouble(JsonElement value, string key, double minimum, double maximum)
    {
        if (value.ValueKind != JsonValueKind.Number || !value.TryGetDouble(out double number))
        {
            throw WrongType(key, value, "a number");
        }

        return number >= minimum && number <= maximum
            ? number
            : throw Invalid(key, string.Create(CultureInfo.InvariantCulture, $"is {Shorten(value)}, which is not between {minimum} and {maximum}"));
    }

    private static string Shorten(JsonElement value)
    {
        string text = value.GetRawText();
        return text.Length <= 60 ? text : string.Concat(text.AsSpan(0, 57), "...");
    }
}
