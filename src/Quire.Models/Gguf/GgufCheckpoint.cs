using System;
using System.Collections.Generic;
using System.Globalization;
using System.IO;
using Quire.Models.Weights;

namespace Quire.Models.Gguf;

/// <summary>The tensors of a GGUF model: one file, or all parts of a split one (name-00001-of-0000N.gguf).</summary>
public sealed class GgufCheckpoint : IWeightSource
{
    private const int PartsMax = 10_000;

    private readonly List<GgufFile> _files = [];
    private readonly Dictionary<string, WeightTensor> _tensors = [];

    private GgufCheckpoint()
    {
    }

    public IReadOnlyCollection<string> Names => _tensors.Keys;

    /// <summary>The metadata of the first part, which describes the model.</summary>
    public GgufMetadata Metadata => _files[0].Metadata;

    /// <summary>The architecture that the file names.</summary>
    internal GgufArchitecture Architecture { get; private set; } = null!;

    /// <summary>Bytes of all tensors.</summary>
    public long TensorBytes { get; private set; }

    /// <summary>Whether any tensor is in a block format.</summary>
    internal bool IsPacked { get; private set; }

    public WeightTensor? Find(string name) => _tensors.GetValueOrDefault(name);

    /// <summary>Maps a file and, when it is a part of a split model, all the others.</summary>
    /// <param name="path">The file, or any part.</param>
    /// <exception cref="CheckpointException">A part is missing or damaged, or the architecture is not supported.</exception>
    public static GgufCheckpoint Open(string path)
    {
        var checkpoint = new GgufCheckpoint();
        try
        {
            foreach (string part in Parts(path))
            {
                checkpoint.Add(part);
            }

            checkpoint.CheckParts(path);
            checkpoint.Architecture = GgufArchitecture.Of(checkpoint.Metadata);
            checkpoint.MarkInterleavedHeads();
            GgufExperts.Separate(checkpoint._tensors);
            return checkpoint;
        }
        catch
        {
            checkpoint.Dispose();
            throw;
        }
    }

    /// <summary>The first part of a split model, or the path itself: the file with the model's metadata.</summary>
    public static string FirstPart(string path) => Parts(path)[0];

    /// <summary>Bytes of all tensors of a model, without loading it.</summary>
    public static long SizeOf(string path)
    {
        using GgufCheckpoint checkpoint = Open(path);
        return checkpoint.TensorBytes;
    }

    public void Dispose()
    {
        foreach (GgufFile file in _files)
        {
            file.Dispose();
        }

        _files.Clear();
        _tensors.Clear();
    }

    /// <summary>The paths of all parts by the naming rule; the path alone when it does not follow that.</summary>
    private static string[] Parts(string path)
    {
        // name-00001-of-00003.gguf
        string stem = Path.GetFileNameWithoutExtension(path);
        bool split = stem.Length > 15 && stem[^15] == '-' && stem.AsSpan(stem.Length - 9, 4) is "-of-"
            && int.TryParse(stem.AsSpan(stem.Length - 5), NumberStyles.None, CultureInfo.InvariantCulture, out int count)
            && int.TryParse(stem.AsSpan(stem.Length - 14, 5), NumberStyles.None, CultureInfo.InvariantCulture, out int number)
            && number >= 1 && number <= count && count <= PartsMax;
        if (!split)
        {
            return [path];
        }

        string folder = Path.GetDirectoryName(path) ?? "";
        int parts = int.Parse(stem.AsSpan(stem.Length - 5), NumberStyles.None, CultureInfo.InvariantCulture);
        var paths = new string[parts];
        for (int i = 0; i < parts; i++)
        {
            paths[i] = Path.Combine(
                folder, string.Create(CultureInfo.InvariantCulture, $"{stem[..^15]}-{i + 1:D5}-of-{parts:D5}{Path.GetExtension(path)}"));
            if (!File.Exists(paths[i]))
            {
                throw new CheckpointException(
                    CheckpointProblem.MissingFile, $"{Path.GetFileName(paths[i])} is missing beside {Path.GetFileName(path)}; download all {parts} parts");
            }
        }

        return paths;
    }

    private void Add(string path)
    {
        GgufFile file = GgufFile.Open(path);
        _files.Add(file);
        foreach (WeightTensor tensor in file.Tensors.Values)
        {
            if (!_tensors.TryAdd(tensor.Name, tensor))
            {
                throw new CheckpointException(
                    CheckpointProblem.Malformed, $"'{tensor.Name}' in {Path.GetFileName(path)} is also in another part of the model");
            }

            TensorBytes += tensor.SizeInBytes;
            IsPacked |= tensor.Packed is not null;
        }
    }

    /// <summary>A part of a split model says so in its metadata, even when somebody has renamed it.</summary>
    private void CheckParts(string path)
    {
        int stated = Metadata.Integer("split.count", 0, 1 << 16) ?? 0;
        if (stated > 1 && stated != _files.Count)
        {
            throw new CheckpointException(
                CheckpointProblem.MissingFile,
                $"{Path.GetFileName(path)} is a part of a model in {stated} files; they must be named NAME-00001-of-{stated:D5}.gguf and lie in one folder");
        }
    }

    private void MarkInterleavedHeads()
    {
        if (!Architecture.Interleaved)
        {
            return;
        }

        string name = Architecture.Name;
        int heads = Metadata.Integer(name + ".attention.head_count", 1, 1 << 16) ?? 1;
        int kvHeads = Metadata.Integer(name + ".attention.head_count_kv", 1, 1 << 16) ?? heads;
        foreach ((string tensor, WeightTensor value) in _tensors)
        {
            bool query = tensor.EndsWith(".attn_q.weight", StringComparison.Ordinal) || tensor.EndsWith(".attn_q.bias", StringComparison.Ordinal);
            bool key = tensor.EndsWith(".attn_k.weight", StringComparison.Ordinal) || tensor.EndsWith(".attn_k.bias", StringComparison.Ordinal);
            if (query || key)
            {
                _tensors[tensor] = value with { InterleavedHeads = query ? heads : kvHeads };
            }
        }
    }
}
