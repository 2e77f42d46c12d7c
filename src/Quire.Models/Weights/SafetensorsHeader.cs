using System;
using System.Collections.Generic;
using System.Text.Json;
using Quire.Tensors;

namespace Quire.Models.Weights;

/// <summary>One checked entry of a header: offsets are relative to the data that follows the header.</summary>
internal sealed record SafetensorsEntry(string Name, string TypeName, DType? Type, long[] Shape, long Begin, long End);

/// <summary>
/// The JSON header of a safetensors file. Everything in it is checked against the size of the file before anyone may follow an offset:
/// types, products of shapes, ranges, order. The ranges must cover the data exactly, without holes or overlaps.
/// </summary>
internal sealed class SafetensorsHeader
{
    private const int MaxDepth = 8;
    private const int MaxRank = 32;

    private readonly List<SafetensorsEntry> _entries = [];
    private readonly Dictionary<string, string> _metadata = [];
    private readonly HashSet<string> _names = [];
    private readonly string _file;

    private SafetensorsHeader(string file) => _file = file;

    public IReadOnlyList<SafetensorsEntry> Entries => _entries;

    public IReadOnlyDictionary<string, string> Metadata => _metadata;

    /// <summary>Parses and checks a header.</summary>
    /// <param name="json">The header without its length.</param>
    /// <param name="dataBytes">Bytes of the file after the header.</param>
    /// <param name="file">Name of the file, for messages.</param>
    /// <exception cref="CheckpointException">The header is wrong; the message says where.</exception>
    public static SafetensorsHeader Parse(ReadOnlySpan<byte> json, long dataBytes, string file)
    {
        var header = new SafetensorsHeader(file);
        if (json.IsEmpty || json[0] != (byte)'{')
        {
            throw header.Malformed("the header does not begin with '{'");
        }

        try
        {
            var reader = new Utf8JsonReader(json, new JsonReaderOptions { MaxDepth = MaxDepth });
            reader.Read();
            header.ReadRoot(ref reader);
            if (reader.Read())
            {
                throw header.Malformed("something follows the header's JSON object");
            }
        }
        catch (JsonException error)
        {
            throw header.Malformed($"the header is not valid JSON ({error.Message})", error);
        }
        catch (InvalidOperationException error)
        {
            // The reader reports text that is not valid UTF-8 this way.
            throw header.Malformed("the header holds text that is not valid UTF-8", error);
        }

        header.CheckCoverage(dataBytes);
        return header;
    }

    private void ReadRoot(ref Utf8JsonReader reader)
    {
        while (Next(ref reader) == JsonTokenType.PropertyName)
        {
            string name = reader.GetString()!;
            if (!_names.Add(name))
            {
                throw Malformed($"the name '{name}' appears twice");
            }

            if (name == "__metadata__")
            {
                ReadMetadata(ref reader);
            }
            else
            {
                _entries.Add(ReadEntry(ref reader, name));
            }
        }
    }

    private void ReadMetadata(ref Utf8JsonReader reader)
    {
        Expect(ref reader, JsonTokenType.StartObject, "__metadata__ must map names to strings");
        while (Next(ref reader) == JsonTokenType.PropertyName)
        {
            string key = reader.GetString()!;
            Expect(ref reader, JsonTokenType.String, "__metadata__ must map names to strings");
            _metadata[key] = reader.GetString()!;
        }
    }

    private SafetensorsEntry ReadEntry(ref Utf8JsonReader reader, string name)
    {
        Expect(ref reader, JsonTokenType.StartObject, $"'{name}' is not an object");
        string? type = null;
        long[]? shape = null;
        long[]? offsets = null;
        while (Next(ref reader) == JsonTokenType.PropertyName)
        {
            bool repeated = false;
            if (reader.ValueTextEquals("dtype"u8))
            {
                repeated = type is not null;
                Expect(ref reader, JsonTokenType.String, $"dtype of '{name}' is not a string");
                type = reader.GetString();
            }
            else if (reader.ValueTextEquals("shape"u8))
            {
                repeated = shape is not null;
                shape = ReadNumbers(ref reader, name, "shape", MaxRank);
            }
            else if (reader.ValueTextEquals("data_offsets"u8))
            {
                repeated = offsets is not null;
                offsets = ReadNumbers(ref reader, name, "data_offsets", 2);
            }
            else
            {
                Next(ref reader);
                reader.Skip();
            }

            if (repeated)
            {
                throw Malformed($"a field of '{name}' appears twice");
            }
        }

        if (type is null || shape is null || offsets is null || offsets.Length != 2)
        {
            throw Malformed($"'{name}' needs dtype, shape and two data_offsets");
        }

        return Checked(name, type, shape, offsets[0], offsets[1]);
    }

    private SafetensorsEntry Checked(string name, string type, long[] shape, long begin, long end)
    {
        int bits = SafetensorsTypes.Bits(type) ?? throw new CheckpointException(
            CheckpointProblem.Unsupported,
            $"{_file}: '{name}' has the unknown dtype '{type}'; known are {string.Join(", ", SafetensorsTypes.Names)}");
        if (begin > end)
        {
            throw Malformed($"'{name}' ends at {end}, before its begin {begin}");
        }

        long elements = 1;
        try
        {
            foreach (long dimension in shape)
            {
                elements = checked(elements * dimension);
            }

            if (checked(elements * bits) != checked((end - begin) * 8))
            {
                throw Malformed(
                    $"'{name}' is {type} {WeightTensor.Describe(shape)}, which is not the {end - begin} bytes of its data_offsets [{begin}, {end}]");
            }
        }
        catch (OverflowException error)
        {
            throw Malformed($"the size of '{name}', {type} {WeightTensor.Describe(shape)}, does not fit into 64 bits", error);
        }

        return new SafetensorsEntry(name, type, SafetensorsTypes.ToDType(type), shape, begin, end);
    }

    private long[] ReadNumbers(ref Utf8JsonReader reader, string name, string field, int limit)
    {
        Expect(ref reader, JsonTokenType.StartArray, $"{field} of '{name}' is not a list");
        var numbers = new List<long>(4);
        while (Next(ref reader) == JsonTokenType.Number)
        {
            if (!reader.TryGetInt64(out long number) || number < 0)
            {
                throw Malformed($"{field} of '{name}' holds a number that is negative, fractional or too large");
            }

            if (numbers.Count == limit)
            {
                throw Malformed($"{field} of '{name}' has more than {limit} numbers");
            }

            numbers.Add(number);
        }

        if (reader.TokenType != JsonTokenType.EndArray)
        {
            throw Malformed($"{field} of '{name}' holds something that is not a number");
        }

        return [.. numbers];
    }

    /// <summary>Sorted by position, each tensor must begin where the one before it ends, and the last must end with the file.</summary>
    private void CheckCoverage(long dataBytes)
    {
        _entries.Sort(static (a, b) => a.Begin != b.Begin ? a.Begin.CompareTo(b.Begin) : a.End.CompareTo(b.End));
        long position = 0;
        string before = "the header";
        foreach (SafetensorsEntry entry in _entries)
        {
            if (entry.End > dataBytes)
            {
                throw Malformed($"'{entry.Name}' ends at byte {entry.End} of the data, but the file holds {dataBytes}: it is truncated or damaged");
            }

            if (entry.Begin != position)
            {
                string fault = entry.Begin < position ? "overlaps" : "leaves a hole after";
                throw Malformed($"'{entry.Name}' begins at byte {entry.Begin} of the data and {fault} {before}, which ends at {position}");
            }

            position = entry.End;
            before = $"'{entry.Name}'";
        }

        if (position != dataBytes)
        {
            throw Malformed($"the tensors end at byte {position} of the data, but the file holds {dataBytes}");
        }
    }

    private static JsonTokenType Next(ref Utf8JsonReader reader)
    {
        reader.Read();
        return reader.TokenType;
    }

    private void Expect(ref Utf8JsonReader reader, JsonTokenType type, string message)
    {
        if (Next(ref reader) != type)
        {
            throw Malformed(message);
        }
    }

    private CheckpointException Malformed(string message, Exception? cause = null) =>
        new(CheckpointProblem.Malformed, $"{_file}: {message}", cause);
}
