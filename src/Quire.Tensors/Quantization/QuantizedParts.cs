using System;
using Quire.Tensors.Reference;

namespace Quire.Tensors.Quantization;

/// <summary>
/// A part whose weights are stored in fewer bits. <see cref="Weight"/> is what each of them means; a backend multiplies as if it had a
/// dense matrix of those, with inputs rounded as <see cref="Activations"/> says. The memory is read while
/// <see cref="IBackend.CreateLinear(LinearSource)"/> runs and not later.
/// </summary>
/// <param name="OutFeatures">Rows.</param>
/// <param name="InFeatures">Columns.</param>
/// <param name="Activations">How inputs are rounded; null multiplies them as they are.</param>
public abstract record QuantizedPart(int OutFeatures, int InFeatures, ActivationQuantization? Activations)
    : LinearPart(OutFeatures, InFeatures)
{
    /// <summary>The weight of an output for an input.</summary>
    public abstract float Weight(int output, int input);

    /// <summary>The weights of an output for all inputs.</summary>
    public virtual void ReadRow(int output, Span<float> values)
    {
        for (int input = 0; input < values.Length; input++)
        {
            values[input] = Weight(output, input);
        }
    }
}

/// <summary>
/// Integers with a scale and a zero point for each output and group of inputs: w = (q − zero) · scale. AWQ, GPTQ, compressed-tensors'
/// integer formats, and what is quantised at load.
/// </summary>
/// <param name="Values">q: [outFeatures, inFeatures].</param>
/// <param name="Scales">F32, F16 or BF16: [outFeatures, groups], or [groups, outFeatures] with <paramref name="ScalesByGroup"/>.</param>
/// <param name="ScalesByGroup">How <paramref name="Scales"/> lies.</param>
/// <param name="Zeros">[outFeatures, groups], or null where every zero is half of the range: 8 or 128.</param>
/// <param name="GroupSize">Inputs in a group, when groups are runs of adjacent inputs; the last one may be shorter.</param>
/// <param name="GroupOfInput">The group of each input, checked to exist, where they are not (GPTQ's act-order); else null.</param>
/// <param name="Activations">How inputs are rounded.</param>
public sealed record GroupAffinePart(
    PackedIntegers Values,
    HostMatrix Scales,
    bool ScalesByGroup,
    PackedIntegers? Zeros,
    int GroupSize,
    int[]? GroupOfInput = null,
    ActivationQuantization? Activations = null)
    : QuantizedPart(Values.Outputs, Values.Columns, Activations)
{
    /// <summary>Number of groups.</summary>
    public int Groups => ScalesByGroup ? Scales.Rows : Scales.Columns;

    /// <summary>The group of an input.</summary>
    public int Group(int input) => GroupOfInput is null ? input / GroupSize : GroupOfInput[input];

    /// <summary>The scale of an output in a group.</summary>
    public float Scale(int output, int group) =>
        Elements.Load(Scales.Data, Scales.Type, ScalesByGroup ? (long)group * Scales.Columns + output : (long)output * Scales.Columns + group);

    /// <summary>The zero point of an output in a group.</summary>
    public int Zero(int output, int group) => Zeros is { } zeros ? zeros[output, group] : 1 << (Values.Bits - 1);

    public override float Weight(int output, int input)
    {
        int group = Group(input);
        return (Values[output, input] - Zero(output, group)) * Scale(output, group);
    }
}

/// <summary>Integers of 4 bits that choose from 16 values of each output: w = table[q]. SqueezeLLM's dense form (arXiv 2306.07629).</summary>
/// <param name="Values">q: [outFeatures, inFeatures], 4 bits.</param>
/// <param name="Table">[outFeatures, 16], F32, F16 or BF16.</param>
public sealed record TablePart(PackedIntegers Values, HostMatrix Table) : QuantizedPart(Values.Outputs, Values.Columns, null)
{
    /// <summary>Entries of a table.</summary>
    public const int Entries = 16;

    public override float Weight(int output, int input) =>
        Elements.Load(Table.Data, Table.Type, (long)output * Entries + Values[output, input]);
}

/// <summary>FP8 E4M3 numbers with a scale for each block of outputs and inputs: w = e4m3 · scale.</summary>
/// <param name="Values">[outFeatures, inFeatures], F8E4M3.</param>
/// <param name="Scales">F32, F16 or BF16: [⌈outFeatures / blockOutputs⌉, ⌈inFeatures / blockInputs⌉].</param>
/// <param name="BlockOutputs">Outputs that share a scale.</param>
/// <param name="BlockInputs">Inputs that share a scale.</param>
/// <param name="Activations">How inputs are rounded.</param>
public sealed record Float8Part(
    HostMatrix Values, HostMatrix Scales, int BlockOutputs, int BlockInputs, ActivationQuantization? Activations = null)
    : QuantizedPart(Values.Rows, Values.Columns, Activations)
{
    /// <summary>The scale of an output and an input.</summary>
    public float Scale(int output, int input) =>
        Elements.Load(Scales.Data, Scales.Type, (long)(output / BlockOutputs) * Scales.Columns + input / BlockInputs);

    public override unsafe float Weight(int output, int input) =>
        FloatConversions.Float8E4M3ToSingle(((byte*)Values.Data)[(long)output * InFeatures + input]) * Scale(output, input);
}
