using System.Collections.Generic;
using System.Text;
using Quire.Models.Quantization;
using Quire.Tensors;

namespace Quire.Models.Weights;

/// <summary>Compares a checkpoint's tensors with what a model needs: names, shapes and types, in one pass with one error.</summary>
internal sealed class WeightCheck
{
    private static readonly DType[] Floats = [DType.F32, DType.F16, DType.BF16];

    private readonly DecoderSlots _slots;
    private readonly IWeightSource _source;
    private readonly QuantizationScheme? _scheme;
    private readonly List<string> _missing = [];
    private readonly List<string> _wrong = [];
    private readonly HashSet<string> _used = [];
    private long _bytes;

    private WeightCheck(DecoderSlots slots, IWeightSource source, QuantizationScheme? scheme)
    {
        _slots = slots;
        _source = source;
        _scheme = scheme;
    }

    /// <summary>Returns the bytes of all tensors that will be read, or throws one error that lists every fault.</summary>
    public static long Run(DecoderSlots slots, IWeightSource source, QuantizationScheme? scheme)
    {
        var check = new WeightCheck(slots, source, scheme);
        foreach (TensorSlot slot in slots.All())
        {
            IReadOnlyList<TensorRequirement> requirements = scheme?.LayoutOf(slot) is { } layout
                ? layout.Requirements(slot)
                : [new TensorRequirement(slot.Name, Floats, [.. slot.Shape]) { Packed = !slot.IsVector && !slot.Transposed }];
            foreach (TensorRequirement requirement in requirements)
            {
                check.Take(requirement);
            }
        }

        check.ThrowIfFaulty();
        return check._bytes;
    }

    private void Take(TensorRequirement requirement)
    {
        WeightTensor? tensor = _slots.Find(_source, requirement.Name);
        _used.Add(tensor?.Name ?? requirement.Name);
        if (tensor is null)
        {
            if (!requirement.Optional)
            {
                _missing.Add(requirement.Name);
            }
        }
        else if (Fault(requirement, tensor) is { } fault)
        {
            _wrong.Add(fault);
        }
        else
        {
            _bytes += tensor.SizeInBytes;
        }
    }

    private void ThrowIfFaulty()
    {
        var unused = new List<string>();
        foreach (string name in _source.Names)
        {
            if (!_used.Contains(name) && !_slots.Ignores(name) && _scheme?.Ignores(name) != true)
            {
                unused.Add(name);
            }
        }

        if (_missing.Count + _wrong.Count + unused.Count > 0)
        {
            throw new CheckpointException(CheckpointProblem.WeightMismatch, Describe(_scheme, _missing, _wrong, unused));
        }
    }

    private static string? Fault(TensorRequirement requirement, WeightTensor tensor)
    {
        bool sameShape = false;
        foreach (long[] shape in requirement.Shapes)
        {
            sameShape |= Same(shape, tensor.Shape);
        }

        if (!sameShape)
        {
            return $"{requirement.Name} has the shape {WeightTensor.Describe(tensor.Shape)} instead of {WeightTensor.Describe(requirement.Shapes[0])}";
        }

        if (tensor.InterleavedHeads > 0 && tensor.Shape[0] % (2 * tensor.InterleavedHeads) != 0)
        {
            return $"{requirement.Name} is not {tensor.InterleavedHeads} heads of two halves";
        }

        if (requirement.Packed && tensor.Packed is not null)
        {
            return null;
        }

        foreach (DType type in requirement.Types)
        {
            if (tensor.Type == type)
            {
                return null;
            }
        }

        return $"{requirement.Name} has the type {tensor.TypeName}, but only {TypeNames(requirement.Types)} can be used here";
    }

    private static bool Same(long[] expected, IReadOnlyList<long> actual)
    {
        bool same = expected.Length == actual.Count;
        for (int i = 0; same && i < expected.Length; i++)
        {
            same = expected[i] == actual[i];
        }

        return same;
    }

    /// <summary>Such as <c>F32, F16 and BF16</c>.</summary>
    private static string TypeNames(IReadOnlyList<DType> types)
    {
        var text = new StringBuilder();
        for (int i = 0; i < types.Count; i++)
        {
            text.Append(i == 0 ? "" : i == types.Count - 1 ? " and " : ", ").Append(SafetensorsTypes.Name(types[i]));
        }

        return text.ToString();
    }

    private static string Describe(QuantizationScheme? scheme, List<string> missing, List<string> wrong, List<string> unused)
    {
        var text = new StringBuilder("the checkpoint does not fit its config.json");
        if (scheme is not null)
        {
            text.Append(" (").Append(scheme.Summary).Append(')');
        }

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
