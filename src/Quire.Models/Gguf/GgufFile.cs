using System;
using System.Collections.Generic;
using System.IO;
using System.IO.MemoryMappedFiles;
using System.Numerics;
using Quire.Models.Weights;
using Quire.Models.Config;

namespace Quire.Models.Gguf;

/// <summary>
/// A GGUF file of version 2 or 3, mapped into memory (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md): metadata, a table of
/// tensors, then their data. Nothing is copied; tensors point into the mapping until the file is disposed.
/// </summary>
public sealed unsafe class GgufFile : IDisposable
{
    /// <summary>What file names end with.</summary>
    public const string Extension = ".gguf";

    private const uint Magic = 0x4655_4747;
    private const int DefaultAlignment = 32;
    private const int AlignmentMax = 1 << 20;
    private const int EntriesMax = 1 << 16;
    private const int NameBytesMax = 1 << 16;
    private const int DimensionsMax = 4;
    private const int NestingMax = 4;

    private readonly MemoryMappedFile _mapping;
    private readonly MemoryMappedViewAccessor _view;
    private readonly Dictionary<string, WeightTensor> _tensors = [];
    private bool _disposed;

    private GgufFile(string path, MemoryMappedFile mapping, MemoryMappedViewAccessor view)
    {
        Path = path;
        _mapping = mapping;
        _view = view;
    }

    public string Path { get; }

    /// <summary>All keys and values.</summary>
    public GgufMetadata Metadata { get; private set; } = null!;

    /// <summary>All tensors by name; shapes are outermost first.</summary>
    public IReadOnlyDictionary<string, WeightTensor> Tensors => _tensors;

    /// <summary>True for the path of an existing file that is named as a GGUF file.</summary>
    public static bool IsGguf(string path)
    {
        ArgumentNullException.ThrowIfNull(path);
        return path.EndsWith(Extension, StringComparison.OrdinalIgnoreCase) && File.Exists(path);
    }

    /// <summary>Maps a file and checks its whole header.</summary>
    /// <exception cref="CheckpointException">The file is not there, or breaks a rule of the format; the message says which.</exception>
    public static GgufFile Open(string path)
    {
        string name = System.IO.Path.GetFileName(path);
        GgufFile? file = null;
        try
        {
            long length = FileSize.Of(path);
            if (length < 24)
            {
                throw new CheckpointException(CheckpointProblem.Malformed, $"{name}: {length} bytes are too few for a GGUF file, which begins with 24 bytes of counts");
            }

            MemoryMappedFile mapping = MemoryMappedFile.CreateFromFile(
                File.Open(path, FileMode.Open, FileAccess.Read, FileShare.Read), null, 0, MemoryMappedFileAccess.Read, HandleInheritability.None, false);
            MemoryMappedViewAccessor view = mapping.CreateViewAccessor(0, length, MemoryMappedFileAccess.Read);
            file = new GgufFile(path, mapping, view);
            file.Read(name, length);
            return file;
        }
        catch (CheckpointException)
        {
            file?.Dispose();
            throw;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            file?.Dispose();
            CheckpointProblem problem = error is FileNotFoundException or DirectoryNotFoundException ? CheckpointProblem.MissingFile : CheckpointProblem.Malformed;
            throw new CheckpointException(problem, $"{path} cannot be read: {error.Message}", error);
        }
    }

    public void Dispose()
    {
        if (!_disposed)
        {
            _disposed = true;
            _tensors.Clear();
            _view.SafeMemoryMappedViewHandle.ReleasePointer();
            _view.Dispose();
            _mapping.Dispose();
        }
    }

    private void Read(string name, long length)
    {
        byte* start = null;
        _view.SafeMemoryMappedViewHandle.AcquirePointer(ref start);
        start += _view.PointerOffset;
        var cursor = new GgufCursor(name, start, length);
        CheckVersion(cursor);
        int tensors = (int)Bounded(cursor, "the number of tensors", 24);
        int entries = (int)Bounded(cursor, "the number of metadata entries", 13);
        Metadata = new GgufMetadata(name, start, ReadEntries(cursor, entries));
        var headers = new TensorHeader[tensors];
        for (int i = 0; i < tensors; i++)
        {
            headers[i] = ReadTensor(cursor);
        }

        int alignment = Metadata.Integer("general.alignment", 1, AlignmentMax) ?? DefaultAlignment;
        if (!BitOperations.IsPow2(alignment))
        {
            throw cursor.Malformed($"general.alignment is {alignment}, which is not a power of two");
        }

        long dataStart = tensors == 0 ? length : (cursor.Position + alignment - 1) / alignment * alignment;
        foreach (TensorHeader header in headers)
        {
            AddTensor(cursor, header, start, dataStart, length, alignment);
        }
    }

    private static void CheckVersion(GgufCursor cursor)
    {
        uint magic = cursor.UInt32();
        if (magic != Magic)
        {
            throw cursor.Malformed("the file does not begin with the letters GGUF");
        }

        uint version = cursor.UInt32();
        if (version is not (2 or 3))
        {
            string problem = (version & 0xFFFF) == 0
                ? "the file is written for big-endian machines; convert it again for little-endian ones"
                : $"the format version is {version}; versions 2 and 3 can be read";
            throw new CheckpointException(CheckpointProblem.Unsupported, cursor.Malformed(problem).Message);
        }
    }

    private static long Bounded(GgufCursor cursor, string what, int leastBytes)
    {
        long count = cursor.Count(what, leastBytes);
        return count <= EntriesMax ? count : throw cursor.Malformed($"{what} is {count}, more than the limit of {EntriesMax}");
    }

    private static Dictionary<string, GgufEntry> ReadEntries(GgufCursor cursor, int count)
    {
        var entries = new Dictionary<string, GgufEntry>();
        for (int i = 0; i < count; i++)
        {
            string key = cursor.Text($"the key of metadata entry {i}", NameBytesMax);
            GgufEntry entry = ReadValue(cursor, key, ReadType(cursor, key), 0);
            if (!entries.TryAdd(key, entry))
            {
                throw cursor.Malformed($"the metadata key '{key}' is there twice");
            }
        }

        return entries;
    }

    private static GgufValueType ReadType(GgufCursor cursor, string key)
    {
        uint type = cursor.UInt32();
        return type <= (uint)GgufValueType.Float64 ? (GgufValueType)type : throw cursor.Malformed($"'{key}' has the value type {type}, which is unknown");
    }

    /// <summary>Notes where a value lies, and passes over it.</summary>
    private static GgufEntry ReadValue(GgufCursor cursor, string key, GgufValueType type, int depth)
    {
        if (type != GgufValueType.Array)
        {
            long at = cursor.Position;
            SkipValues(cursor, key, type, 1);
            return new GgufEntry(type, at, type, 1);
        }

        if (depth >= NestingMax)
        {
            throw cursor.Malformed($"'{key}' nests lists deeper than {NestingMax}");
        }

        GgufValueType elementType = ReadType(cursor, key);
        int leastBytes = elementType is GgufValueType.String ? 8 : elementType is GgufValueType.Array ? 12 : GgufMetadata.SizeOf(elementType);
        long count = cursor.Count($"the length of '{key}'", leastBytes);
        long offset = cursor.Position;
        if (elementType != GgufValueType.Array)
        {
            SkipValues(cursor, key, elementType, count);
            return new GgufEntry(type, offset, elementType, count);
        }

        for (long i = 0; i < count; i++)
        {
            ReadValue(cursor, key, GgufValueType.Array, depth + 1);
        }

        return new GgufEntry(type, offset, elementType, count);
    }

    private static void SkipValues(GgufCursor cursor, string key, GgufValueType type, long count)
    {
        if (type == GgufValueType.String)
        {
            cursor.SkipTexts($"'{key}'", count);
        }
        else
        {
            cursor.Skip($"'{key}'", count, GgufMetadata.SizeOf(type));
        }
    }

    private static TensorHeader ReadTensor(GgufCursor cursor)
    {
        string name = cursor.Text("the name of a tensor", NameBytesMax);
        uint dimensions = cursor.UInt32();
        if (dimensions > DimensionsMax)
        {
            throw cursor.Malformed($"the tensor '{name}' has {dimensions} dimensions, more than the limit of {DimensionsMax}");
        }

        // The file lists the innermost dimension first.
        var shape = new long[dimensions];
        long elements = 1;
        for (int i = shape.Length - 1; i >= 0; i--)
        {
            ulong size = cursor.UInt64();
            if (size is 0 or > int.MaxValue || (long)size > long.MaxValue / elements)
            {
                throw cursor.Malformed($"the tensor '{name}' has a dimension of {size}, which is not between 1 and {int.MaxValue} or too much beside the others");
            }

            shape[i] = (long)size;
            elements *= (long)size;
        }

        return new TensorHeader(name, shape, elements, cursor.UInt32(), cursor.UInt64());
    }

    private void AddTensor(GgufCursor cursor, TensorHeader header, byte* start, long dataStart, long length, int alignment)
    {
        GgufType type = GgufTypes.Find(header.Type) ?? throw new CheckpointException(
            CheckpointProblem.Unsupported,
            cursor.Malformed($"the tensor '{header.Name}' has the type {GgufTypes.NameOf(header.Type)}; those that can be read are {GgufTypes.Supported}").Message);
        long columns = header.Shape.Length == 0 ? 1 : header.Shape[^1];
        if (columns % type.BlockLength != 0)
        {
            throw cursor.Malformed($"the tensor '{header.Name}' has rows of {columns} values, which are not whole blocks of {type.BlockLength} ({type.Name})");
        }

        // In blocks, since a hostile shape may have more elements than 64 bits can count bytes of.
        long blocks = header.Elements / type.BlockLength;
        long available = Math.Max(0, length - dataStart);
        if (header.Offset % (uint)alignment != 0)
        {
            throw cursor.Malformed($"the tensor '{header.Name}' begins at offset {header.Offset}, which is not a multiple of {alignment}");
        }

        if (header.Offset > (ulong)available || blocks > (available - (long)header.Offset) / type.BlockBytes)
        {
            throw cursor.Malformed($"the tensor '{header.Name}' ends beyond the end of the file, {length} bytes: it is truncated");
        }

        var tensor = new WeightTensor(
            header.Name, type.Name, type.Dense, header.Shape, (nint)(start + dataStart + (long)header.Offset), blocks * type.BlockBytes)
        {
            Packed = type.Packed,
            IsMapped = true,
        };
        if (!_tensors.TryAdd(header.Name, tensor))
        {
            throw cursor.Malformed($"the tensor '{header.Name}' is there twice");
        }
    }

    private sealed record TensorHeader(string Name, long[] Shape, long Elements, uint Type, ulong Offset);
}
