using System;
using System.Collections.Generic;
using System.Text;
using Quire.Tensors;
using Quire.Tensors.Quantization;

namespace Quire.Models.Weights;

/// <summary>How much of a model has been loaded.</summary>
public readonly record struct LoadProgress(long BytesDone, long BytesTotal);

/// <summary>
/// Fills the slots of a model from a weight source. All faults of a checkpoint are found before anything is loaded, and reported in
/// one error. Matrices come out in the model's element type: as they lie when they are stored in it, converted otherwise.
/// </summary>
public sealed class WeightBinder
{
    private readonly DecoderSlots _slots;
    private readonly IWeightSource _source;
    private readonly DType _modelType;
    private readonly HostMemory _converted;
    private readonly IProgress<LoadProgress>? _progress;
    private readonly long _bytesTotal;
    private readonly bool _keepsBlocks;
    private long _bytesDone;

    /// <summary>Checks that the source holds exactly the slots.</summary>
    /// <param name="slots">What the model needs.</param>
    /// <param name="source">What there is.</param>
    /// <param name="modelType">Element type of matrices: F32, F16 or BF16.</param>
    /// <param name="converted">Memory for what must be converted; it outlives the model.</param>
    /// <param name="progress">Told after every tensor, or null.</param>
    /// <param name="keepsBlocks">Whether matrices in block formats stay in them; else they are expanded to the model's type.</param>
    /// <exception cref="CheckpointException">Tensors are missing, unused, or have another shape or an unusable type.</exception>
    public WeightBinder(DecoderSlots slots, IWeightSource source, DType modelType, HostMemory converted, IProgress<LoadProgress>? progress, bool keepsBlocks = false)
    {
        ArgumentNullException.ThrowIfNull(slots);
        ArgumentNullException.ThrowIfNull(source);
        _slots = slots;
        _source = source;
        _modelType = modelType;
        _converted = converted;
        _progress = progress;
        _keepsBlocks = keepsBlocks;
        _bytesTotal = Check(slots, source);
    }

    /// <summary>A matrix in the model's type, or a vector as one row in its stored type.</summary>
    public HostMatrix Matrix(TensorSlot slot)
    {
        ArgumentNullException.ThrowIfNull(slot);
        WeightTensor tensor = _slots.Find(_source, slot.Name)!;
        HostMatrix matrix = tensor.Packed is { } format
            ? HostConversion.Unpack(tensor.Data, format, slot.Rows, slot.Columns, _modelType, _converted)
            : new HostMatrix(tensor.Data, tensor.Type!.Value, slot.Rows, slot.Columns);
        if (tensor.InterleavedHeads > 0)
        {
            matrix = slot.IsVector
                ? HostConversion.SeparateHeads(matrix with { Rows = slot.Columns, Columns = 1 }, tensor.InterleavedHeads, _converted) with { Rows = 1, Columns = slot.Columns }
                : HostConversion.SeparateHeads(matrix, tensor.InterleavedHeads, _converted);
        }

        if (slot.Transposed)
        {
            matrix = HostConversion.Transpose(matrix with { Rows = slot.Columns, Columns = slot.Rows }, _converted);
        }

        if (!slot.IsVector && matrix.Type != _modelType)
        {
            matrix = HostConversion.Convert(matrix, _modelType, _converted);
        }

        Done(tensor);
        return matrix;
    }

    /// <summary>True when a matrix is in a block format and stays in it.</summary>
    public bool Keeps(TensorSlot slot)
    {
        ArgumentNullException.ThrowIfNull(slot);
        return _keepsBlocks && !slot.IsVector && !slot.Transposed && _slots.Find(_source, slot.Name)!.Packed is not null;
    }

    /// <summary>A matrix as a part of a linear layer: blocks where they are kept, else a dense one.</summary>
    public LinearPart Part(TensorSlot slot)
    {
        ArgumentNullException.ThrowIfNull(slot);
        if (!Keeps(slot))
        {
            return new DensePart(Matrix(slot));
        }

        WeightTensor tensor = _slots.Find(_source, slot.Name)!;
        nint data = tensor.Data;
        if (tensor.InterleavedHeads > 0)
        {
            data = _converted.AllocateBytes(tensor.SizeInBytes);
            HostConversion.SeparateHeads(tensor.Data, data, slot.Rows, tensor.SizeInBytes / slot.Rows, tensor.InterleavedHeads);
        }

        Done(tensor);
        return new BlockPart(data, tensor.Packed!.Value, slot.Rows, slot.Columns);
    }

    /// <summary>The parts and biases of a linear layer.</summary>
    public LinearSource Linear(LinearSlot slot)
    {
        ArgumentNullException.ThrowIfNull(slot);
        var parts = new List<LinearPart>();
        foreach (TensorSlot part in slot.Parts)
        {
            parts.Add(Part(part));
        }

        if (slot.Biases is null)
        {
            return new LinearSource(slot.Name, parts);
        }

        var biases = new List<HostMatrix>();
        foreach (TensorSlot bias in slot.Biases)
        {
            biases.Add(Matrix(bias));
        }

        return new LinearSource(slot.Name, parts, biases);
    }

    private void Done(WeightTensor tensor)
    {
        _bytesDone += tensor.SizeInBytes;
        _progress?.Report(new LoadProgress(_bytesDone, _bytesTotal));
    }

    /// <summary>Returns the bytes of all slots, or throws one error that lists every fault.</summary>
    private static long Check(DecoderSlots slots, IWeightSource source)
    {
        var missing = new List<string>();
        var wrong = new List<string>();
        var used = new HashSet<string>();
        long bytes = 0;
        foreach (TensorSlot slot in slots.All())
        {
            WeightTensor? tensor = slots.Find(source, slot.Name);
            used.Add(tensor?.Name ?? slot.Name);
            if (tensor is null)
            {
                missing.Add(slot.Name);
            }
            else if (Fault(slot, tensor) is { } fault)
            {
                wrong.Add(fault);
            }
            else
            {
                bytes += tensor.SizeInBytes;
            }
        }

        var unused = new List<string>();
        foreach (string name in source.Names)
        {
            if (!used.Contains(name) && !slots.Ignores(name))
            {
                unused.Add(name);
            }
        }

        if (missing.Count + wrong.Count + unused.Count > 0)
        {
            throw new CheckpointException(CheckpointProblem.WeightMismatch, Describe(missing, wrong, unused));
        }

        return bytes;
    }

    private static string? Fault(TensorSlot slot, WeightTensor tensor)
    {
        bool sameShape = tensor.Shape.Count == slot.Shape.Count;
        for (int i = 0; sameShape && i < slot.Shape.Count; i++)
        {
            sameShape = tensor.Shape[i] == slot.Shape[i];
        }

        if (!sameShape)
        {
            return $"{slot.Name} has the shape {WeightTensor.Describe(tensor.Shape)} instead of {WeightTensor.Describe(slot.Shape)}";
        }

        if (tensor.InterleavedHeads > 0 && (slot.IsVector ? slot.Columns : slot.Rows) % (2 * tensor.InterleavedHeads) != 0)
        {
            return $"{slot.Name} is not {tensor.InterleavedHeads} heads of two halves";
        }

        return tensor.Type is DType.F32 or DType.F16 or DType.BF16 || (tensor.Packed is not null && !slot.IsVector && !slot.Transposed)
            ? null
            : $"{slot.Name} has the type {tensor.TypeName}, but only F32, F16 and BF16 can be used here";
    }

    private static string Describe(List<string> missing, List<string> wrong, List<string> unused)
    {
        var text = new StringBuilder("the checkpoint does not fit its config.json");
        if (missing.Count > 0)
        {
            text.Append("; missing (").Append(missing.Count).Append("): ").Append(NameGroups.Describe(missing));
        }

        if (wrong.Count > 0)
        {
            text.Append("; wrong (").Append(wrong.Count).Append("): ").AppendJoin(", ", wrong);
        }

        if (unused.Count > 0)
        {
            text.Append("; not used by this architecture (").Append(unused.Count).Append("): ").Append(NameGroups.Describe(unused));
        }

        return text.ToString();
    }
}
