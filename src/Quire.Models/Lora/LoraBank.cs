using System;
using System.Collections.Generic;
using System.Runtime.InteropServices;
using Quire.Models.Weights;
using Quire.Tensors;

namespace Quire.Models.Lora;

/// <summary>
/// The slots of a model for adapters: stacked factors of every layer on the device, allocated once. Used by the thread that runs the
/// model.
/// </summary>
public sealed unsafe class LoraBank
{
    private readonly IBackend _backend;
    private readonly LoraWeight[] _weights;
    private readonly bool[] _occupied;
    private byte[] _region = [];

    internal LoraBank(LoraTargets targets, LoraOptions options, IBackend backend, HostMemory host)
    {
        Targets = targets;
        Slots = options.MaxLoras;
        MaxRank = options.MaxRank;
        Type = options.TypeOn(backend.ActivationType);
        _backend = backend;
        _weights = new LoraWeight[targets.Layers.Count];
        _occupied = new bool[_weights.Length * Slots];
        for (int i = 0; i < _weights.Length; i++)
        {
            IReadOnlyList<TensorSlot> parts = targets.Layers[i].Parts;
            int[] partRows = new int[parts.Count];
            int outFeatures = 0;
            for (int p = 0; p < partRows.Length; p++)
            {
                partRows[p] = parts[p].Rows;
                outFeatures += parts[p].Rows;
            }

            _weights[i] = new LoraWeight(
                backend.Allocate(Type, checked(Slots * parts.Count * MaxRank), parts[0].Columns),
                backend.Allocate(Type, checked(Slots * MaxRank), outFeatures),
                host.Allocate(DType.I32, Slots, parts.Count),
                MaxRank,
                partRows);
        }
    }

    /// <summary>What adapters may change.</summary>
    public LoraTargets Targets { get; }

    /// <summary>Adapters that fit at once: max_loras.</summary>
    public int Slots { get; }

    /// <summary>max_lora_rank.</summary>
    public int MaxRank { get; }

    /// <summary>Element type of the factors.</summary>
    public DType Type { get; }

    /// <summary>The stacked factors of a layer.</summary>
    public LoraWeight Weight(int target) => _weights[target];

    /// <summary>Puts an adapter into a slot, in the place of what was there.</summary>
    public void Write(int slot, LoraAdapter adapter)
    {
        ArgumentNullException.ThrowIfNull(adapter);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)slot, (uint)Slots, nameof(slot));
        if (adapter.Type != Type)
        {
            throw new ArgumentException($"the adapter is {adapter.Type}, the slots are {Type}", nameof(adapter));
        }

        for (int i = 0; i < _weights.Length; i++)
        {
            Write(i, slot, adapter);
        }
    }

    private void Write(int target, int slot, LoraAdapter adapter)
    {
        LoraWeight weight = _weights[target];
        Span<int> ranks = weight.Ranks.HostRow<int>(slot);
        bool any = false;
        for (int part = 0; part < weight.Parts; part++)
        {
            ranks[part] = adapter.Find(target, part)?.Rank ?? 0;
            any |= ranks[part] > 0;
        }

        // A slot that holds zeros and is to hold zeros is left alone.
        ref bool occupied = ref _occupied[target * Slots + slot];
        if (any || occupied)
        {
            WriteA(weight, target, slot, adapter);
            WriteB(weight, target, slot, adapter);
            occupied = any;
        }
    }

    private void WriteA(LoraWeight weight, int target, int slot, LoraAdapter adapter)
    {
        int rows = weight.Parts * MaxRank;
        int rowBytes = weight.InFeatures * Type.SizeInBytes();
        Span<byte> region = Region(checked(rows * rowBytes));
        for (int part = 0; part < weight.Parts; part++)
        {
            adapter.Find(target, part)?.A.CopyTo(region[(part * MaxRank * rowBytes)..]);
        }

        Send(region, weight.A.RowRange(slot * rows, rows));
    }

    private void WriteB(LoraWeight weight, int target, int slot, LoraAdapter adapter)
    {
        int size = Type.SizeInBytes();
        int rowBytes = weight.OutFeatures * size;
        Span<byte> region = Region(checked(MaxRank * rowBytes));
        int column = 0;
        for (int part = 0; part < weight.Parts; part++)
        {
            int partBytes = weight.PartRows[part] * size;
            if (adapter.Find(target, part) is { } factors)
            {
                for (int r = 0; r < factors.Rank; r++)
                {
                    factors.B.AsSpan(r * partBytes, partBytes).CopyTo(region[(r * rowBytes + column)..]);
                }
            }

            column += partBytes;
        }

        Send(region, weight.B.RowRange(slot * MaxRank, MaxRank));
    }

    /// <summary>Zeroed memory for what a slot has of one layer.</summary>
    private Span<byte> Region(int bytes)
    {
        if (_region.Length < bytes)
        {
            _region = new byte[bytes];
        }

        Span<byte> region = _region.AsSpan(0, bytes);
        region.Clear();
        return region;
    }

    private void Send(Span<byte> region, Tensor target)
    {
        fixed (byte* start = &MemoryMarshal.GetReference(region))
        {
            _backend.Write(new HostMatrix((nint)start, Type, target.Rows, target.Columns), target);
        }
    }
}
