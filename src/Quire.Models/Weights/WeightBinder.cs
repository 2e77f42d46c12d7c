using System;
using System.Collections.Generic;
using Quire.Models.Quantization;
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
    private readonly QuantizationScheme? _scheme;
    private readonly HostMemory _converted;
    private readonly IProgress<LoadProgress>? _progress;
    private readonly long _bytesTotal;
    private readonly bool _keepsBlocks;
    private readonly List<WeightTensor> _released = [];
    private long _bytesDone;

    /// <summary>Checks that the source holds exactly the slots.</summary>
    /// <param name="slots">What the model needs.</param>
    /// <param name="source">What there is.</param>
    /// <param name="modelType">Element type of matrices: F32, F16 or BF16.</param>
    /// <param name="converted">Memory for what must be converted; it outlives the model.</param>
    /// <param name="progress">Told after every tensor, or null.</param>
    /// <param name="keepsBlocks">Whether matrices in block formats stay in them; else they are expanded to the model's type.</param>
    /// <param name="scheme">Which linear layers are quantised, and how; null for none.</param>
    /// <exception cref="CheckpointException">Tensors are missing, unused, or have another shape or an unusable type.</exception>
    public WeightBinder(
        DecoderSlots slots,
        IWeightSource source,
        DType modelType,
        HostMemory converted,
        IProgress<LoadProgress>? progress,
        bool keepsBlocks = false,
        QuantizationScheme? scheme = null)
    {
        ArgumentNullException.ThrowIfNull(slots);
        ArgumentNullException.ThrowIfNull(source);
        _slots = slots;
        _source = source;
        _modelType = modelType;
        _converted = converted;
        _progress = progress;
        _keepsBlocks = keepsBlocks;
        _scheme = scheme;
        _bytesTotal = WeightCheck.Run(slots, source, scheme);
    }

    /// <summary>A matrix in the model's type, or a vector as one row in its stored type.</summary>
    /// <param name="slot">The matrix.</param>
    /// <param name="memory">Where it is kept if it must be converted; null for memory that outlives the model.</param>
    public HostMatrix Matrix(TensorSlot slot, HostMemory? memory = null)
    {
        ArgumentNullException.ThrowIfNull(slot);
        HostMemory converted = memory ?? _converted;
        WeightTensor tensor = _slots.Find(_source, slot.Name)!;
        HostMatrix matrix = tensor.Packed is { } format
            ? HostConversion.Unpack(tensor.Data, format, slot.Rows, slot.Columns, _modelType, converted)
            : new HostMatrix(tensor.Data, tensor.Type!.Value, slot.Rows, slot.Columns);
        if (tensor.InterleavedHeads > 0)
        {
            matrix = slot.IsVector
                ? HostConversion.SeparateHeads(matrix with { Rows = slot.Columns, Columns = 1 }, tensor.InterleavedHeads, converted) with { Rows = 1, Columns = slot.Columns }
                : HostConversion.SeparateHeads(matrix, tensor.InterleavedHeads, converted);
        }

        if (slot.Transposed)
        {
            matrix = HostConversion.Transpose(matrix with { Rows = slot.Columns, Columns = slot.Rows }, converted);
        }

        if (!slot.IsVector && matrix.Type != _modelType)
        {
            matrix = HostConversion.Convert(matrix, _modelType, converted);
        }

        Done(tensor, usedInPlace: matrix.Data == tensor.Data);
        return matrix;
    }

    /// <summary>True when a matrix is in a block format and stays in it.</summary>
    public bool Keeps(TensorSlot slot)
    {
        ArgumentNullException.ThrowIfNull(slot);
        return _keepsBlocks && !slot.IsVector && !slot.Transposed && _slots.Find(_source, slot.Name)!.Packed is not null;
    }

    /// <summary>A matrix as a part of a linear layer: blocks where they are kept, else a dense one.</summary>
    /// <param name="slot">The matrix.</param>
    /// <param name="memory">As of <see cref="Matrix"/>.</param>
    public LinearPart Part(TensorSlot slot, HostMemory? memory = null)
    {
        ArgumentNullException.ThrowIfNull(slot);
        if (!Keeps(slot))
        {
            return new DensePart(Matrix(slot, memory));
        }

        WeightTensor tensor = _slots.Find(_source, slot.Name)!;
        nint data = tensor.Data;
        if (tensor.InterleavedHeads > 0)
        {
            data = (memory ?? _converted).AllocateBytes(tensor.SizeInBytes);
            HostConversion.SeparateHeads(tensor.Data, data, slot.Rows, tensor.SizeInBytes / slot.Rows, tensor.InterleavedHeads);
        }

        Done(tensor, usedInPlace: data == tensor.Data);
        return new BlockPart(data, tensor.Packed!.Value, slot.Rows, slot.Columns);
    }

    /// <summary>The parts and biases of a linear layer.</summary>
    /// <param name="slot">The layer.</param>
    /// <param name="scratch">Memory for quantised parts, needed until the backend has taken the layer.</param>
    /// <param name="converted">Memory for other parts that must be converted, needed as long as <see cref="LinearWeight.KeepsSource"/> says.</param>
    /// <exception cref="CheckpointException">A quantised tensor holds what cannot be.</exception>
    public LinearSource Linear(LinearSlot slot, HostMemory scratch, HostMemory converted)
    {
        ArgumentNullException.ThrowIfNull(slot);
        var parts = new List<LinearPart>();
        foreach (TensorSlot part in slot.Parts)
        {
            parts.Add(_scheme?.LayoutOf(part) is { } layout ? Quantized(part, layout, scratch) : Part(part, converted));
        }

        if (slot.Biases is null)
        {
            return new LinearSource(slot.Name, parts);
        }

        var biases = new List<HostMatrix>();
        foreach (TensorSlot bias in slot.Biases)
        {
            biases.Add(Matrix(bias, converted));
        }

        return new LinearSource(slot.Name, parts, biases);
    }

    private LinearPart Quantized(TensorSlot slot, LinearLayout layout, HostMemory scratch)
    {
        var tensors = new LayoutTensors(slot.Module, name => _slots.Find(_source, name), scratch);
        LinearPart part = layout.Bind(slot, tensors);
        Report(tensors.BytesRead);
        return part;
    }

    /// <summary>Lets the pages of a tensor go that a layer has its own copy of.</summary>
    public void Release(TensorSlot slot)
    {
        ArgumentNullException.ThrowIfNull(slot);
        if (_slots.Find(_source, slot.Name) is { IsMapped: true } tensor)
        {
            MappedMemory.Release(tensor.Data, tensor.SizeInBytes);
            _released.Add(tensor);
        }
    }

    /// <summary>
    /// Lets those pages go again, once everything is loaded: reading a tensor brings back pages of its neighbours, which the system maps around a
    /// fault.
    /// </summary>
    public void ReleaseNeighbours()
    {
        foreach (WeightTensor tensor in _released)
        {
            MappedMemory.Release(tensor.Data, tensor.SizeInBytes);
        }

        _released.Clear();
    }

    /// <summary>What is used where it lies is read ahead; what was converted is not needed a second time.</summary>
    private void Done(WeightTensor tensor, bool usedInPlace)
    {
        if (tensor.IsMapped && usedInPlace)
        {
            MappedMemory.Populate(tensor.Data, tensor.SizeInBytes);
        }
        else if (tensor.IsMapped)
        {
            MappedMemory.Release(tensor.Data, tensor.SizeInBytes);
        }

        Report(tensor.SizeInBytes);
    }

    private void Report(long bytes)
    {
        _bytesDone = Math.Min(_bytesDone + bytes, _bytesTotal);
        _progress?.Report(new LoadProgress(_bytesDone, _bytesTotal));
    }
}
