using System;
using System.Collections.Generic;
using System.Linq;
using System.Runtime.InteropServices;
using System.Threading.Tasks;
using Quire.Models.Quantization;
using Quire.Tensors;

namespace Quire.Models.Weights;

/// <summary>
/// Seeded random weights in the shapes of a model, for benchmarks without a checkpoint. Matrices are uniform with a standard deviation
/// of 1 / √columns, so that activations keep their size from layer to layer; norms are the identity; biases are 0. The values depend
/// on the seed and the name of a tensor only, not on threads.
/// </summary>
public sealed unsafe class DummyWeights : IWeightSource
{
    private const int Alignment = 64;
    private const int ChunkElements = 1 << 18;

    private readonly Dictionary<string, WeightTensor> _tensors = [];
    private readonly List<nint> _blocks = [];

    /// <summary>Makes all tensors of <paramref name="slots"/>.</summary>
    /// <param name="slots">What the model needs.</param>
    /// <param name="type">F32, F16 or BF16.</param>
    /// <param name="normWeight">Stored weight that makes a norm the identity: 1 less the offset of the spec.</param>
    /// <param name="seed">Anything.</param>
    /// <param name="scheme">Which linear layers are quantised, and how; null for none.</param>
    public DummyWeights(DecoderSlots slots, DType type, float normWeight, ulong seed, QuantizationScheme? scheme = null)
    {
        ArgumentNullException.ThrowIfNull(slots);
        foreach (TensorSlot slot in slots.All())
        {
            if (scheme?.LayoutOf(slot) is not { } layout)
            {
                AddPlain(slot, type, normWeight, seed);
                continue;
            }

            foreach (TensorRequirement requirement in layout.Requirements(slot))
            {
                if (requirement.Name == slot.Name && requirement.Types.Contains(type))
                {
                    AddPlain(slot, type, normWeight, seed);
                }
                else if (!requirement.Optional)
                {
                    AddPacked(requirement, slot, seed);
                }
            }
        }
    }

    public IReadOnlyCollection<string> Names => _tensors.Keys;

    public WeightTensor? Find(string name) => _tensors.GetValueOrDefault(name);

    public void Dispose()
    {
        foreach (nint block in _blocks)
        {
            NativeMemory.AlignedFree((void*)block);
        }

        _blocks.Clear();
        _tensors.Clear();
    }

    private void AddPlain(TensorSlot slot, DType type, float normWeight, ulong seed)
    {
        nint data = Allocate(checked(slot.ElementCount * type.SizeInBytes()));
        switch (slot.Role)
        {
            case WeightRole.Embedding or WeightRole.Linear:
                FillRandom(data, type, slot, seed);
                break;
            case WeightRole.NormWeight:
                FillConstant(data, type, slot.ElementCount, normWeight);
                break;
            default:
                FillConstant(data, type, slot.ElementCount, 0);
                break;
        }

        Add(slot.Name, type, slot.Shape, data, slot.ElementCount);
    }

    /// <summary>
    /// Random bits for packed integers and FP8 (never NaN), one small number for every scale, group 0 for every input of g_idx.
    /// </summary>
    private void AddPacked(TensorRequirement requirement, TensorSlot slot, ulong seed)
    {
        DType type = requirement.Types[0];
        long[] shape = requirement.Shapes[0];
        long count = 1;
        foreach (long size in shape)
        {
            count = checked(count * size);
        }

        long bytes = checked(count * type.SizeInBytes());
        nint data = Allocate(bytes);
        if (type == DType.F32)
        {
            FillConstant(data, type, count, (float)(0.1 / Math.Sqrt(slot.Columns)));
        }
        else
        {
            bool zero = requirement.Name.EndsWith("g_idx", StringComparison.Ordinal);
            ulong stream = Mix(seed ^ Hash(requirement.Name));
            ulong mask = zero ? 0 : type == DType.F8E4M3 ? 0xB7B7_B7B7_B7B7_B7B7 : ulong.MaxValue;
            for (long i = 0; i < bytes; i++)
            {
                ((byte*)data)[i] = (byte)((Mix(stream + (ulong)(i / 8)) & mask) >> (int)(i % 8 * 8));
            }
        }

        Add(requirement.Name, type, shape, data, count);
    }

    private void Add(string name, DType type, IReadOnlyList<long> shape, nint data, long count) =>
        _tensors.Add(name, new WeightTensor(name, SafetensorsTypes.Name(type), type, shape, data, count * type.SizeInBytes()));

    private nint Allocate(long bytes)
    {
        nint block = (nint)NativeMemory.AlignedAlloc(checked((nuint)Math.Max(bytes, 1)), Alignment);
        _blocks.Add(block);
        return block;
    }

    private static void FillConstant(nint data, DType type, long count, float value)
    {
        for (long i = 0; i < count; i++)
        {
            Tensors.Reference.Elements.Store(data, type, i, value);
        }
    }

    private static void FillRandom(nint data, DType type, TensorSlot slot, ulong seed)
    {
        // A uniform variable on ±a has the standard deviation a / √3.
        float amplitude = (float)Math.Sqrt(3.0 / slot.Columns);
        ulong stream = Mix(seed ^ Hash(slot.Name));
        int chunks = (int)((slot.ElementCount + ChunkElements - 1) / ChunkElements);
        Parallel.For(0, chunks, chunk =>
        {
            long start = (long)chunk * ChunkElements;
            int count = (int)Math.Min(ChunkElements, slot.ElementCount - start);
            nint target = data + (nint)(start * type.SizeInBytes());
            UniformGenerator.Fill(target, type, count, amplitude, Mix(stream + (ulong)chunk));
        });
    }

    /// <summary>FNV-1a over the characters of a name.</summary>
    private static ulong Hash(string name)
    {
        ulong hash = 0xCBF29CE484222325;
        foreach (char c in name)
        {
            hash = (hash ^ c) * 0x100000001B3;
        }

        return hash;
    }

    /// <summary>The finaliser of SplitMix64 (Steele, Lea and Flood, 2014).</summary>
    internal static ulong Mix(ulong value)
    {
        value += 0x9E3779B97F4A7C15;
        value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9;
        value = (value ^ (value >> 27)) * 0x94D049BB133111EB;
        return value ^ (value >> 31);
    }
}
