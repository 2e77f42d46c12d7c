using System.Collections.Generic;
using System.Globalization;
using Quire.Tensors;
using Quire.Tensors.Reference;

namespace Quire.Models.Weights;

/// <summary>
/// The scales of an FP8 KV cache that some checkpoints bring: a number for the keys and one for the values of each layer, under the names
/// that the usual tools write.
/// </summary>
internal static class KvScaleReader
{
    private static readonly string[] KeyNames = ["self_attn.k_scale", "self_attn.attn.k_scale", "self_attn.k_proj.k_scale", "self_attn.kv_scale"];
    private static readonly string[] ValueNames = ["self_attn.v_scale", "self_attn.attn.v_scale", "self_attn.v_proj.v_scale", "self_attn.kv_scale"];

    /// <summary>Ends of the names of all tensors of this kind, those for quantised queries and probabilities included, which are not used.</summary>
    public static IReadOnlyList<string> Endings { get; } = [".k_scale", ".v_scale", ".kv_scale", ".q_scale", ".prob_scale"];

    /// <summary>One entry a layer; 1 where the checkpoint has none.</summary>
    /// <exception cref="CheckpointException">A scale is no single number, or not finite and positive.</exception>
    public static IReadOnlyList<KvScales> Read(DecoderSlots slots, IWeightSource source)
    {
        var scales = new KvScales[slots.Layers.Count];
        for (int i = 0; i < scales.Length; i++)
        {
            scales[i] = new KvScales(Read(slots, source, i, KeyNames), Read(slots, source, i, ValueNames));
        }

        return scales;
    }

    private static float Read(DecoderSlots slots, IWeightSource source, int layer, string[] names)
    {
        foreach (string name in names)
        {
            if (slots.FindInLayer(source, layer, name) is { } tensor)
            {
                return Scale(tensor);
            }
        }

        return 1;
    }

    private static float Scale(WeightTensor tensor)
    {
        long elements = 1;
        foreach (long dimension in tensor.Shape)
        {
            elements *= dimension;
        }

        if (elements != 1 || tensor.Type is not (DType.F32 or DType.F16 or DType.BF16))
        {
            throw new CheckpointException(
                CheckpointProblem.WeightMismatch,
                $"{tensor.Name} has the type {tensor.TypeName} and the shape {WeightTensor.Describe(tensor.Shape)}, but must be one number in F32, F16 or BF16");
        }

        float scale = Elements.Load(tensor.Data, tensor.Type.Value, 0);

        // Some tools write −1 for "not measured".
        return scale == -1 ? 1 : float.IsFinite(scale) && scale > 0 ? scale : throw new CheckpointException(
            CheckpointProblem.Malformed,
            string.Create(CultureInfo.InvariantCulture, $"{tensor.Name} is {scale}, but a scale must be positive and finite"));
    }
}
