using System;
using System.Collections.Generic;
using System.IO;
using Quire.Models.Weights;
using Quire.Tensors;
using Quire.Tensors.Reference;

namespace Quire.Models.Gguf;

/// <summary>
/// Carries tensors from Hugging Face's names and layout to GGUF's. Both lists of slots come from the same spec and so stand in the same
/// order; only their names differ.
/// </summary>
internal sealed class GgufConversion : IDisposable
{
    private readonly GgufArchitecture _architecture;
    private readonly DecoderSpec _spec;
    private readonly IWeightSource _source;
    private readonly GgufType _type;
    private readonly string _routerEnding;
    private readonly DecoderSlots _from;
    private readonly HostMemory _memory = new();

    // Tensors of the new file, in order: one matrix or vector, or the stacked matrices of all experts.
    private readonly List<(string Name, List<TensorSlot> Parts)> _tensors = [];

    /// <exception cref="CheckpointException">The checkpoint does not fit its configuration.</exception>
    public GgufConversion(ModelDefinition definition, GgufArchitecture architecture, IWeightSource source, GgufType type)
    {
        _architecture = architecture;
        _spec = definition.Spec;
        _source = source;
        _type = type;
        _routerEnding = "." + definition.Names.Router + ".weight";
        _from = new DecoderSlots(definition);

        // The binder's constructor reports everything that is missing or wrong.
        _ = new WeightBinder(_from, source, DType.F32, _memory, null);
        var stacks = new Dictionary<string, List<TensorSlot>>();
        using IEnumerator<TensorSlot> to = new DecoderSlots(architecture.Adapt(definition)).All().GetEnumerator();
        foreach (TensorSlot slot in _from.All())
        {
            bool any = to.MoveNext();
            if (!any || to.Current.Role != slot.Role || to.Current.ElementCount != slot.ElementCount)
            {
                throw new CheckpointException(
                    CheckpointProblem.Unsupported, $"the model cannot be written as GGUF: {slot.Name} has no place in the architecture {architecture.Name}");
            }

            string name = GgufExperts.StackOf(to.Current.Name) ?? to.Current.Name;
            if (!stacks.TryGetValue(name, out List<TensorSlot>? parts))
            {
                parts = [];
                stacks.Add(name, parts);
                _tensors.Add((name, parts));
            }

            parts.Add(slot);
        }
    }

    public void Dispose() => _memory.Dispose();

    /// <summary>Writes header and data.</summary>
    public void Write(GgufWriter writer, IReadOnlyList<(string Name, float[] Values)> vectors, Stream target, IProgress<LoadProgress>? progress)
    {
        GgufType single = GgufTypes.Find(0)!;
        long total = 0;
        foreach ((string name, List<TensorSlot> parts) in _tensors)
        {
            total += writer.Declare(name, TypeOf(parts[0]), Shape(name, parts));
        }

        foreach ((string name, float[] values) in vectors)
        {
            total += writer.Declare(name, single, [values.Length]);
        }

        writer.WriteHeader(target);
        long done = 0;
        foreach ((string name, List<TensorSlot> parts) in _tensors)
        {
            long bytes = 0;
            foreach (TensorSlot part in parts)
            {
                bytes += WriteTensor(part, name, target);
            }

            GgufWriter.Pad(target, bytes);
            done += bytes;
            progress?.Report(new LoadProgress(done, total));
        }

        foreach ((string _, float[] values) in vectors)
        {
            var bytes = new byte[values.Length * sizeof(float)];
            GgufEncoding.Encode(single, values, bytes);
            target.Write(bytes);
            GgufWriter.Pad(target, bytes.Length);
        }

        progress?.Report(new LoadProgress(total, total));
    }

    /// <summary>Vectors stay exact; learned positions and the matrices that choose experts are F32; matrices whose rows are no whole blocks are F16.</summary>
    private GgufType TypeOf(TensorSlot slot)
    {
        if (slot.IsVector || slot == _from.PositionEmbedding || slot.Name.EndsWith(_routerEnding, StringComparison.Ordinal))
        {
            return GgufTypes.Find(0)!;
        }

        return slot.Columns % _type.BlockLength == 0 ? _type : GgufTypes.Find(1)!;
    }

    private static IReadOnlyList<long> Shape(string name, List<TensorSlot> parts)
    {
        TensorSlot first = parts[0];
        bool stacked = name.EndsWith("_exps.weight", StringComparison.Ordinal);
        return first.IsVector ? [first.Columns] : stacked ? [parts.Count, first.Rows, first.Columns] : [first.Rows, first.Columns];
    }

    private long WriteTensor(TensorSlot from, string name, Stream target)
    {
        WeightTensor tensor = _from.Find(_source, from.Name)!;
        GgufType type = TypeOf(from);
        int rows = from.IsVector ? 1 : from.Rows;
        var row = new float[from.Columns];
        var bytes = new byte[from.Columns / type.BlockLength * type.BlockBytes];
        float offset = _architecture.NormsIncludeOffset && from.Role == WeightRole.NormWeight ? _spec.Norm.WeightOffset : 0;
        int heads = _architecture.Interleaved ? InterleavedHeads(name) : 0;
        for (int i = 0; i < rows; i++)
        {
            int sourceRow = heads > 0 && !from.IsVector ? SourceRow(i, rows / heads) : i;
            for (int column = 0; column < row.Length; column++)
            {
                int sourceColumn = heads > 0 && from.IsVector ? SourceRow(column, row.Length / heads) : column;
                long index = from.Transposed ? (long)sourceColumn * rows + sourceRow : (long)sourceRow * row.Length + sourceColumn;
                row[column] = Elements.Load(tensor.Data, tensor.Type!.Value, index) + offset;
            }

            GgufEncoding.Encode(type, row, bytes);
            target.Write(bytes);
        }

        return (long)rows * bytes.Length;
    }

    private int InterleavedHeads(string name) =>
        name.Contains(".attn_q.", StringComparison.Ordinal) ? _spec.Attention.Heads
        : name.Contains(".attn_k.", StringComparison.Ordinal) ? _spec.Attention.KvHeads
        : 0;

    /// <summary>Row 2j + b of a head comes from row j of half b.</summary>
    private static int SourceRow(int row, int headRows)
    {
        int within = row % headRows;
        return row - within + within % 2 * (headRows / 2) + within / 2;
    }
}
