using System.Collections.Generic;
using Quire.Models.Weights;
using Quire.Tensors;
using Quire.Tensors.Quantization;

namespace Quire.Models.Quantization;

/// <summary>What pack-quantized and int-quantized weights share: scales by output, and rounding of inputs.</summary>
internal abstract class CompressedIntegers(int bits, int groupSize, bool symmetric, InputRounding? inputs)
    : GroupLayout(CompressedTensors.Name, bits, groupSize, !symmetric)
{
    private static readonly DType[] SignedBytes = [DType.I8];

    /// <summary>input_scale and input_zero_point of static rounding.</summary>
    protected IEnumerable<TensorRequirement> InputRequirements(string module)
    {
        if (inputs is not { Dynamic: null })
        {
            yield break;
        }

        yield return new($"{module}.input_scale", Floats, [1], [], [1, 1]);
        if (!inputs.Symmetric)
        {
            yield return new($"{module}.input_zero_point", SignedBytes, [1], [], [1, 1]);
        }
    }

    protected unsafe ActivationQuantization? Rounding(LayoutTensors tensors)
    {
        if (inputs is not { Dynamic: null })
        {
            return inputs?.Dynamic;
        }

        int zero = inputs.Symmetric ? 0 : *(sbyte*)tensors["input_zero_point"].Data;
        return new ActivationQuantization(inputs.Format, tensors.Scale("input_scale"), zero);
    }

    /// <summary>
    /// Scales [outputs, groups]; a single one for the whole weight is repeated for every output.
    /// </summary>
    protected HostMatrix ScalesOf(TensorSlot slot, LayoutTensors tensors)
    {
        int groups = Groups(slot);
        if (LinearLayouts.Count(tensors["weight_scale"]) == (long)slot.Rows * groups)
        {
            return tensors.Scales("weight_scale", slot.Rows, groups);
        }

        HostMatrix one = tensors.Scales("weight_scale", 1, 1);
        Tensor repeated = tensors.Scratch.Allocate(one.Type, slot.Rows, 1);
        for (int row = 0; row < slot.Rows; row++)
        {
            Tensors.Reference.Elements.Store(repeated, row, 0, Tensors.Reference.Elements.Load(one.Data, one.Type, 0));
        }

        return new HostMatrix(repeated.Data, one.Type, slot.Rows, 1);
    }

    /// <summary>Shapes that weight_scale, and a zero point that is not packed, may have.</summary>
    protected long[][] ScaleShapes(TensorSlot slot) => Groups(slot) > 1
        ? [[slot.Rows, Groups(slot)]]
        : [[slot.Rows, 1], [slot.Rows], [1], [], [1, 1]];
}

/// <summary>
/// pack-quantized: weight_packed [out, in / p], weight_scale [out, groups], weight_shape [2], and perhaps weight_zero_point [out / p,
/// groups] and weight_g_idx [in].
/// </summary>
internal sealed class PackedLayout(int bits, int groupSize, bool symmetric, InputRounding? inputs)
    : CompressedIntegers(bits, groupSize, symmetric, inputs)
{
    private static readonly DType[] Wide = [DType.I64, DType.I32];

    private readonly bool _rounds = inputs is not null;

    public override IReadOnlyList<TensorRequirement> Requirements(TensorSlot slot)
    {
        LinearLayouts.RefuseTransposed(slot, CompressedTensors.Name);
        var requirements = new List<TensorRequirement>
        {
            new($"{slot.Module}.weight_packed", Words, [slot.Rows, WordsFor(slot.Columns)]),
            new($"{slot.Module}.weight_scale", Floats, ScaleShapes(slot)),
            new($"{slot.Module}.weight_shape", Wide, [2]) { Optional = true },
            new($"{slot.Module}.weight_g_idx", Words, [slot.Columns]) { Optional = true },
        };
        if (HasZeros)
        {
            requirements.Add(new($"{slot.Module}.weight_zero_point", Words, [WordsFor(slot.Rows), Groups(slot)]));
        }

        requirements.AddRange(InputRequirements(slot.Module));
        return requirements;
    }

    public override LinearPart Bind(TensorSlot slot, LayoutTensors tensors)
    {
        CheckShape(slot, tensors);
        int groups = Groups(slot);
        int[]? groupOfInput = tensors.GroupOfInput("weight_g_idx", slot.Columns, groups, Group(slot));
        if (groupOfInput is not null && _rounds)
        {
            throw tensors.Invalid("weight_g_idx", "orders groups by activation, which is not supported together with rounded inputs");
        }

        PackedIntegers? zeros = HasZeros
            ? new PackedIntegers(tensors["weight_zero_point"].Data, Bits, IntegerOrder.OutputsFirst, slot.Rows, groups)
            : null;
        return new GroupAffinePart(
            new PackedIntegers(tensors["weight_packed"].Data, Bits, IntegerOrder.RowsOfColumns, slot.Rows, slot.Columns),
            ScalesOf(slot, tensors),
            ScalesByGroup: false,
            zeros,
            Group(slot),
            groupOfInput,
            Rounding(tensors));
    }

    private static unsafe void CheckShape(TensorSlot slot, LayoutTensors tensors)
    {
        if (tensors.Optional("weight_shape") is not { } shape)
        {
            return;
        }

        bool wide = shape.Type == DType.I64;
        long rows = wide ? ((long*)shape.Data)[0] : ((int*)shape.Data)[0];
        long columns = wide ? ((long*)shape.Data)[1] : ((int*)shape.Data)[1];
        if (rows != slot.Rows || columns != slot.Columns)
        {
            throw tensors.Invalid("weight_shape", $"says [{rows}, {columns}], but config.json implies [{slot.Rows}, {slot.Columns}]");
        }
    }
}

/// <summary>int-quantized: weight [out, in] in I8, weight_scale [out, 1] or one, and perhaps weight_zero_point like it.</summary>
internal sealed class Int8Layout(int groupSize, bool symmetric, InputRounding? inputs)
    : CompressedIntegers(8, groupSize, symmetric, inputs)
{
    private static readonly DType[] SignedBytes = [DType.I8];

    public override IReadOnlyList<TensorRequirement> Requirements(TensorSlot slot)
    {
        LinearLayouts.RefuseTransposed(slot, CompressedTensors.Name);
        var requirements = new List<TensorRequirement>
        {
            new($"{slot.Module}.weight", SignedBytes, [slot.Rows, slot.Columns]),
            new($"{slot.Module}.weight_scale", Floats, ScaleShapes(slot)),
        };
        if (HasZeros)
        {
            requirements.Add(new($"{slot.Module}.weight_zero_point", SignedBytes, ScaleShapes(slot)));
        }

        requirements.AddRange(InputRequirements(slot.Module));
        return requirements;
    }

    public override LinearPart Bind(TensorSlot slot, LayoutTensors tensors) => new GroupAffinePart(
        new PackedIntegers(tensors["weight"].Data, 8, IntegerOrder.Bytes, slot.Rows, slot.Columns, 128),
        ScalesOf(slot, tensors),
        ScalesByGroup: false,
        HasZeros ? Zeros(slot, tensors) : null,
        Group(slot),
        null,
        Rounding(tensors));

    /// <summary>Scales of this format are F32.</summary>
    public override long SizeInBytes(TensorSlot slot) => base.SizeInBytes(slot) + 2L * slot.Rows * Groups(slot);

    /// <summary>Zero points of every output and group; a single one is repeated.</summary>
    private unsafe PackedIntegers Zeros(TensorSlot slot, LayoutTensors tensors)
    {
        WeightTensor stored = tensors["weight_zero_point"];
        int groups = Groups(slot);
        nint data = stored.Data;
        if (stored.SizeInBytes != (long)slot.Rows * groups)
        {
            data = tensors.Scratch.AllocateBytes(slot.Rows);
            new System.Span<byte>((void*)data, slot.Rows).Fill(*(byte*)stored.Data);
        }

        return new PackedIntegers(data, 8, IntegerOrder.Bytes, slot.Rows, groups, 128);
    }
}
