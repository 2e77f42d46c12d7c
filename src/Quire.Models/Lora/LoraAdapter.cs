using System.Collections.Generic;
using Quire.Tensors;

namespace Quire.Models.Lora;

/// <summary>The factors of one part of a linear layer, in host memory.</summary>
/// <param name="Rank">Rows of A and of Bᵀ.</param>
/// <param name="A">[rank, in] in the adapter's element type.</param>
/// <param name="B">[rank, out]: B transposed and multiplied with the adapter's scale.</param>
public sealed record LoraFactors(int Rank, byte[] A, byte[] B);

/// <summary>
/// A LoRA adapter in host memory, checked against a model and ready to be written to a slot. Immutable; safe to use from any thread.
/// </summary>
public sealed class LoraAdapter
{
    private readonly Dictionary<(int Target, int Part), LoraFactors> _factors;

    internal LoraAdapter(LoraConfig config, DType type, Dictionary<(int Target, int Part), LoraFactors> factors)
    {
        Config = config;
        Type = type;
        _factors = factors;
        foreach (LoraFactors each in factors.Values)
        {
            SizeInBytes += each.A.Length + each.B.Length;
        }
    }

    public LoraConfig Config { get; }

    /// <summary>Element type of the factors.</summary>
    public DType Type { get; }

    /// <summary>Bytes of all factors.</summary>
    public long SizeInBytes { get; }

    /// <summary>Modules that the adapter changes.</summary>
    public int ModuleCount => _factors.Count;

    /// <summary>The factors of a part of a layer, or null where the adapter changes nothing.</summary>
    public LoraFactors? Find(int target, int part) => _factors.GetValueOrDefault((target, part));
}
