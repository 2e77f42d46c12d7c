using System;
using System.Collections.Generic;
using System.IO;
using System.Text.Json;
using Quire.Models.Config;

namespace Quire.Models.Weights;

/// <summary>
/// The weights of a model folder: model.safetensors, or the shards that model.safetensors.index.json lists. Files stay mapped until
/// this is disposed.
/// </summary>
public sealed class CheckpointFiles : IWeightSource
{
    public const string SingleFileName = "model.safetensors";

    public const string IndexFileName = "model.safetensors.index.json";

    private const long MaxIndexBytes = 64 << 20;

    private static readonly string[] PickleEndings = [".bin", ".pt", ".pth", ".ckpt"];

    private readonly List<SafetensorsFile> _files = [];
    private readonly Dictionary<string, WeightTensor> _tensors = [];

    private CheckpointFiles()
    {
    }

    public IReadOnlyCollection<string> Names => _tensors.Keys;

    /// <summary>The files in use, in the order in which they were opened.</summary>
    public IReadOnlyList<SafetensorsFile> Files => _files;

    public WeightTensor? Find(string name) => _tensors.GetValueOrDefault(name);

    /// <summary>Maps all weights of a folder.</summary>
    /// <exception cref="CheckpointException">There are none, only refused kinds, a shard is missing, or a file is damaged.</exception>
    public static CheckpointFiles Open(string folder)
    {
        if (!Directory.Exists(folder))
        {
            throw new CheckpointException(CheckpointProblem.MissingFile, $"the model folder {folder} does not exist");
        }

        var checkpoint = new CheckpointFiles();
        try
        {
            string index = Path.Combine(folder, IndexFileName);
            if (File.Exists(index))
            {
                checkpoint.OpenShards(folder, index);
            }
            else
            {
                checkpoint.OpenAll(FindFiles(folder));
            }

            return checkpoint;
        }
        catch
        {
            checkpoint.Dispose();
            throw;
        }
    }

    public void Dispose()
    {
        foreach (SafetensorsFile file in _files)
        {
            file.Dispose();
        }

        _files.Clear();
        _tensors.Clear();
    }

    private static List<string> FindFiles(string folder)
    {
        string single = Path.Combine(folder, SingleFileName);
        if (File.Exists(single))
        {
            return [single];
        }

        var files = new List<string>();
        foreach (string path in Directory.EnumerateFiles(folder, "*.safetensors"))
        {
            // Mistral's own layout has other tensor names beside the Hugging Face one.
            if (!Path.GetFileName(path).StartsWith("consolidated", StringComparison.Ordinal))
            {
                files.Add(path);
            }
        }

        files.Sort(StringComparer.Ordinal);
        return files.Count > 0 ? files : throw NoWeights(folder);
    }

    private static CheckpointException NoWeights(string folder)
    {
        foreach (string path in Directory.EnumerateFiles(folder))
        {
            if (Array.Exists(PickleEndings, ending => path.EndsWith(ending, StringComparison.OrdinalIgnoreCase)))
            {
                return new CheckpointException(
                    CheckpointProblem.Unsupported,
                    $"{Path.GetFileName(path)} is refused: .bin, .pt, .pth and .ckpt files are Python pickles, which can run code when they are read; "
                    + "use a revision of the model with .safetensors files, or convert it with safetensors' convert tool");
            }
        }

        return new CheckpointException(
            CheckpointProblem.MissingFile, $"{folder} holds no weights: neither {SingleFileName} nor {IndexFileName}");
    }

    private void OpenAll(List<string> paths)
    {
        foreach (string path in paths)
        {
            foreach (WeightTensor tensor in OpenFile(path).Tensors.Values)
            {
                Add(tensor, path);
            }
        }
    }

    private void OpenShards(string folder, string indexPath)
    {
        var shards = new Dictionary<string, SafetensorsFile>();
        foreach ((string name, string file) in ReadIndex(indexPath))
        {
            if (!shards.TryGetValue(file, out SafetensorsFile? shard))
            {
                shard = OpenFile(ShardPath(folder, file));
                shards.Add(file, shard);
            }

            WeightTensor tensor = shard.Tensors.GetValueOrDefault(name) ?? throw new CheckpointException(
                CheckpointProblem.WeightMismatch, $"{IndexFileName} says that '{name}' is in {file}, but that file does not hold it");
            Add(tensor, file);
        }
    }

    /// <summary>Tensor name and file name of every entry of weight_map.</summary>
    private static List<(string Name, string File)> ReadIndex(string path)
    {
        JsonElement root = JsonFile.Read(path, MaxIndexBytes);
        if (!root.TryGetProperty("weight_map", out JsonElement map) || map.ValueKind != JsonValueKind.Object)
        {
            throw new CheckpointException(CheckpointProblem.Malformed, $"{IndexFileName} has no object weight_map");
        }

        var entries = new List<(string Name, string File)>();
        foreach (JsonProperty property in map.EnumerateObject())
        {
            if (property.Value.ValueKind != JsonValueKind.String)
            {
                throw new CheckpointException(CheckpointProblem.Malformed, $"{IndexFileName}: the file of '{property.Name}' is not a string");
            }

            entries.Add((property.Name, property.Value.GetString()!));
        }

        return entries;
    }

    /// <summary>The path of a shard, which the index may only name inside the folder.</summary>
    private static string ShardPath(string folder, string file)
    {
        string root = Path.TrimEndingDirectorySeparator(Path.GetFullPath(folder)) + Path.DirectorySeparatorChar;
        bool valid = file.Length > 0 && !file.Contains('\0', StringComparison.Ordinal) && !Path.IsPathRooted(file);
        string path = valid ? Path.GetFullPath(file, root) : "";
        if (!path.StartsWith(root, StringComparison.Ordinal))
        {
            throw new CheckpointException(CheckpointProblem.Malformed, $"{IndexFileName} names the shard '{file}', which is not inside the model folder");
        }

        if (!path.EndsWith(".safetensors", StringComparison.Ordinal))
        {
            throw new CheckpointException(CheckpointProblem.Unsupported, $"{IndexFileName} names the shard '{file}', which is not a .safetensors file");
        }

        return File.Exists(path)
            ? path
            : throw new CheckpointException(
                CheckpointProblem.MissingFile, $"the shard {file} that {IndexFileName} lists is missing from {folder}; download it again");
    }

    private SafetensorsFile OpenFile(string path)
    {
        SafetensorsFile file = SafetensorsFile.Open(path);
        _files.Add(file);
        return file;
    }

    private void Add(WeightTensor tensor, string file)
    {
        if (!_tensors.TryAdd(tensor.Name, tensor))
        {
            throw new CheckpointException(
                CheckpointProblem.Malformed, $"'{tensor.Name}' in {Path.GetFileName(file)} is also in another file of the checkpoint");
        }
    }
}
