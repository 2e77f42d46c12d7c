using System;
using System.Collections.Generic;
using System.Globalization;
using System.Text.Json;
using Quire.Server.Http;

namespace Quire.Server.Requests;

/// <summary>
/// Typed values of a request body, as tolerant as vLLM: numbers and booleans may be given as text, whole numbers with a point count as
/// integers, null is "not given". Everything else is an <see cref="ApiException"/> that names the place.
/// </summary>
internal static class JsonValue
{
    private const int ShownLength = 60;

    public static bool? Boolean(JsonElement value, string location)
    {
        switch (value.ValueKind)
        {
            case JsonValueKind.Null:
                return null;
            case JsonValueKind.True:
                return true;
            case JsonValueKind.False:
                return false;
            case JsonValueKind.Number when value.TryGetInt32(out int number) && number is 0 or 1:
                return value.GetInt32() == 1;
            case JsonValueKind.String when Word(TextOf(value, location)) is { } word:
                return word;
            default:
                throw Wrong(location, "a boolean", value);
        }
    }

    public static long? Long(JsonElement value, string location) => Whole(value, location, long.MinValue, long.MaxValue);

    public static int? Integer(JsonElement value, string location) => (int?)Whole(value, location, int.MinValue, int.MaxValue);

    /// <summary>A number; infinity comes through for literals such as 1e999, so that the range check of the field names it.</summary>
    public static double? Number(JsonElement value, string location)
    {
        switch (value.ValueKind)
        {
            case JsonValueKind.Null:
                return null;
            case JsonValueKind.Number when value.TryGetDouble(out double number):
                return number;
            case JsonValueKind.True:
                return 1;
            case JsonValueKind.False:
                return 0;
            case JsonValueKind.String when double.TryParse(TextOf(value, location), NumberStyles.Float, CultureInfo.InvariantCulture, out double parsed)
                    && double.IsFinite(parsed):
                return parsed;
            default:
                throw Wrong(location, "a number", value);
        }
    }

    public static string? Text(JsonElement value, string location) => value.ValueKind switch
    {
        JsonValueKind.Null => null,
        JsonValueKind.String => TextOf(value, location),
        _ => throw Wrong(location, "a string", value),
    };

    /// <summary>One text or a list of texts.</summary>
    public static IReadOnlyList<string>? Texts(JsonElement value, string location, int entriesMax, int lengthMax)
    {
        if (value.ValueKind == JsonValueKind.Null)
        {
            return null;
        }

        if (value.ValueKind == JsonValueKind.String)
        {
            return [Bounded(TextOf(value, location), location, lengthMax)];
        }

        CheckList(value, location, "a string or a list of strings", entriesMax);
        var texts = new List<string>(value.GetArrayLength());
        foreach (JsonElement item in value.EnumerateArray())
        {
            string place = $"{location}[{texts.Count}]";
            if (item.ValueKind != JsonValueKind.String)
            {
                throw Wrong(place, "a string", item);
            }

            texts.Add(Bounded(TextOf(item, place), place, lengthMax));
        }

        return texts;
    }

    /// <summary>A list of 32-bit integers.</summary>
    public static int[]? Integers(JsonElement value, string location, int entriesMax)
    {
        if (value.ValueKind == JsonValueKind.Null)
        {
            return null;
        }

        CheckList(value, location, "a list of integers", entriesMax);
        var numbers = new int[value.GetArrayLength()];
        int index = 0;
        foreach (JsonElement item in value.EnumerateArray())
        {
            if (item.ValueKind != JsonValueKind.Number || !item.TryGetInt32(out numbers[index]))
            {
                numbers[index] = Integer(item, $"{location}[{index}]") ?? throw Wrong($"{location}[{index}]", "an integer", item);
            }

            index++;
        }

        return numbers;
    }

    public static JsonElement? Object(JsonElement value, string location) => value.ValueKind switch
    {
        JsonValueKind.Null => null,
        JsonValueKind.Object => value,
        _ => throw Wrong(location, "an object", value),
    };

    public static void CheckList(JsonElement value, string location, string wanted, int entriesMax)
    {
        if (value.ValueKind != JsonValueKind.Array)
        {
            throw Wrong(location, wanted, value);
        }

        if (value.GetArrayLength() > entriesMax)
        {
            throw new ApiException(ApiError.Schema(location, $"has {value.GetArrayLength()} entries, and at most {entriesMax} are allowed"));
        }
    }

    public static ApiException Wrong(string location, string wanted, JsonElement value) =>
        new(ApiError.Schema(location, $"must be {wanted}, got {Shown(value)}"));

    /// <summary>A text that may hold anything but broken surrogate escapes.</summary>
    public static string TextOf(JsonElement value, string location)
    {
        try
        {
            return value.GetString()!;
        }
        catch (InvalidOperationException)
        {
            throw new ApiException(ApiError.Schema(location, "holds half of a surrogate pair, which is not text"));
        }
    }

    /// <summary>The name of a property; broken surrogate escapes in it are an error like in any other text.</summary>
    public static string NameOf(in JsonProperty property, string location)
    {
        try
        {
            return property.Name;
        }
        catch (InvalidOperationException)
        {
            throw new ApiException(ApiError.Schema(location, "a key holds half of a surrogate pair, which is not text"));
        }
    }

    /// <summary>How a value stands in a message: short, and never a whole request.</summary>
    public static string Shown(JsonElement value)
    {
        switch (value.ValueKind)
        {
            case JsonValueKind.Object:
                return "an object";
            case JsonValueKind.Array:
                return "a list";
            default:
                string text = value.GetRawText();
                return text.Length <= ShownLength ? text : string.Concat(text.AsSpan(0, ShownLength), "…");
        }
    }

    private static long? Whole(JsonElement value, string location, long smallest, long largest)
    {
        switch (value.ValueKind)
        {
            case JsonValueKind.Null:
                return null;
            case JsonValueKind.True:
                return 1;
            case JsonValueKind.False:
                return 0;
            case JsonValueKind.Number when value.TryGetInt64(out long number):
                return InRange(number, location, smallest, largest);
            case JsonValueKind.Number when value.TryGetDouble(out double number) && double.IsInteger(number):
                return number is >= -9.2e18 and <= 9.2e18
                    ? InRange((long)number, location, smallest, largest)
                    : throw OutOfRange(location, Shown(value), smallest, largest);
            case JsonValueKind.String when long.TryParse(TextOf(value, location), NumberStyles.Integer, CultureInfo.InvariantCulture, out long parsed):
                return InRange(parsed, location, smallest, largest);
            default:
                throw Wrong(location, "an integer", value);
        }
    }

    private static long InRange(long number, string location, long smallest, long largest) =>
        number >= smallest && number <= largest
            ? number
            : throw OutOfRange(location, number.ToString(CultureInfo.InvariantCulture), smallest, largest);

    private static ApiException OutOfRange(string location, string shown, long smallest, long largest) =>
        new(ApiError.Schema(location, $"must be an integer from {smallest} to {largest}, got {shown}"));

    private static string Bounded(string text, string location, int lengthMax) =>
        text.Length <= lengthMax
            ? text
            : throw new ApiException(ApiError.Schema(location, $"has {text.Length} characters, and at most {lengthMax} are allowed"));

    private static bool? Word(string text) => text.ToLowerInvariant() switch
    {
        "true" or "yes" or "on" or "1" or "t" or "y" => true,
        "false" or "no" or "off" or "0" or "f" or "n" => false,
        _ => null,
    };
}
