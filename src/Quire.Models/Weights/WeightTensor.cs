using System;
using System.Collections.Generic;
using System.Globalization;
using System.Text;
using Quire.Tensors;

namespace Quire.Models.Weights;

/// <summary>One tensor of a checkpoint, where it lies in host memory: row-major, little-endian, without gaps.</summary>
/// <param name="Name">Its name in the checkpoint.</param>
/// <param name="TypeName">Its element type as the file spells it.</param>
/// <param name="Type">The same for computing, or null for a type that no operation takes (BOOL, I16, …).</param>
/// <param name="Shape">Dimensions, outermost first; empty for a scalar.</param>
/// <param name="Data">Address of the first byte, valid until the source is disposed.</param>
/// <param name="SizeInBytes">Bytes of the whole tensor.</param>
public sealed record WeightTensor(string Name, string TypeName, DType? Type, IReadOnlyList<long> Shape, nint Data, long SizeInBytes)
{
    /// <summary>The block format of a quantised tensor (<see cref="Type"/> is null then), or null.</summary>
    public BlockFormat? Packed { get; init; }

    /// <summary>
    /// Not 0 for a matrix (or bias) whose rows are that many heads with their two halves interleaved, as GGUF stores the queries and keys
    /// of Llama: the binder puts them back in order.
    /// </summary>
    public int InterleavedHeads { get; init; }

    /// <summary>True when the data lies in a mapped file, from which it can be read again.</summary>
    public bool IsMapped { get; init; }

    /// <summary>The shape as text, such as <c>[32000, 2048]</c>.</summary>
    public static string Describe(IReadOnlyList<long> shape)
    {
        var text = new StringBuilder("[");
        for (int i = 0; i < shape.Count; i++)
        {
            text.Append(i == 0 ? "" : ", ").Append(shape[i].ToString(CultureInfo.InvariantCulture));
        }

        return text.Append(']').ToString();
    }
}

/// <summary>Where the tensors of a model come from: files, or a generator.</summary>
public interface IWeightSource : IDisposable
{
    /// <summary>Names of all tensors that the source holds.</summary>
    IReadOnlyCollection<string> Names { get; }

    /// <summary>The tensor of that name, or null.</summary>
    WeightTensor? Find(string name);
}
