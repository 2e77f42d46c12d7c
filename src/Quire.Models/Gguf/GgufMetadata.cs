using System;
using System.Buffers.Binary;
using System.Collections.Generic;
using System.Globalization;
using System.Text;

namespace Quire.Models.Gguf;

/// <summary>Where a metadata value lies: its type and, for arrays, how many elements of what type.</summary>
internal readonly record struct GgufEntry(GgufValueType Type, long Offset, GgufValueType ElementType, long Count);

/// <summary>
/// The keys and values of a GGUF file, read on demand from the mapping through getters that check type and range; valid until the file is
/// disposed. Errors name the file, the key, the value and the limit.
/// </summary>
public sealed unsafe class GgufMetadata
{
    private const int TextBytesMax = 16 << 20;

    private readonly Dictionary<string, GgufEntry> _entries;
    private readonly string _file;
    private readonly byte* _start;

    internal GgufMetadata(string file, byte* start, Dictionary<string, GgufEntry> entries)
    {
        _file = file;
        _start = start;
        _entries = entries;
    }

    /// <summary>All keys.</summary>
    public IReadOnlyCollection<string> Keys => _entries.Keys;

    public bool Has(string key) => _entries.ContainsKey(key);

    /// <summary>True when the value is an array.</summary>
    public bool IsArray(string key) => _entries.TryGetValue(key, out GgufEntry entry) && entry.Type == GgufValueType.Array;

    /// <summary>A text, or null when the key is absent.</summary>
    public string? Text(string key) => _entries.TryGetValue(key, out GgufEntry entry)
        ? entry.Type == GgufValueType.String ? TextAt(entry.Offset, key, out _) : throw Wrong(key, entry, "a string")
        : null;

    /// <summary>A boolean, or null when the key is absent.</summary>
    public bool? Flag(string key) => _entries.TryGetValue(key, out GgufEntry entry)
        ? entry.Type == GgufValueType.Bool ? _start[entry.Offset] != 0 : throw Wrong(key, entry, "a boolean")
        : null;

    /// <summary>
    /// An integer in [minimum, maximum], or null when the key is absent. An array counts when all its elements are equal: some files state
    /// per layer what all layers share.
    /// </summary>
    public int? Integer(string key, int minimum, int maximum)
    {
        if (!_entries.TryGetValue(key, out GgufEntry entry))
        {
            return null;
        }

        if (entry.Type == GgufValueType.Array)
        {
            return SameInteger(key, entry, minimum, maximum);
        }

        return IntegerAt(entry.Type, entry.Offset) is { } value ? Checked(key, value, minimum, maximum) : throw Wrong(key, entry, "an integer");
    }

    /// <summary>A finite number in [minimum, maximum], or null when the key is absent.</summary>
    public double? Number(string key, double minimum, double maximum)
    {
        if (!_entries.TryGetValue(key, out GgufEntry entry))
        {
            return null;
        }

        double value = NumberAt(entry.Type, entry.Offset) ?? throw Wrong(key, entry, "a number");
        return value >= minimum && value <= maximum
            ? value
            : throw Invalid(key, string.Create(CultureInfo.InvariantCulture, $"is {value}, which is not between {minimum} and {maximum}"));
    }

    /// <summary>A list of texts of at most <paramref name="most"/> entries, or null when the key is absent.</summary>
    public string[]? Texts(string key, int most)
    {
        if (Array(key, GgufValueType.String, most) is not { } entry)
        {
            return null;
        }

        var texts = new string[entry.Count];
        long offset = entry.Offset;
        for (int i = 0; i < texts.Length; i++)
        {
            texts[i] = TextAt(offset, key, out long bytes);
            offset += sizeof(ulong) + bytes;
        }

        return texts;
    }

    /// <summary>A list of 32-bit numbers of at most <paramref name="most"/> entries, or null when the key is absent.</summary>
    public float[]? Singles(string key, int most)
    {
        if (Array(key, GgufValueType.Float32, most) is not { } entry)
        {
            return null;
        }

        var values = new float[entry.Count];
        for (int i = 0; i < values.Length; i++)
        {
            values[i] = BinaryPrimitives.ReadSingleLittleEndian(new ReadOnlySpan<byte>(_start + entry.Offset + 4L * i, 4));
        }

        return values;
    }

    /// <summary>A list of integers of at most <paramref name="most"/> entries that fit 32 bits, or null when the key is absent.</summary>
    public int[]? Integers(string key, int most)
    {
        if (Array(key, null, most) is not { } entry)
        {
            return null;
        }

        var values = new int[entry.Count];
        int size = SizeOf(entry.ElementType);
        for (int i = 0; i < values.Length; i++)
        {
            long value = IntegerAt(entry.ElementType, entry.Offset + (long)size * i) ?? throw Wrong(key, entry, "a list of integers");
            values[i] = Checked(key, value, int.MinValue, int.MaxValue);
        }

        return values;
    }

    /// <summary>An error about the value of a key.</summary>
    public CheckpointException Invalid(string key, string message) => new(CheckpointProblem.Configuration, $"{_file}: {key} {message}");

    /// <summary>Bytes of one value of a fixed size; 0 for texts and arrays.</summary>
    internal static int SizeOf(GgufValueType type) => type switch
    {
        GgufValueType.UInt8 or GgufValueType.Int8 or GgufValueType.Bool => 1,
        GgufValueType.UInt16 or GgufValueType.Int16 => 2,
        GgufValueType.UInt32 or GgufValueType.Int32 or GgufValueType.Float32 => 4,
        GgufValueType.UInt64 or GgufValueType.Int64 or GgufValueType.Float64 => 8,
        _ => 0,
    };

    private int SameInteger(string key, GgufEntry entry, int minimum, int maximum)
    {
        int[] values = Integers(key, 1 << 16)!;
        if (values.Length == 0)
        {
            throw Invalid(key, "is an empty list");
        }

        foreach (int value in values)
        {
            if (value != values[0])
            {
                throw new CheckpointException(
                    CheckpointProblem.Unsupported, $"{_file}: {key} differs from layer to layer ({values[0]}, {value}); such models are not supported");
            }
        }

        return Checked(key, values[0], minimum, maximum);
    }

    private GgufEntry? Array(string key, GgufValueType? elementType, int most)
    {
        if (!_entries.TryGetValue(key, out GgufEntry entry))
        {
            return null;
        }

        if (entry.Type != GgufValueType.Array || (elementType is { } type && entry.ElementType != type))
        {
            throw Wrong(key, entry, elementType is null ? "a list" : $"a list of {elementType}");
        }

        return entry.Count <= most ? entry : throw Invalid(key, $"has {entry.Count} entries, more than the limit of {most}");
    }

    private string TextAt(long offset, string key, out long bytes)
    {
        // The bounds were checked when the file was opened.
        bytes = BinaryPrimitives.ReadInt64LittleEndian(new ReadOnlySpan<byte>(_start + offset, sizeof(long)));
        return bytes <= TextBytesMax
            ? Encoding.UTF8.GetString(_start + offset + sizeof(ulong), (int)bytes)
            : throw Invalid(key, $"has a text of {bytes} bytes, more than the limit of {TextBytesMax}");
    }

    private long? IntegerAt(GgufValueType type, long offset)
    {
        var bytes = new ReadOnlySpan<byte>(_start + offset, SizeOf(type));
        return type switch
        {
            GgufValueType.UInt8 => bytes[0],
            GgufValueType.Int8 => (sbyte)bytes[0],
            GgufValueType.UInt16 => BinaryPrimitives.ReadUInt16LittleEndian(bytes),
            GgufValueType.Int16 => BinaryPrimitives.ReadInt16LittleEndian(bytes),
            GgufValueType.UInt32 => BinaryPrimitives.ReadUInt32LittleEndian(bytes),
            GgufValueType.Int32 => BinaryPrimitives.ReadInt32LittleEndian(bytes),
            GgufValueType.UInt64 => (long)Math.Min(BinaryPrimitives.ReadUInt64LittleEndian(bytes), long.MaxValue),
            GgufValueType.Int64 => BinaryPrimitives.ReadInt64LittleEndian(bytes),
            _ => null,
        };
    }

    private double? NumberAt(GgufValueType type, long offset) => type switch
    {
        GgufValueType.Float32 => BinaryPrimitives.ReadSingleLittleEndian(new ReadOnlySpan<byte>(_start + offset, 4)),
        GgufValueType.Float64 => BinaryPrimitives.ReadDoubleLittleEndian(new ReadOnlySpan<byte>(_start + offset, 8)),
        _ => IntegerAt(type, offset),
    };

    private int Checked(string key, long value, int minimum, int maximum) => value >= minimum && value <= maximum
        ? (int)value
        : throw Invalid(key, $"is {value}, which is not between {minimum} and {maximum}");

    private CheckpointException Wrong(string key, GgufEntry entry, string expected) =>
        Invalid(key, $"must be {expected}, but is {(entry.Type == GgufValueType.Array ? $"a list of {entry.ElementType}" : entry.Type)}");
}
