using System;
using System.Collections.Generic;
using System.Globalization;
using Quire.Models.Weights;

namespace Quire.Models.Gguf;

/// <summary>
/// GGUF stacks the matrices of all experts of a layer in one tensor (blk.0.ffn_up_exps.weight, [experts, out, in]; older files have one
/// each, blk.0.ffn_up.3.weight). Both are given the names that one expert's matrix has here.
/// </summary>
internal static class GgufExperts
{
    /// <summary>What precedes the names of an expert's matrices.</summary>
    public const string Prefix = "expert.{0}.";

    private const string StackEnding = "_exps.weight";

    /// <summary>Replaces stacks and numbered matrices by matrices under our names.</summary>
    public static void Separate(Dictionary<string, WeightTensor> tensors)
    {
        foreach (WeightTensor tensor in new List<WeightTensor>(tensors.Values))
        {
            if (tensor.Name.EndsWith(StackEnding, StringComparison.Ordinal) && tensor.Shape.Count == 3)
            {
                tensors.Remove(tensor.Name);
                AddStack(tensors, tensor);
            }
            else if (Numbered(tensor.Name) is { } name)
            {
                tensors.Remove(tensor.Name);
                tensors.TryAdd(name, tensor with { Name = name });
            }
        }
    }

    /// <summary>The stack that a matrix under our names belongs to, or null for any other name.</summary>
    public static string? StackOf(string name)
    {
        string[] parts = name.Split('.');
        return parts is ["blk", _, "expert", _, _, "weight"] ? $"blk.{parts[1]}.{parts[4]}{StackEnding}" : null;
    }

    private static void AddStack(Dictionary<string, WeightTensor> tensors, WeightTensor stack)
    {
        int dot = stack.Name.LastIndexOf('.', stack.Name.Length - StackEnding.Length);
        string layer = stack.Name[..(dot + 1)];
        string module = stack.Name[(dot + 1)..^StackEnding.Length];
        long bytes = stack.SizeInBytes / stack.Shape[0];
        for (int i = 0; i < stack.Shape[0]; i++)
        {
            string name = $"{layer}{PrefixOf(i)}{module}.weight";
            tensors.TryAdd(name, stack with
            {
                Name = name,
                Shape = [stack.Shape[1], stack.Shape[2]],
                Data = stack.Data + (nint)(i * bytes),
                SizeInBytes = bytes,
            });
        }
    }

    private static string PrefixOf(int expert) => Prefix.Replace("{0}", expert.ToString(CultureInfo.InvariantCulture), StringComparison.Ordinal);

    /// <summary>blk.0.ffn_up.3.weight under our name, or null.</summary>
    private static string? Numbered(string name)
    {
        string[] parts = name.Split('.');
        return parts is ["blk", _, _, _, "weight"] && int.TryParse(parts[3], NumberStyles.None, CultureInfo.InvariantCulture, out int expert)
            ? $"blk.{parts[1]}.{PrefixOf(expert)}{parts[2]}.weight"
            : null;
    }
}
