using System;
using System.Buffers.Binary;
using System.Collections.Generic;
using System.IO;
using System.IO.MemoryMappedFiles;
using Quire.Models.Config;

namespace Quire.Models.Weights;

/// <summary>
/// A safetensors file, mapped into memory: eight bytes of little-endian header length, a JSON header, then the data
/// (https://github.com/huggingface/safetensors). Nothing is copied; tensors point into the mapping until the file is disposed.
/// </summary>
public sealed unsafe class SafetensorsFile : IDisposable
{
    /// <summary>Longest header that is read; the same bound as in the reference implementation.</summary>
    public const long MaxHeaderBytes = 100_000_000;

    private readonly MemoryMappedFile _mapping;
    private readonly MemoryMappedViewAccessor _view;
    private readonly Dictionary<string, WeightTensor> _tensors = [];
    private bool _disposed;

    private SafetensorsFile(string path, MemoryMappedFile mapping, MemoryMappedViewAccessor view)
    {
        Path = path;
        _mapping = mapping;
        _view = view;
    }

    public string Path { get; }

    /// <summary>All tensors of the file by name.</summary>
    public IReadOnlyDictionary<string, WeightTensor> Tensors => _tensors;

    /// <summary>Free text that the writer left, such as format = pt.</summary>
    public IReadOnlyDictionary<string, string> Metadata { get; private set; } = new Dictionary<string, string>();

    /// <summary>Maps a file and checks its whole header.</summary>
    /// <exception cref="CheckpointException">The file is not there, or breaks a rule of the format; the message says which.</exception>
    public static SafetensorsFile Open(string path)
    {
        string name = System.IO.Path.GetFileName(path);
        SafetensorsFile? file = null;
        try
        {
            long length = FileSize.Of(path);
            if (length < sizeof(ulong))
            {
                throw new CheckpointException(
                    CheckpointProblem.Malformed, $"{name}: {length} bytes are too few for a safetensors file, which begins with 8 bytes of header length");
            }

            MemoryMappedFile mapping = MemoryMappedFile.CreateFromFile(
                File.Open(path, FileMode.Open, FileAccess.Read, FileShare.Read), null, 0, MemoryMappedFileAccess.Read, HandleInheritability.None, false);
            MemoryMappedViewAccessor view = mapping.CreateViewAccessor(0, length, MemoryMappedFileAccess.Read);
            file = new SafetensorsFile(path, mapping, view);
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
        ulong headerBytes = BinaryPrimitives.ReadUInt64LittleEndian(new ReadOnlySpan<byte>(start, sizeof(ulong)));
        if (headerBytes > MaxHeaderBytes)
        {
            throw new CheckpointException(
                CheckpointProblem.Malformed, $"{name}: a header of {headerBytes} bytes is over the limit of {MaxHeaderBytes}; this is probably no safetensors file");
        }

        long dataBytes = length - sizeof(ulong) - (long)headerBytes;
        if (dataBytes < 0)
        {
            throw new CheckpointException(
                CheckpointProblem.Malformed, $"{name}: the header should have {headerBytes} bytes, but the file has only {length}: it is truncated");
        }

        byte* data = start + sizeof(ulong) + headerBytes;
        SafetensorsHeader header = SafetensorsHeader.Parse(new ReadOnlySpan<byte>(start + sizeof(ulong), (int)headerBytes), dataBytes, name);
        Metadata = header.Metadata;
        foreach (SafetensorsEntry entry in header.Entries)
        {
            _tensors.Add(
                entry.Name,
                new WeightTensor(entry.Name, entry.TypeName, entry.Type, entry.Shape, (nint)(data + entry.Begin), entry.End - entry.Begin) { IsMapped = true });
        }
    }
}
