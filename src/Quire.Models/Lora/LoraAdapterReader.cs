using System;
using System.Collections.Generic;
using System.IO;
using Quire.Models.Weights;
using Quire.Tensors;
using Quire.Tensors.Reference;

namespace Quire.Models.Lora;

/// <summary>
/// Reads an adapter folder: adapter_config.json and adapter_model.safetensors, whose tensors are named
/// base_model.model.&lt;module&gt;.lora_A.weight [r, in] and .lora_B.weight [out, r]. Everything is checked against the model before anything
/// is kept; memory is bounded by the size of the file.
/// </summary>
public static class LoraAdapterReader
{
    public const string WeightsFileName = "adapter_model.safetensors";

    private const string Prefix = "base_model.model.";
    private const string EndingA = ".lora_A.weight";
    private const string EndingB = ".lora_B.weight";

    private static readonly string[] PickleNames = ["adapter_model.bin", "adapter_model.pt"];

    /// <param name="folder">The adapter's folder.</param>
    /// <param name="targets">The model's layers.</param>
    /// <param name="maxRank">max_lora_rank.</param>
    /// <param name="type">Element type to keep the factors in: F32, F16 or BF16.</param>
    /// <exception cref="CheckpointException">A file is missing, broken, or does not fit the model; the message says which and why.</exception>
    public static LoraAdapter Load(string folder, LoraTargets targets, int maxRank, DType type)
    {
        ArgumentNullException.ThrowIfNull(targets);
        if (!File.Exists(Path.Combine(folder, LoraConfig.FileName)))
        {
            throw new CheckpointException(CheckpointProblem.MissingFile, $"there is no adapter at {folder}: it has no {LoraConfig.FileName}");
        }

        LoraConfig config = LoraConfig.Load(folder, maxRank);
        using SafetensorsFile file = SafetensorsFile.Open(WeightsPath(folder));
        Dictionary<string, (WeightTensor? A, WeightTensor? B)> modules = Group(file);
        CheckNames(folder, modules.Keys, targets);
        var factors = new Dictionary<(int, int), LoraFactors>();
        foreach ((string module, (WeightTensor? a, WeightTensor? b)) in modules)
        {
            LoraTarget target = targets.Find(module)!.Value;
            if (!factors.TryAdd((target.Target, target.Part), Read(module, a, b, target, config, type)))
            {
                throw Wrong($"the module {Name(module)} is there twice, with and without a prefix");
            }
        }

        return new LoraAdapter(config, type, factors);
    }

    private static string WeightsPath(string folder)
    {
        string path = Path.Combine(folder, WeightsFileName);
        if (File.Exists(path))
        {
            return path;
        }

        foreach (string pickle in PickleNames)
        {
            if (File.Exists(Path.Combine(folder, pickle)))
            {
                throw new CheckpointException(
                    CheckpointProblem.Unsupported,
                    $"{pickle} is refused: it is a Python pickle, which can run code when it is read; save the adapter with safe_serialization=True");
            }
        }

        throw new CheckpointException(CheckpointProblem.MissingFile, $"the adapter at {folder} has no {WeightsFileName}");
    }

    /// <summary>The tensors by module, whose names lose what PEFT puts around them.</summary>
    private static Dictionary<string, (WeightTensor? A, WeightTensor? B)> Group(SafetensorsFile file)
    {
        var modules = new Dictionary<string, (WeightTensor? A, WeightTensor? B)>(StringComparer.Ordinal);
        foreach ((string name, WeightTensor tensor) in file.Tensors)
        {
            string path = name.StartsWith(Prefix, StringComparison.Ordinal) ? name[Prefix.Length..] : name;
            bool isA = path.EndsWith(EndingA, StringComparison.Ordinal);
            if (!isA && !path.EndsWith(EndingB, StringComparison.Ordinal))
            {
                throw new CheckpointException(CheckpointProblem.Unsupported, $"{WeightsFileName}: {Name(name)} is unsupported LoRA weight; {Reason(path)}");
            }

            string module = path[..^(isA ? EndingA : EndingB).Length];
            (WeightTensor? a, WeightTensor? b) = modules.GetValueOrDefault(module);
            if ((isA ? a : b) is not null)
            {
                throw Wrong($"the module {Name(module)} is there twice, with and without {Prefix}");
            }

            modules[module] = isA ? (tensor, b) : (a, tensor);
        }

        return modules.Count > 0 ? modules : throw Wrong("it holds no tensors");
    }

    private static string Reason(string path) =>
        path.Contains("lora_embedding_", StringComparison.Ordinal) ? "adapters of embeddings are not supported, only those of linear layers"
        : path.Contains("lora_magnitude_vector", StringComparison.Ordinal) ? "it belongs to DoRA, which is not supported"
        : path.EndsWith(".bias", StringComparison.Ordinal) ? "adapter bias is not supported"
        : $"names end with {EndingA} or {EndingB}";

    private static void CheckNames(string folder, IEnumerable<string> modules, LoraTargets targets)
    {
        var unexpected = new List<string>();
        foreach (string module in modules)
        {
            if (targets.Find(module) is null)
            {
                unexpected.Add(module);
            }
        }

        if (unexpected.Count == 0)
        {
            return;
        }

        unexpected.Sort(StringComparer.Ordinal);
        string more = unexpected.Count > 8 ? $", … ({unexpected.Count} in all)" : "";
        string received = string.Join(", ", unexpected.ConvertAll(module => $"'{Name(module)}'")[..Math.Min(8, unexpected.Count)]);
        throw new CheckpointException(
            CheckpointProblem.WeightMismatch,
            $"While loading {folder}, expected target modules in ['{string.Join("', '", targets.ModuleNames)}'] but received [{received}{more}]. "
            + "Please verify that the loaded LoRA module is correct");
    }

    private static LoraFactors Read(string module, WeightTensor? a, WeightTensor? b, in LoraTarget target, LoraConfig config, DType type)
    {
        if (a is null || b is null)
        {
            throw Wrong($"the module {Name(module)} has no {(a is null ? EndingA : EndingB)[1..]}");
        }

        int rank = config.RankOf(module);
        Check(a, rank, target.Slot.Columns);
        Check(b, target.Slot.Rows, rank);
        int size = type.SizeInBytes();
        var factors = new LoraFactors(
            rank,
            GC.AllocateUninitializedArray<byte>(checked(rank * target.Slot.Columns * size)),
            GC.AllocateUninitializedArray<byte>(checked(rank * target.Slot.Rows * size)));
        Convert(a, rank, target.Slot.Columns, type, factors.A);
        Transpose(b, target.Slot.Rows, rank, (float)config.ScaleOf(module), type, factors.B);
        return factors;
    }

    private static void Check(WeightTensor tensor, int rows, int columns)
    {
        if (tensor.Type is not (DType.F32 or DType.F16 or DType.BF16))
        {
            throw Wrong($"{Name(tensor.Name)} has the type {tensor.TypeName}, but only F32, F16 and BF16 can be used");
        }

        if (tensor.Shape.Count != 2 || tensor.Shape[0] != rows || tensor.Shape[1] != columns)
        {
            throw Wrong($"{Name(tensor.Name)} has the shape {WeightTensor.Describe(tensor.Shape)} instead of [{rows}, {columns}]");
        }
    }

    private static unsafe void Convert(WeightTensor source, int rows, int columns, DType type, byte[] target)
    {
        fixed (byte* start = target)
        {
            for (long i = 0; i < (long)rows * columns; i++)
            {
                Put(source, i, 1, (nint)start, type, i);
            }
        }
    }

    private static unsafe void Transpose(WeightTensor source, int rows, int columns, float scale, DType type, byte[] target)
    {
        fixed (byte* start = target)
        {
            for (int row = 0; row < rows; row++)
            {
                for (int column = 0; column < columns; column++)
                {
                    Put(source, (long)row * columns + column, scale, (nint)start, type, (long)column * rows + row);
                }
            }
        }
    }

    private static void Put(WeightTensor source, long from, float scale, nint target, DType type, long to)
    {
        float value = scale * Elements.Load(source.Data, source.Type!.Value, from);
        Elements.Store(target, type, to, value);
        if (!float.IsFinite(Elements.Load(target, type, to)))
        {
            throw float.IsFinite(value)
                ? Wrong($"{Name(source.Name)} holds {value:G4}, which is too large for {type.DisplayName()}; use lora_dtype float32")
                : Wrong($"{Name(source.Name)} holds a value that is not finite");
        }
    }

    private static CheckpointException Wrong(string message) => new(CheckpointProblem.WeightMismatch, $"{WeightsFileName}: {message}");

    private static string Name(string name) => LoraConfig.Shorten(name.Replace("\n", "\\n", StringComparison.Ordinal).Replace("\r", "\\r", StringComparison.Ordinal));
}
