using System;
using System.Collections.Generic;
using System.Threading.Tasks;
using Quire.Models.Weights;
using Quire.Tensors;
using Quire.Tensors.Quantization;
using Quire.Tensors.Reference;

namespace Quire.Models.Quantization;

/// <summary>
/// Quantises the linear layers of a plain checkpoint while it is loaded, without calibration data. Embeddings, the output head, routers
/// of experts and norms stay as they are. What each name gives up in accuracy is measured in docs/quantization.md.
/// </summary>
internal sealed class OnlineQuantization : QuantizationScheme
{
    private static readonly OnlineQuantization[] All =
    [
        new("int8", new IntegerLayout(8, 128, asymmetric: false), "8 bit integers in groups of 128"),
        new("int4", new IntegerLayout(4, 32, asymmetric: true), "4 bit integers with zero points in groups of 32"),
        new("fp8_per_tensor", new Float8OnlineLayout(Float8Blocks.Tensor), "FP8, one scale a matrix"),
        new("fp8_per_channel", new Float8OnlineLayout(Float8Blocks.Output), "FP8, a scale for each output"),
        new("fp8_per_block", new Float8OnlineLayout(Float8Blocks.Square), "FP8, a scale for each block of 128 x 128"),
        new("int8_per_channel_weight_only", new IntegerLayout(8, -1, asymmetric: false), "8 bit integers, a scale for each output"),
    ];

    private readonly LinearLayout _layout;

    private OnlineQuantization(string method, LinearLayout layout, string summary)
    {
        Method = method;
        _layout = layout;
        Summary = $"{method} at load: {summary}";
    }

    private enum Float8Blocks
    {
        Tensor,
        Output,
        Square,
    }

    /// <summary>Names for plain checkpoints; fp8 is one for quantised ones too.</summary>
    public static IReadOnlyList<string> Names { get; } = ["int8", "int4", .. Array.ConvertAll(All[2..], scheme => scheme.Method)];

    public override string Method { get; }

    public override string Summary { get; }

    /// <summary>The scheme of a name, or null.</summary>
    public static OnlineQuantization? Find(string name) =>
        Array.Find(All, scheme => scheme.Method == (name == Float8.Name ? "fp8_per_channel" : name));

    private protected override LinearLayout? Layout(string module, bool isHead) => isHead ? null : _layout;

    /// <summary>What all layouts share: they need the plain weight, and go through it row by row.</summary>
    private abstract class OnlineLayout : LinearLayout
    {
        public override IReadOnlyList<TensorRequirement> Requirements(TensorSlot slot) => [new(slot.Name, Floats, [.. slot.Shape])];

        /// <summary>Hands every row of the weight, as floats, to <paramref name="take"/>, on several threads.</summary>
        protected static void ForEachRow(TensorSlot slot, LayoutTensors tensors, Action<int, float[]> take)
        {
            WeightTensor weight = tensors["weight"];
            Parallel.For(0, slot.Rows, () => new float[slot.Columns], (row, _, values) =>
            {
                for (int column = 0; column < values.Length; column++)
                {
                    long index = slot.Transposed ? (long)column * slot.Rows + row : (long)row * slot.Columns + column;
                    float value = Elements.Load(weight.Data, weight.Type!.Value, index);
                    values[column] = float.IsFinite(value) ? value : throw tensors.Invalid("weight", $"holds {value} at [{row}, {column}]");
                }

                take(row, values);
                return values;
            }, static _ => { });
        }
    }

    private sealed class IntegerLayout(int bits, int groupSize, bool asymmetric) : OnlineLayout
    {
        public override unsafe LinearPart Bind(TensorSlot slot, LayoutTensors tensors)
        {
            int group = Group(slot);
            int groups = Groups(slot);
            int rowWords = (slot.Columns * bits + 31) / 32;
            Tensor words = tensors.Scratch.Allocate(DType.I32, slot.Rows, rowWords);
            Tensor scales = tensors.Scratch.Allocate(DType.F16, slot.Rows, groups);
            nint zeros = tensors.Scratch.AllocateBytes((long)slot.Rows * groups);
            ForEachRow(slot, tensors, (row, values) =>
            {
                var integers = new byte[group];
                Span<int> target = words.HostRow<int>(row);
                for (int g = 0; g < groups; g++)
                {
                    int start = g * group;
                    ReadOnlySpan<float> part = values.AsSpan(start, Math.Min(group, values.Length - start));
                    (float scale, int zero) = GroupQuantizer.Quantize(part, bits, asymmetric, integers);
                    Elements.Store(scales, row, g, scale);
                    ((byte*)zeros)[(long)row * groups + g] = (byte)zero;
                    for (int i = 0; i < part.Length; i++)
                    {
                        int bit = (start + i) * bits;
                        target[bit / 32] |= integers[i] << (bit % 32);
                    }
                }
            });
            return new GroupAffinePart(
                new PackedIntegers(words.Data, bits, IntegerOrder.RowsOfColumns, slot.Rows, slot.Columns),
                new HostMatrix(scales.Data, scales.Type, scales.Rows, scales.Columns),
                ScalesByGroup: false,
                asymmetric ? new PackedIntegers(zeros, 8, IntegerOrder.Bytes, slot.Rows, groups) : null,
                group);
        }

        public override long SizeInBytes(TensorSlot slot)
        {
            long columns = (slot.Columns + 31L) / 32 * 32;
            return slot.Rows * (columns * bits / 8 + (long)Groups(slot) * (asymmetric ? 3 : 2));
        }

        private int Group(TensorSlot slot) => groupSize < 0 ? slot.Columns : groupSize;

        private int Groups(TensorSlot slot) => (slot.Columns + Group(slot) - 1) / Group(slot);
    }

    private sealed class Float8OnlineLayout(Float8Blocks blocks) : OnlineLayout
    {
        private const int Side = 128;

        public override unsafe LinearPart Bind(TensorSlot slot, LayoutTensors tensors)
        {
            (int outputs, int inputs) = Block(slot);
            Tensor scales = tensors.Scratch.Allocate(DType.F32, (slot.Rows + outputs - 1) / outputs, (slot.Columns + inputs - 1) / inputs);
            var largest = new float[slot.Rows][];
            ForEachRow(slot, tensors, (row, values) =>
            {
                largest[row] = new float[scales.Columns];
                for (int i = 0; i < values.Length; i++)
                {
                    largest[row][i / inputs] = Math.Max(largest[row][i / inputs], Math.Abs(values[i]));
                }
            });
            for (int row = 0; row < slot.Rows; row++)
            {
                Span<float> target = scales.HostRow<float>(row / outputs);
                for (int i = 0; i < target.Length; i++)
                {
                    target[i] = Math.Max(target[i], largest[row][i] / 448);
                }
            }

            nint bytes = tensors.Scratch.AllocateBytes(slot.ElementCount);
            ForEachRow(slot, tensors, (row, values) =>
            {
                byte* target = (byte*)bytes + (long)row * slot.Columns;
                Span<float> scale = scales.HostRow<float>(row / outputs);
                for (int i = 0; i < values.Length; i++)
                {
                    float unit = scale[i / inputs];
                    target[i] = unit == 0 ? (byte)0 : FloatConversions.SingleToFloat8E4M3(values[i] / unit);
                }
            });
            return new Float8Part(
                new HostMatrix(bytes, DType.F8E4M3, slot.Rows, slot.Columns),
                new HostMatrix(scales.Data, DType.F32, scales.Rows, scales.Columns),
                outputs,
                inputs);
        }

        public override long SizeInBytes(TensorSlot slot)
        {
            (int outputs, int inputs) = Block(slot);
            return slot.Rows * ((slot.Columns + 31L) / 32 * 32)
                + 4 * ((slot.Rows + outputs - 1L) / outputs) * ((slot.Columns + inputs - 1L) / inputs);
        }

        private (int Outputs, int Inputs) Block(TensorSlot slot) => blocks switch
        {
            Float8Blocks.Tensor => (slot.Rows, slot.Columns),
            Float8Blocks.Output => (1, slot.Columns),
            _ => (Side, Side),
        };
    }
}
